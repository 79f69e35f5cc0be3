"""driver: the composition root - the only file that names concrete classes. From a file or a declaration to a running job.

Imports are inside functions where a run may not need the thing: heavy libraries load when they are used.
"""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable, Hashable, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager, closing
from copy import deepcopy
from dataclasses import dataclass, field, replace
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final
from weakref import WeakKeyDictionary

from murakkab.catalog import Capability, Catalog, ExecutorCard
from murakkab.document import from_document
from murakkab.dsl import StepFunction
from murakkab.errors import Diagnostic, InputError, MurakkabError, NotFoundError, SpecError
from murakkab.load import parse
from murakkab.optimizer.choose import choose
from murakkab.planner.check import check
from murakkab.planner.compile import compile_workflow
from murakkab.ports import Clock, Executor, JobHeader, Journal, Meter, Observer, ResultCache
from murakkab.runtime.artifacts import LocalArtifacts, file_value
from murakkab.runtime.attempt import Outside
from murakkab.runtime.cache import MemoryResultCache, SqliteResultCache
from murakkab.runtime.driver import Runtime, Verdict, Work, replay
from murakkab.runtime.journal import MemoryJournal
from murakkab.runtime.messages import FinishJob
from murakkab.runtime.result import JobResult
from murakkab.runtime.slots import SlotTable
from murakkab.runtime.sqlite_journal import SqliteJournal
from murakkab.runtime.state import JobState
from murakkab.runtime.tracing import open_tracer
from murakkab.signature import describe
from murakkab.spec import Goal, Workflow
from murakkab.types import mismatch
from murakkab_cluster.energy import open_meter
from murakkab_executors.python import load_function

__all__ = ["JobResult", "Runtime", "Settings", "Verdict", "Work"]

#: The families that ship. Each lists its executors in `EXECUTORS`; heavy libraries load when one runs.
_FAMILIES: Final = tuple(
    f"murakkab_executors.{name}" for name in ("python", "shell", "http", "file", "video", "detection", "audio", "text")
)


#: What each extra brings, by the names under which it is imported.
_LIBRARIES: Final[Mapping[str, tuple[str, ...]]] = {"video": ("av", "cv2", "scenedetect"), "audio": ("av", "pocketsphinx")}
#: Plain functions that run at a time: as many as AnyIO has threads for them.
_THREADS: Final = 40.0


@dataclass(frozen=True, slots=True)
class Settings:
    """What a process runs with. `home` holds the journal, the artifacts and the result cache.

    `durable`: jobs are journalled on disk and survive this process. `power_safe`: they survive a power cut too, at a disk flush per event.
    `slots`: further resources, such as {"gpu-memory-mb": 24000}; `cores`: how many CPU cores tasks may use, None for all there are.
    """

    home: Path = Path(".murakkab")
    durable: bool = False
    power_safe: bool = False
    cores: float | None = None
    slots: Mapping[str, float] = field(default_factory=dict)

    @property
    def key(self) -> Hashable:
        """Equal for settings that mean the same."""
        return self.home.resolve(), self.durable, self.power_safe, self.cores, tuple(sorted(self.slots.items()))


def system_clock() -> Clock:
    """Return a clock in seconds since the epoch that never runs backwards, whatever is done to the machine's time."""
    offset = time.time() - time.perf_counter()
    tick = time.perf_counter
    return lambda: offset + tick()


# ----------------------------------------------------------------------------------------------------------------- catalog


@cache
def executors() -> Mapping[str, Executor]:
    """Return every installed executor by name: those that ship, then those of the entry-point group `murakkab.executors`."""
    found: dict[str, Executor] = {}
    for module in _FAMILIES:
        for one in import_module(module).EXECUTORS:
            found[one.card.name] = one
    for point in entry_points(group="murakkab.executors"):
        try:
            for one in point.load().EXECUTORS:
                found[one.card.name] = one
        except Exception as exc:
            cause = f"{type(exc).__name__}: {exc}" if str(exc) else type(exc).__name__
            message = f"the plug-in {point.name!r} ({point.value}) cannot be loaded: {cause}"
            raise MurakkabError(message, hint="mend or uninstall it") from exc
    return found


@cache
def catalog() -> Catalog:
    """Return the capabilities and executor cards of this installation."""
    from murakkab_executors.capabilities import CAPABILITIES

    return Catalog({one.name: one for one in CAPABILITIES}, {name: one.card for name, one in executors().items()})


# -------------------------------------------------------------------------------------------------------------- from text


