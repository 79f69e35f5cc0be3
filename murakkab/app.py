"""driver: the composition root - the only file that names concrete classes. From a file or a declaration to a running job.

Imports are inside functions where a run may not need the thing: heavy libraries load when they are used.
"""

import asyncio
import os
import secrets
import shlex
import time
from collections.abc import AsyncIterator, Callable, Collection, Hashable, Iterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager, closing, contextmanager
from copy import deepcopy
from dataclasses import dataclass, field, replace
from errno import EINVAL
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, NamedTuple
from weakref import WeakKeyDictionary

from murakkab.catalog import Capability, Catalog, ExecutorCard
from murakkab.document import from_document
from murakkab.dsl import StepFunction
from murakkab.errors import ConflictError, Diagnostic, InputError, InvalidTransition, MurakkabError, NotFoundError, SpecError
from murakkab.load import MAX_CHARACTERS, Parsed, parse
from murakkab.optimizer.choose import choose
from murakkab.planner.check import check
from murakkab.planner.check_profiles import check_profiles
from murakkab.planner.compile import compile_workflow
from murakkab.planner.walk import every_step
from murakkab.ports import Clock, Executor, JobHeader, Journal, Meter, Observer, Records, ResultCache
from murakkab.runtime.artifacts import LocalArtifacts, file_value
from murakkab.runtime.attempt import Outside
from murakkab.runtime.cache import MemoryResultCache, SqliteResultCache
from murakkab.runtime.driver import Runtime, Verdict, Work, replay
from murakkab.runtime.fork import branched
from murakkab.runtime.journal import MemoryJournal
from murakkab.runtime.messages import Answered, Event, FinishJob
from murakkab.runtime.requests import completed_answer, refusal
from murakkab.runtime.result import JobResult
from murakkab.runtime.retention import OVER, Cleaned, Rule
from murakkab.runtime.retention import clean as throw_away
from murakkab.runtime.slots import SlotTable
from murakkab.runtime.sqlite_journal import SqliteJournal
from murakkab.runtime.sqlite_records import SqliteRecords
from murakkab.runtime.state import JobState
from murakkab.runtime.tracing import open_tracer
from murakkab.signature import describe, nameless
from murakkab.spec import Goal, Workflow
from murakkab.types import mismatch
from murakkab.values import MAX_NESTED, is_deeper
from murakkab_cluster.energy import open_meter
from murakkab_executors.python import load_function

__all__ = ["Cleaned", "Forked", "JobResult", "Runtime", "Settings", "Verdict", "Work"]

#: The families that ship. Each lists its executors in `EXECUTORS`; heavy libraries load when one runs.
_FAMILIES: Final = tuple(
    f"murakkab_executors.{name}" for name in ("python", "shell", "http", "file", "video", "detection", "audio", "text")
)


#: What each extra brings, by the names under which it is imported.
_LIBRARIES: Final[Mapping[str, tuple[str, ...]]] = {"video": ("av", "cv2", "scenedetect"), "audio": ("av", "pocketsphinx")}
#: Looking for a function that is not there takes long: behind so many the others are taken to be there.
_MISSES: Final = 20
#: What is below `home`.
_JOURNAL: Final = "journal.db"
_ARTIFACTS: Final = "artifacts"
_CACHE: Final = "cache.db"
#: Seconds between looks whether a letter was taken.
_LOOK_EVERY: Final = 0.02
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
        except (Exception, SystemExit) as exc:
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


def load_file(path: str | Path, *, profile: str = "", with_profiles: bool = False, is_drawn: bool = False) -> Work:
    """Return the checked, compiled workflow of a YAML or JSON file, with a profile of it laid over it when one is named.

    *with_profiles*: what is wrong under one of those that are not chosen is a mistake too. *is_drawn*: it is only looked at, and that a
    function is not there is a warning. Raises `SpecError` with every mistake, `NotFoundError`, or `InputError` for a file of Python.
    What is only a warning is kept in the result.
    """
    try:
        text = _read(str(path))
    except FileNotFoundError:
        raise NotFoundError(f"there is no file {str(path)!r}", hint="give the path of a workflow file (.yaml or .json)") from None
    except OSError as exc:
        raise NotFoundError(f"{str(path)!r} cannot be read: {exc.strerror}") from None
    if Path(path).suffix == ".py":
        hint = "`.to_yaml()` of a workflow gives its YAML: print(NAME.to_yaml()) in that file; `.run()` runs it"
        raise InputError(f"{str(path)!r} is Python, and files of workflows are YAML or JSON", hint=hint)
    return _load(parse(text, str(path), profile=profile, read=_read_part), with_profiles=with_profiles, is_drawn=is_drawn)


