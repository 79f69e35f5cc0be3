"""data: the seams - what the runtime asks of the outside world. Each has one conformance suite, run over every implementation and fake."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from murakkab.catalog import ExecutorCard
from murakkab.profiles import Profile, Setting
from murakkab.profiling.observation import Drift, Known, Observation, Shape
from murakkab.runtime.messages import Event

Clock = Callable[[], float]


class Artifacts(Protocol):
    """Bytes by reference. Content-addressed: the same bytes give the same `file` value, and writing twice is writing once.

    Methods block (disk or network): executors call them from a worker thread or accept the stall.
    """

    def put(self, content: bytes, *, suffix: str = "", media_type: str = "") -> dict[str, Any]:
        """Store *content* and return its `file` value: uri, size, sha256, media_type."""
        ...

    def get(self, file: Mapping[str, Any]) -> bytes:
        """Return the content of a `file` value. Raises `NotFoundError`."""
        ...

    def local_path(self, file: Mapping[str, Any]) -> str:
        """Return a path on this machine that holds the content, downloading it when it is remote. Raises `NotFoundError`."""
        ...


class Report:
    """What an attempt says of itself while it runs, beside its result. Whatever it spent is billed, however the attempt ends.

    `usd` None: the card's price holds. `units`: how much work it was, None where nobody said: seconds of sound or video, images,
    characters, documents: the docstring of a capability says which. `emit` gives the next element of a result that is a list. `left`:
    what could not be stopped when the attempt was cancelled, in words. Not safe from other threads, but for the fields, which may be set
    from one.
    """

    __slots__ = ("emit", "joules", "left", "tokens", "units", "usd")

    def __init__(self, emit: Callable[[Any], None] | None = None) -> None:
        self.usd: float | None = None
        self.joules: float | None = None
        self.tokens = 0
        self.units: float | None = None
        self.left = ""
        self.emit = emit


class Call(NamedTuple):
    """What an executor is handed for one attempt. `inputs` are JSON data; `target` is the function of a `python` step, else None."""

    task: str
    attempt: int
    inputs: Mapping[str, Any]
    knobs: Mapping[str, Any]
    artifacts: Artifacts
    target: Any = None
    report: Report = Report()


class Executor(Protocol):
    """A way to provide a capability.

    `run` may be awaited many times at once, up to the limits of its card. Cancelling the await must stop the work or, where a thread
    cannot be stopped, abandon its result and say so in `report.left`. Errors: raise `ExecutorError` to say whether a retry can help; any
    other exception counts as retryable.

    One may have `is_silent(target) -> bool`: true where nobody but `murakkab.spend` has any use for the report of a call, so that none
    need be made.
    """

    @property
    def card(self) -> ExecutorCard:
        """What it is; constant."""
        ...

    async def run(self, call: Call) -> Any:
        """Return the result as JSON data (`file` values for bytes)."""
        ...


class JobHeader(NamedTuple):
    """What is written once per job: enough to compile the same graph again in another process.

    `choices`: the executor of each step by name; where knobs were chosen too, a record of `executor` and `knobs`.
    """

    job: str
    workflow: Mapping[str, Any]
    choices: Mapping[str, Any]
    inputs: Mapping[str, Any]
    created: float


class JobSummary(NamedTuple):
    """One line about a job. `status`: running, succeeded, failed, cancelled, held, waiting, paused, or interrupted (its owner is gone)."""

    job: str
    workflow: str
    status: str
    created: float
    finished: float | None
    events: int


class Letter(NamedTuple):
    """An event that somebody outside wants a job to hear; `number` tells it from all others that ever came."""

    number: int
    job: str
    event: Event


class Records(Protocol):
    """What a journal says, for whoever only looks."""

    def read(self, job: str) -> tuple[JobHeader, Sequence[Event]]:
        """Return a job's header and all its events. Raises `NotFoundError`, and `BackendError` for what cannot be read."""
        ...

    def jobs(self) -> Sequence[JobSummary]:
        """Return a line per job, newest first."""
        ...