def load_file(path: str | Path) -> Work:
    """Return the checked, compiled workflow of a YAML or JSON file. Raises `SpecError` with every mistake, or `NotFoundError`."""
    file = Path(path)
    try:
        text = file.read_bytes()
    except FileNotFoundError:
        raise NotFoundError(f"there is no file {str(path)!r}", hint="give the path of a workflow file (.yaml or .json)") from None
    except OSError as exc:
        raise NotFoundError(f"{str(path)!r} cannot be read: {exc.strerror}") from None
    return load_text(text, str(path))


def load_text(text: str | bytes, file: str) -> Work:
    """Return the checked, compiled workflow that *text* declares; *file* is what messages call it."""
    parsed = parse(text, file)
    functions: dict[str, Callable[..., Any]] = {}
    found = parsed.diagnostics
    if parsed.workflow is not None:
        functions, described, wrong = _functions(parsed.workflow)
        found = parsed.report([*wrong, *check(parsed.workflow, catalog(), described)])
    if found or parsed.workflow is None:
        raise SpecError(found)
    return prepare(parsed.workflow, functions, checked=True)


def _functions(workflow: Workflow) -> tuple[dict[str, Callable[..., Any]], dict[str, Capability], list[Diagnostic]]:
    """Return the functions of `call` steps, what they take and give, and a diagnostic for each that cannot be found."""
    functions: dict[str, Callable[..., Any]] = {}
    described: dict[str, Capability] = {}
    wrong: list[Diagnostic] = []
    for step in workflow.steps.values():
        if step.call and step.call not in functions:
            try:
                found = load_function(step.call)
                # The function itself: behind its decorator nobody can tell that it is async.
                functions[step.call] = found.function if isinstance(found, StepFunction) else found
                described[step.call] = describe(functions[step.call])
            except (NotFoundError, InputError) as exc:
                described[step.call] = Capability("python", "", open_inputs=True)
                wrong.append(Diagnostic("unknown-function", exc.message, exc.hint, ("steps", step.name, "call")))
    return functions, described, wrong


def prepare(
    workflow: Workflow, functions: Mapping[str, Callable[..., Any]] | None = None, *, goal: Goal | None = None, checked: bool = False
) -> Work:
    """Return the workflow compiled, with a choice per step. Raises `SpecError`, or `PlanError` when nothing provides a capability."""
    functions = dict(functions or {})
    described = {name: describe(function) for name, function in functions.items()}
    if not checked:
        missing, more, wrong = _functions(replace(workflow, steps={n: s for n, s in workflow.steps.items() if s.call not in functions}))
        functions |= missing
        described |= more
        wrong += check(workflow if goal is None else replace(workflow, goal=goal), catalog(), described)
        if wrong:
            raise SpecError(wrong)
    graph = compile_workflow(workflow, catalog(), described)
    return Work(graph, choose(graph, catalog(), goal), functions)


