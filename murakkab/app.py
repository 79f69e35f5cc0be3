"""driver: the composition root - the only file that names concrete classes. From a file or a declaration to a running job.

Imports are inside functions where a run may not need the thing: heavy libraries load when they are used.
"""

import asyncio
import os
import shlex
import time
from collections.abc import AsyncIterator, Callable, Collection, Hashable, Iterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager, closing, contextmanager, suppress
from copy import deepcopy
from dataclasses import dataclass, field, replace
from errno import EINVAL
from functools import cache, partial
from importlib import import_module
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

from murakkab.catalog import Capability, Catalog, ExecutorCard
from murakkab.dsl import StepFunction
from murakkab.errors import Diagnostic, InputError, MurakkabError, NotFoundError, SpecError
from murakkab.load import MAX_CHARACTERS, Parsed, parse
from murakkab.optimizer.choose import choose
from murakkab.optimizer.situation import Situation
from murakkab.plan import TaskGraph
from murakkab.planner.check import check
from murakkab.planner.check_profiles import check_profiles
from murakkab.planner.compile import compile_workflow
from murakkab.planner.compositions import expanded, least
from murakkab.planner.declared import declared_path
from murakkab.planner.graph_knobs import with_settings
from murakkab.planner.walk import every_step
from murakkab.ports import Clock, Executor, Journal, Meter, Observer, ProfileStore, Records, ResultCache
from murakkab.profiles import Profile
from murakkab.runtime.artifacts import LocalArtifacts, file_value
from murakkab.runtime.attempt import Outside
from murakkab.runtime.cache import MemoryResultCache, SqliteResultCache
from murakkab.runtime.driver import Runtime, Verdict, Work
from murakkab.runtime.journal import MemoryJournal
from murakkab.runtime.result import JobResult, worked_in
from murakkab.runtime.retention import OVER, Cleaned, Rule
from murakkab.runtime.retention import clean as throw_away
from murakkab.runtime.slots import SlotTable
from murakkab.runtime.sqlite_journal import SqliteJournal
from murakkab.runtime.sqlite_records import SqliteRecords
from murakkab.runtime.tracing import open_tracer
from murakkab.signature import describe, nameless
from murakkab.spec import Goal, Workflow
from murakkab.types import mismatch
from murakkab.values import MAX_NESTED, is_deeper
from murakkab_cluster.energy import open_meter
from murakkab_cluster.site import Installation
from murakkab_cluster.site import installation as look_around
from murakkab_executors.python import load_function

if TYPE_CHECKING:
    from murakkab.learning import Learner
    from murakkab.tier_store import TierStore

__all__ = ["Cleaned", "JobResult", "Runtime", "Settings", "Verdict", "Work"]

#: The families that ship. Each lists its executors in `EXECUTORS`; heavy libraries load when one runs.
_FAMILIES: Final = tuple(
    f"murakkab_executors.{name}"
    for name in (
        "python",
        "shell",
        "http",
        "file",
        "video",
        "detection",
        "audio",
        "text",
        "summary",
        "documents",
        "retrieval",
        "answering",
        "llm",
    )
)


#: What each extra brings, by the names under which it is imported.
_LIBRARIES: Final[Mapping[str, tuple[str, ...]]] = {"video": ("av", "cv2", "scenedetect"), "audio": ("av", "pocketsphinx")}
#: Looking for a function that is not there takes long: behind so many the others are taken to be there.
_MISSES: Final = 20
#: What is below `home`.
_JOURNAL: Final = "journal.db"
_ARTIFACTS: Final = "artifacts"
_CACHE: Final = "cache.db"
_PROFILES: Final = "profiles.db"
_TIERS: Final = "tiers"
#: Plain functions that run at a time: as many as AnyIO has threads for them.
_THREADS: Final = 40.0