def load_text(text: str | bytes, file: str, *, profile: str = "") -> Work:
    """Return the checked, compiled workflow that *text* declares; *file* is what messages call it. It can name no files."""
    return _load(parse(text, file, profile=profile))


def _read_part(path: str) -> bytes:
    """Return what is in a file that a workflow names. Reading a pipe or a device may never end."""
    at = Path(path)
    if at.exists() and not at.is_file() and not at.is_dir():
        raise OSError(EINVAL, "it is no regular file")
    return _read(path)


def _read(path: str) -> bytes:
    with Path(path).open("rb") as file:
        return file.read(MAX_CHARACTERS + 1)


def _load(parsed: Parsed, *, with_profiles: bool = False, is_drawn: bool = False) -> Work:
    functions: dict[str, Callable[..., Any]] = {}
    described: dict[str, Capability] = {}
    found = parsed.diagnostics
    if parsed.workflow is not None:
        functions, described, lacking = _functions(parsed.workflow)
        wrong = [replace(one, is_warning=is_drawn) for one in _with_folders(lacking, parsed)]
        wrong += check(parsed.workflow, catalog(), described)
        if with_profiles and parsed.workflow.profiles:
            wrong += check_profiles(parsed.workflow, catalog(), described)
        found = parsed.report(wrong)
    if parsed.workflow is None or not all(one.is_warning for one in found):
        raise SpecError(found)
    graph = compile_workflow(parsed.workflow, catalog(), described)
    return Work(graph, choose(graph, catalog()), functions, warnings=tuple(found))


def _with_folders(lacking: Sequence[Diagnostic], parsed: Parsed) -> Iterator[Diagnostic]:
    """Yield the functions that are lacking; where the module lies beside the file that names it, the hint says how it is found."""
    calls: dict[tuple[str | int, ...], str]
    calls = {(*path, "call"): step.call for path, step in every_step(parsed.workflow)} if lacking and parsed.workflow else {}
    for one in lacking:
        file = Path(parsed.places.home(one.path)[0].file)
        module = calls.get(one.path, "").partition(":")[0].partition(".")[0]
        beside = (file.parent / f"{module}.py", file.parent / module / "__init__.py")
        if module.isidentifier() and file.is_file() and any(map(Path.is_file, beside)) and find_spec(module) is None:
            folder = shlex.quote(str(file.parent))
            yield replace(one, hint=f"it lies beside {file.name}: run it from {folder}, or set PYTHONPATH={folder}")
        else:
            yield one


def _functions(
    workflow: Workflow, known: Mapping[str, Any] | None = None
) -> tuple[dict[str, Callable[..., Any]], dict[str, Capability], list[Diagnostic]]:
    """Return the functions of `call` steps but those *known*, what they take and give, and a diagnostic for each that cannot be found."""
    functions: dict[str, Callable[..., Any]] = {}
    described: dict[str, Capability] = {}
    missing: dict[str, Diagnostic] = {}
    wrong: list[Diagnostic] = []
    for path, step in every_step(workflow):
        if not step.call or step.call in functions or step.call in (known or {}):
            continue
        if step.call not in described:
            described[step.call] = Capability("python", "", open_inputs=True)
            found = _function(step.call) if len(missing) < _MISSES else None
            if isinstance(found, Diagnostic):
                missing[step.call] = found
            elif found is not None:
                functions[step.call] = found
                described[step.call] = describe(found)
        if step.call in missing:
            wrong.append(replace(missing[step.call], path=(*path, "call")))
    return functions, described, wrong


def _function(name: str) -> Callable[..., Any] | Diagnostic:
    """Return the function itself: behind its decorator nobody can tell that it is async. Else why it cannot be a step."""
    try:
        found = load_function(name)
    except (NotFoundError, InputError) as exc:
        return Diagnostic("unknown-function", exc.message, exc.hint)
    function: Callable[..., Any] = found.function if isinstance(found, StepFunction) else found
    if parameter := nameless(function):
        hint = "call a function of your own, whose parameters have names"
        return Diagnostic("bad-function", f"{name} takes {parameter!r} by its place alone, and inputs are given by name", hint)
    return function