def check_inputs(workflow: Workflow, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the inputs with defaults filled in. Raises `InputError` that names everything missing, unknown or of the wrong type."""
    wrong = [f"unknown input {name!r}" for name in given if name not in workflow.inputs]
    inputs: dict[str, Any] = {}
    for name, declared in workflow.inputs.items():
        if name in given:
            inputs[name] = given[name]
            if reason := mismatch(declared.type, given[name]):
                wrong.append(f"input {name!r}: {reason}")
        elif declared.required:
            wrong.append(f"input {name!r} ({declared.type}) is missing")
        else:
            # A copy: a step may change what it is given, and the next job has the same default.
            inputs[name] = deepcopy(declared.default)
    if wrong:
        known = ", ".join(f"{name}: {one.type}" for name, one in workflow.inputs.items())
        raise InputError("; ".join(wrong), hint=f"{workflow.name} takes {known or 'no inputs'}")
    return inputs


# ------------------------------------------------------------------------------------------------------------------ running


def open_journal(settings: Settings) -> Journal:
    """Return the journal on disk below `home`; the caller closes it."""
    return SqliteJournal(settings.home / "journal.db", LocalArtifacts(settings.home / "artifacts"), sync=settings.power_safe)


@dataclass
class _Opened:
    """A runtime that everyone on one event loop who asks for the same settings shares: the slots of a process are one set."""

    runtime: Runtime
    close: Callable[[], None]
    users: int = 0


_opened: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[Hashable, _Opened]] = WeakKeyDictionary()


@asynccontextmanager
async def open_runtime(settings: Settings | None = None, *, journal: Journal | None = None) -> AsyncIterator[Runtime]:
    """A runtime on the current event loop, shared with whoever has opened one with the same settings there.

    *journal* overrides the one that the settings call for; it stays open, and the runtime is not shared.
    """
    settings = settings or Settings()
    if journal is not None:
        with ExitStack() as stack:
            yield _new_runtime(settings, journal, stack)
        return
    shared = _opened.setdefault(asyncio.get_running_loop(), {})
    key = settings.key
    opened = shared.get(key)
    if opened is None:
        with ExitStack() as stack:
            own = stack.enter_context(closing(open_journal(settings))) if settings.durable else None
            opened = shared[key] = _Opened(_new_runtime(settings, own, stack), stack.pop_all().close)
    opened.users += 1
    try:
        yield opened.runtime
    finally:
        opened.users -= 1
        if not opened.users:
            del shared[key]
            opened.close()


def _new_runtime(settings: Settings, journal: Journal | None, stack: ExitStack) -> Runtime:
    cache: ResultCache = MemoryResultCache()
    if settings.durable:
        cache = stack.enter_context(closing(SqliteResultCache(settings.home / "cache.db")))
    outside = Outside(
        artifacts=LocalArtifacts(settings.home / "artifacts"),
        clock=system_clock(),
        cache=cache,
        tracer=open_tracer(os.environ),
        lacking=_lacking,
    )
    return Runtime(executors(), outside, slots=_slots(settings), journal=journal, meter=_meter())


@cache
def _meter() -> Meter:
    return open_meter()


def _core_count() -> int:
    """Return how many cores this process may use; where the system does not say (macOS), how many there are."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _lacking(card: ExecutorCard) -> str:
    return next((module for module in _LIBRARIES.get(card.extra, ()) if find_spec(module) is None), "")


def _slots(settings: Settings) -> SlotTable:
    cores = settings.cores if settings.cores is not None else float(_core_count())
    cards = [one.card for one in executors().values()]
    capacity = {"cores": cores, "threads": _THREADS, **settings.slots}
    rates: dict[str, float] = {}
    for card in cards:
        if card.limits.concurrency is not None or card.limits.rate_per_second is not None:
            capacity[f"executor:{card.name}"] = float(card.limits.concurrency or 1_000_000)
        if card.limits.rate_per_second is not None:
            rates[f"executor:{card.name}"] = card.limits.rate_per_second
    return SlotTable(capacity, rates)


async def run_work(
    work: Work, inputs: Mapping[str, Any], *, settings: Settings | None = None, observers: Sequence[Observer] = ()
) -> JobResult:
    """Return how one job ended, on a runtime of its own."""
    checked = check_inputs(work.graph.workflow, inputs)
    async with open_runtime(settings) as runtime:
        return await runtime.run(work, checked, observers=observers)


# ------------------------------------------------------------------------------------------------------------ looking back


def work_of(journal: Journal, job: str, functions: Mapping[str, Callable[..., Any]] | None = None) -> Work:
    """Return the workflow of a journalled job, compiled again with the choices it was started with."""
    header, _ = journal.read(job)
    read = from_document(header.workflow)
    if read.workflow is None or read.diagnostics:
        raise SpecError(read.diagnostics)
    return _as_chosen(prepare(read.workflow, functions), header)


def _as_chosen(work: Work, header: JobHeader) -> Work:
    known = executors()
    choices = {
        name: replace(choice, executor=known[chosen].card, why="chosen when the job began")
        for name, choice in work.deployment.choices.items()
        if (chosen := header.choices.get(name, choice.executor.name)) in known
    }
    return Work(work.graph, replace(work.deployment, choices={**work.deployment.choices, **choices}), work.functions)


def state_of(journal: Journal, job: str) -> tuple[Work, JobState, JobResult]:
    """Return a journalled job as it stands: its workflow, its state, and its result so far.

    Nothing is run, so functions that cannot be found here (those of a script, say) do no harm.
    """
    header, past = journal.read(job)
    read = from_document(header.workflow)
    if read.workflow is None or read.diagnostics:
        raise SpecError(read.diagnostics)
    functions, described, _ = _functions(read.workflow)
    graph = compile_workflow(read.workflow, catalog(), described)
    work = _as_chosen(Work(graph, choose(graph, catalog()), functions), header)
    state = replay(work.graph, past)
    status = next((one.status for one in journal.jobs() if one.job == job), "interrupted")
    outputs = next((command.outputs for command in state.commands if isinstance(command, FinishJob)), {})
    result = JobResult(job, status, outputs, tuple(state.failures), work.graph, work.deployment, past)
    return work, state, result


def file_input(path: str) -> dict[str, Any]:
    """Return the `file` value of a path or URI. Raises `NotFoundError`."""
    return file_value(path)


def memory_journal() -> MemoryJournal:
    """Return a journal that lives as long as this process."""
    return MemoryJournal()