class Journal(Protocol):
    """The memory of jobs. Append-only; one process owns a job at a time.

    What was appended before a `flush` survives the death of this process once that returns; it may block for microseconds, never for a
    network. Whoever acts on an event flushes first. Events of one job read back in the order they were appended. `finish` marks the
    job's end and flushes; a job may be resumed (and finished) again. Writing raises `BackendError` while nothing can be written.

    Any process may `post` an event to a job that another owns. The owner asks for its `mail` now and then, and appends each letter or
    drops it; what it leaves is handed to whoever claims the job next. So a letter is heard once, whoever dies when.
    """

    def create(self, header: JobHeader, *, is_fresh: bool = False) -> None:
        """Add a new job and own it; *is_fresh* promises that its id is not taken.

        Raises `ConflictError` when it is, and `InputError` when the inputs are not JSON data.
        """
        ...

    def append(self, job: str, event: Event, *, letter: int = 0) -> None:
        """Record an event of a job this process owns; with it goes the *letter* that it came by, if it came by one.

        Raises `ExecutorError` (bad-result) when its value is not JSON data.
        """
        ...

    def flush(self) -> None:
        """Make everything appended so far survive the death of this process."""
        ...

    def finish(self, job: str, status: str, time: float) -> None:
        """Record how the job ended ("": as it was before it was claimed) and give up its ownership."""
        ...

    def claim(self, job: str) -> None:
        """Own an existing job. Raises `NotFoundError`, or `ConflictError` while its owner lives and when it has succeeded."""
        ...

    def read(self, job: str) -> tuple[JobHeader, Sequence[Event]]:
        """Return a job's header and all its events. Raises `NotFoundError`."""
        ...

    def jobs(self) -> Sequence[JobSummary]:
        """Return a line per job, newest first."""
        ...

    def post(self, job: str, event: Event) -> int:
        """Leave a letter for the living process that owns a job, and return its number; zero, and no letter, when nobody runs the job.

        Raises `NotFoundError`, and `ExecutorError` (bad-result) when the event holds what is not JSON data.
        """
        ...

    def mail(self) -> Sequence[Letter]:
        """Return the letters, oldest first, for the jobs that this journal owns: each once, until the job is claimed again.

        Takes microseconds when there are none.
        """
        ...

    def drop(self, letter: int) -> None:
        """Remove a letter that is not appended, because it does not fit the job."""
        ...

    def is_heard(self, letter: int) -> bool | None:
        """Return True once a letter was appended or dropped, None while its job is owned.

        False when nobody runs the job any more: the letter is withdrawn then.
        """
        ...

    def delete(self, job: str) -> None:
        """Forget a job and all its events. Raises `NotFoundError`, or `ConflictError` while its owner lives."""
        ...

    def texts(self, *, without: Collection[str] = ()) -> Iterator[str]:
        """Yield everything that is written about the jobs but those in *without*: whatever they need is named there."""
        ...

    def compact(self) -> None:
        """Give back the space of what was deleted, as far as others who use the journal allow it."""
        ...

    def close(self) -> None:
        """Give up every job and release the storage; unfinished jobs can be claimed by others."""
        ...


class ResultCache(Protocol):
    """Successful results by key. Never asked to keep a failure."""

    def get(self, key: str, now: float) -> tuple[Any] | None:
        """Return the kept value in a one-tuple, or None when there is none or it has expired."""
        ...

    def put(self, key: str, value: Any, expires: float | None) -> None:
        """Keep *value* until the time *expires*, or for good."""
        ...


class Revision(NamedTuple):
    """A profile as it was from `time` on, and why it was made: learned, imported, drift."""

    time: float
    why: str
    profile: Profile


class ProfileStore(Protocol):
    """What is known of operating points, by setting. Any number of processes may use one at a time.

    Methods block for milliseconds: the runtime calls them from a thread, after a job. They raise `BackendError` while the store is busy
    or full.
    """

    def profiles(self) -> Sequence[Profile]:
        """Return the newest profile of every setting, in the order of their first appearance."""
        ...

    def known(self, setting: Setting) -> Known | None:
        """Return all that is kept of a setting, or None."""
        ...

    def learn(self, observations: Sequence[Observation]) -> Sequence[Drift]:
        """Update the profiles of what was observed, all or none, and return the drifts that it shows; see `murakkab.profiling.online`.

        The first observations of a new version of an executor have the newest profile of another version as their prior.
        """
        ...

    def put(self, profiles: Sequence[Profile], *, time: float, why: str = "imported") -> int:
        """Keep profiles from elsewhere and return how many: those of which nothing was observed here, where they become priors."""
        ...

    def studied(self, study: str) -> Sequence[Observation]:
        """Return the observations of a study, in the order in which they were made."""
        ...

    def forget(self, study: str) -> int:
        """Forget the observations of a study and return how many there were; profiles stay until there are new ones."""
        ...

    def remember(self, shapes: Sequence[Shape]) -> None:
        """Keep what jobs became; of each workflow the newest."""
        ...

    def shapes(self, workflow: str) -> Sequence[Shape]:
        """Return what the newest jobs of a workflow became, oldest first; so many as are kept."""
        ...

    def drifts(self, *, since: float = 0.0) -> Sequence[Drift]:
        """Return the drifts that were found after *since*, oldest first."""
        ...

    def revisions(self, setting: Setting) -> Sequence[Revision]:
        """Return the profiles that a setting has had, newest first; so many as are kept."""
        ...

    def close(self) -> None:
        """Release the storage."""
        ...


class Meter(Protocol):
    """Energy of this machine. `None` means not measured, which is not zero."""

    def read(self) -> float | None:
        """Return joules used since some fixed moment, or None where nothing can be measured."""
        ...


class Observer(Protocol):
    """Somebody who watches a job: the progress display, a stream of events, tracing. Must not block or raise."""

    def __call__(self, job: str, message: Any) -> None:
        """Hear an event of *job* at the moment it is acted on, once it is journalled; of every task that it starts, too."""
        ...