def prepare(
    workflow: Workflow, functions: Mapping[str, Callable[..., Any]] | None = None, *, goal: Goal | None = None, checked: bool = False
) -> Work:
    """Return the workflow compiled, with a choice per step. Raises `SpecError`, or `PlanError` when nothing provides a capability."""
    functions = dict(functions or {})
    described = {name: describe(function) for name, function in functions.items()}
    found: list[Diagnostic] = []
    if not checked:
        missing, more, found = _functions(workflow, functions)
        functions |= missing
        described |= more
        found += check(workflow if goal is None else replace(workflow, goal=goal), catalog(), described)
        if not all(one.is_warning for one in found):
            raise SpecError(found)
    graph = compile_workflow(workflow, catalog(), described)
    return Work(graph, choose(graph, catalog(), goal), functions, warnings=tuple(found))


def check_inputs(workflow: Workflow, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the inputs with defaults filled in. Raises `InputError` that names everything missing, unknown or of the wrong type."""
    wrong = [f"unknown input {name!r}" for name in given if name not in workflow.inputs]
    inputs: dict[str, Any] = {}
    for name, declared in workflow.inputs.items():
        if name in given:
            inputs[name] = given[name]
            # All inputs lie in one mapping, and that counts.
            is_too_deep = is_deeper(given[name], MAX_NESTED - 1)
            if reason := f"it is nested more than {MAX_NESTED} deep" if is_too_deep else mismatch(declared.type, given[name]):
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
    return SqliteJournal(settings.home / _JOURNAL, LocalArtifacts(settings.home / _ARTIFACTS), sync=settings.power_safe)


@contextmanager
def open_records(settings: Settings) -> Iterator[Records]:
    """The journal on disk below `home`, to be looked at: nothing is written. Raises `InputError`, and `BackendError` for a damaged one."""
    with closing(SqliteRecords(settings.home / _JOURNAL, LocalArtifacts(settings.home / _ARTIFACTS))) as records:
        yield records


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
        cache = stack.enter_context(closing(SqliteResultCache(settings.home / _CACHE)))
    outside = Outside(
        artifacts=LocalArtifacts(settings.home / _ARTIFACTS),
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


def work_of(journal: Records, job: str, functions: Mapping[str, Callable[..., Any]] | None = None) -> Work:
    """Return the workflow of a journalled job, compiled again with the choices it was started with."""
    header, _ = journal.read(job)
    return _as_chosen(prepare(_declared(header), functions), header)


def _declared(header: JobHeader) -> Workflow:
    read = from_document(header.workflow)
    wrong = [one for one in read.diagnostics if not one.is_warning]
    if read.workflow is None or wrong:
        raise SpecError(wrong)
    return read.workflow


def _as_chosen(work: Work, header: JobHeader) -> Work:
    known = executors()
    choices = {
        name: replace(choice, executor=known[chosen].card, why="chosen when the job began")
        for name, choice in work.deployment.choices.items()
        if (chosen := header.choices.get(name, choice.executor.name)) in known
    }
    return Work(work.graph, replace(work.deployment, choices={**work.deployment.choices, **choices}), work.functions)


def state_of(journal: Records, job: str, *, at: float | None = None) -> tuple[Work, JobState, JobResult]:
    """Return a journalled job as it stands: its workflow, its state, and its result so far.

    *at*: as it stood then, after so many events (an `int`), or so many seconds after it began (a `float`). Nothing is run, so functions
    that cannot be found here (those of a script, say) do no harm.
    """
    header, past = journal.read(job)
    work = _work_seen(header)
    if at is not None:
        past = _until(past, at)
    state = _replayed(job, work, past)
    end = next((command for command in state.commands if isinstance(command, FinishJob)), FinishJob("", {}, tuple(state.failures)))
    result = JobResult(job, _status_of(journal, job, state, at), end.outputs, end.failures, work.graph, work.deployment, past)
    return work, state, result


def _work_seen(header: JobHeader) -> Work:
    """Return the workflow of a job as far as looking at it goes: its functions may be gone."""
    workflow = _declared(header)
    functions, described, _ = _functions(workflow)
    graph = compile_workflow(workflow, catalog(), described)
    return _as_chosen(Work(graph, choose(graph, catalog()), functions), header)


def _replayed(job: str, work: Work, past: Sequence[Event]) -> JobState:
    try:
        return replay(work.graph, past)
    except InvalidTransition as exc:
        hint = "look at it with the version and the executors that it ran with"
        raise ConflictError(f"the journal of job {job!r} does not fit the workflow as it compiles now: {exc.message}", hint=hint) from exc


def _until(past: Sequence[Event], at: float) -> Sequence[Event]:
    """Return the events up to *at*. Raises `InputError` where there is no such moment."""
    if not past or at < 0 or (isinstance(at, int) and at > len(past)):
        raise InputError(f"the job has no moment {at:g}", hint=f"it has {len(past)} events, numbered from 1")
    if isinstance(at, int):
        return past[:at]
    limit = past[0].time + at
    return past[: next((number for number, event in enumerate(past) if event.time > limit), len(past))]


def _status_of(journal: Records, job: str, state: JobState, at: float | None) -> str:
    if at is not None:
        return state.finished or "running"
    return next((one.status for one in journal.jobs() if one.job == job), "interrupted")


# ------------------------------------------------------------------------------------------------------- the life of a job


class Forked(NamedTuple):
    """A new job that goes on from an old one: its id, the tasks whose results it has, and the irreversible ones it will do once more."""

    job: str
    kept: Sequence[str]
    repeated: Sequence[str]


def fork(journal: Journal, job: str, step: str, *, new_id: str = "") -> Forked:
    """Make a new job, ready to be resumed, that has what *job* completed, but for *step* and whatever depends on it.

    *job* is only read: it may have ended, or run. Raises `NotFoundError`, `InputError` for a step inside of another, and `ConflictError`
    when *new_id* is taken.
    """
    header, past = journal.read(job)
    work = _work_seen(header)
    now = time.time()
    _replayed(job, work, past)
    branch = branched(work.graph, past, step, job=job, now=now)
    new = new_id or secrets.token_hex(6)
    journal.create(header._replace(job=new, created=now), is_fresh=not new_id)
    try:
        for event in branch.events:
            journal.append(new, event)
    finally:
        journal.finish(new, "interrupted", now)
    if all(one.job != job for one in journal.jobs()):
        # What it refers to may have been thrown away with the old one, before anybody could know of the new.
        journal.delete(new)
        raise NotFoundError(f"job {job!r} was deleted just now")
    return Forked(new, branch.kept, branch.repeated)


def tell(journal: Journal, job: str, event: Event, *, patience: float = 2.0) -> bool:
    """Tell a job what somebody outside wants; True when a process that runs it hears of it.

    False when nobody runs it: whoever resumes it has to tell it then. Raises what `requests.refusal` says about a request that does not
    fit, and `NotFoundError`. Waits up to *patience* seconds for the owner to take it, and leaves it in the mail after that.
    """
    header, past = journal.read(job)
    state = _replayed(job, _work_seen(header), past)
    if (refused := refusal(state, event)) is not None:
        raise refused
    letter = journal.post(job, completed_answer(state, event) if isinstance(event, Answered) else event)
    until = time.monotonic() + patience
    while letter:
        heard = journal.is_heard(letter)
        if heard is not None or time.monotonic() > until:
            return heard is not False
        time.sleep(_LOOK_EVERY)
    return False


def clean(
    settings: Settings, *, older_than: float | None = None, keep: int | None = None, statuses: Collection[str] = OVER, dry_run: bool = False
) -> Cleaned:
    """Throw away what is below `home` and needed no more, and return what that was; with *dry_run*, only say.

    Jobs go that are in *statuses*, ended *older_than* seconds ago or more, and are not among the newest *keep*; with neither, none do.
    Then files go that nothing needs any more, and results that have expired. Raises `InputError`.
    """
    rule = Rule(older_than, keep, statuses)
    rule.check()
    if not (settings.home / _JOURNAL).exists():
        return Cleaned((), 0, 0, 0)
    with ExitStack() as stack:
        journal = stack.enter_context(closing(open_journal(settings)))
        cache = settings.home / _CACHE
        opened = stack.enter_context(closing(SqliteResultCache(cache))) if cache.exists() else None
        store = LocalArtifacts(settings.home / _ARTIFACTS)
        return throw_away(journal, store, opened, rule=rule, now=time.time(), dry_run=dry_run)


def file_input(path: str) -> dict[str, Any]:
    """Return the `file` value of a path or URI. Raises `NotFoundError`."""
    return file_value(path)


def memory_journal() -> MemoryJournal:
    """Return a journal that lives as long as this process."""
    return MemoryJournal()