@dataclass(frozen=True, slots=True)
class Settings:
    """What a process runs with. `home` holds the journal, the artifacts and the result cache.

    `durable`: jobs are journalled on disk and survive this process. `power_safe`: they survive a power cut too, at a disk flush per event.
    `slots`: further resources, such as {"gpu-memory-mb": 24000}; `cores`: how many CPU cores tasks may use, None for all there are.
    `learn`: every job updates the profiles below `home`; None: where there are any.
    """

    home: Path = Path(".murakkab")
    durable: bool = False
    power_safe: bool = False
    cores: float | None = None
    slots: Mapping[str, float] = field(default_factory=dict)
    learn: bool | None = None

    @property
    def key(self) -> Hashable:
        """Equal for settings that mean the same."""
        return self.home.resolve(), self.durable, self.power_safe, self.cores, tuple(sorted(self.slots.items())), self.learn


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


def catalog() -> Catalog:
    """Return the capabilities and executor cards of this installation; those that cannot run with the environment as it is are marked."""
    return _catalog(tuple(name for name in _settings() if os.environ.get(name)))


@cache
def _settings() -> tuple[str, ...]:
    """Return the environment variables that some executor needs."""
    return tuple(sorted({name for one in executors().values() for name in one.card.settings}))


@cache
def _catalog(settings: tuple[str, ...]) -> Catalog:
    """Return the catalog with these environment variables set."""
    from murakkab_executors.capabilities import CAPABILITIES

    cards = {name: one.card for name, one in executors().items()}
    lacking = {name: lack for name, card in cards.items() if (lack := _lacking(card))}
    return Catalog({one.name: one for one in CAPABILITIES}, cards, lacking)


def installation(file: Path | None = None) -> Installation:
    """Return what this installation has, by *file*, else by `murakkab.yaml` here: pools, prices that there are keys for, and figures.

    Engines are asked what they serve: it blocks for about a second where one does not answer. Raises `InstallationError`, `NotFoundError`.
    """
    return look_around(file)


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
        functions, described, lacking = functions_of(parsed.workflow)
        wrong = [replace(one, is_warning=is_drawn) for one in _with_folders(lacking, parsed)]
        wrong += check(parsed.workflow, catalog(), described)
        if with_profiles and parsed.workflow.profiles:
            wrong += check_profiles(parsed.workflow, catalog(), described)
        found = parsed.report(wrong)
    if parsed.workflow is None or not all(one.is_warning for one in found):
        raise SpecError(found)
    graph = compile_workflow(parsed.workflow, catalog(), described)
    return Work(graph, choose(graph, catalog(), situation=Situation(is_hurried=True)), functions, warnings=tuple(found))


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


def functions_of(
    workflow: Workflow, known: Mapping[str, Any] | None = None
) -> tuple[dict[str, Callable[..., Any]], dict[str, Capability], list[Diagnostic]]:
    """Return the functions of `call` steps but those *known*, what they take and give, and a diagnostic for each that cannot be found."""
    functions: dict[str, Callable[..., Any]] = {}
    described: dict[str, Capability] = {}
    missing: dict[str, Diagnostic] = {}
    wrong: list[Diagnostic] = []
    for path, step in every_step(expanded(workflow, least)):
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
            wrong.append(replace(missing[step.call], path=declared_path((*path, "call"), workflow)))
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
    """Return the workflow compiled, each step chosen for itself by what its executors say of themselves: see `choosing` for a job of it.

    *goal* instead of its own. Raises `SpecError`, or `PlanError` when nothing provides a capability.
    """
    functions = dict(functions or {})
    described = {name: describe(function) for name, function in functions.items()}
    found: list[Diagnostic] = []
    if not checked:
        missing, more, found = functions_of(workflow, functions)
        functions |= missing
        described |= more
        found += check(workflow if goal is None else replace(workflow, goal=goal), catalog(), described)
        if not all(one.is_warning for one in found):
            raise SpecError(found)
    graph = compile_workflow(workflow, catalog(), described)
    # What limits ask for is known when a job is to run, and what it is about.
    deployment = choose(graph, catalog(), goal, Situation(is_hurried=True))
    return Work(graph, deployment, functions, warnings=tuple(found))


def varied_graph(work: Work, settings: Mapping[str, int]) -> TaskGraph:
    """Return the graph of *work* with knobs set that change it. Raises `InputError` for a knob or a value that there is not."""
    workflow = with_settings(work.graph.workflow, settings)
    return compile_workflow(workflow, catalog(), {name: describe(function) for name, function in work.functions.items()})


def with_graph(work: Work, settings: Mapping[str, int]) -> Work:
    """Return *work* with knobs set that change its graph, each step chosen for itself. Raises `InputError` for what cannot be set."""
    if not settings:
        return work
    graph = varied_graph(work, settings)
    return replace(work, graph=graph, deployment=choose(graph, catalog(), work.deployment.goal, Situation(is_hurried=True)))


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


#: Executors that have worked in this process, in whichever runtime: libraries and workers outlive those.
_warm: set[str] = set()
_BEGAN: Final = time.time()
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
    learner = _learner(settings, stack)

    def ended(result: JobResult) -> None:
        _warm.update(worked_in(result, since=_BEGAN))
        if learner is not None:
            learner.hear(result)

    runtime = Runtime(executors(), outside, slots=slots_of(settings), journal=journal, meter=cpu_meter(), ended=ended)
    if learner is not None:
        loop = asyncio.get_running_loop()
        learner.drifted = lambda executor, ratio: _on_loop(loop, partial(runtime.drifted, executor, ratio))
    return runtime


def warm() -> frozenset[str]:
    """Return the executors that have done something in this process: what they load is loaded."""
    return frozenset(_warm)


def _on_loop(loop: asyncio.AbstractEventLoop, call: Callable[[], None]) -> None:
    """Let *call* be made on a loop, from any thread; where that has ended nobody is left to hear."""
    with suppress(RuntimeError):
        loop.call_soon_threadsafe(call)


def _learner(settings: Settings, stack: ExitStack) -> "Learner | None":
    """Return what hears of jobs that have ended; None where nobody is to learn from them."""
    path = settings.home / _PROFILES
    if settings.learn is False or (settings.learn is None and not path.exists()):
        return None
    from murakkab.learning import Learner

    return stack.enter_context(closing(Learner(lambda: open_profiles(settings), shipped_profiles)))


def has_journal(settings: Settings) -> bool:
    """True where jobs were journalled below `home`."""
    return (settings.home / _JOURNAL).exists()


def open_profiles(settings: Settings) -> ProfileStore:
    """Return the store of profiles below `home`; the caller closes it. Raises `InputError`, or `BackendError` while it is busy."""
    from murakkab.profile_store import SqliteProfileStore

    return SqliteProfileStore(settings.home / _PROFILES)


def has_profiles(settings: Settings) -> bool:
    """True where there is a store of profiles below `home`."""
    return (settings.home / _PROFILES).exists()


def open_tiers(settings: Settings) -> "TierStore":
    """Return the store of tiers below `home`."""
    from murakkab.tier_store import TierStore

    return TierStore(settings.home / _TIERS)


def shipped_profiles() -> Sequence[Profile]:
    """Return the profiles that ship: measured on another machine."""
    from murakkab_cluster.figures import executor_profiles

    return executor_profiles()


def most_at_once(card: ExecutorCard, settings: Settings) -> int:
    """Return how many tasks of an executor can run at a time in one process."""
    slots = slots_of(settings).capacity
    wanted = {"cores": card.needs.cores, **card.needs.slots, f"executor:{card.name}": 1.0}
    shares = [slots[name] / amount for name, amount in wanted.items() if amount and name in slots]
    return max(1, int(min([slots["threads"], *shares])))


@cache
def cpu_meter() -> Meter:
    """Return the meter of the CPU packages of this machine, which may measure nothing."""
    return open_meter()


def _core_count() -> int:
    """Return how many cores this process may use; where the system does not say (macOS), how many there are."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _lacking(card: ExecutorCard) -> str:
    """Return the library or the environment variable that *card* needs and that is not there, or ""."""
    if unset := next((name for name in card.settings if not os.environ.get(name)), ""):
        return unset
    return next((module for module in _LIBRARIES.get(card.extra, ()) if find_spec(module) is None), "")


def slots_of(settings: Settings) -> SlotTable:
    """Return the cores, threads and further slots that tasks share under *settings*, all of them free."""
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


# ------------------------------------------------------------------------------------------------------------- keeping house


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
