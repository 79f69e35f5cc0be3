"""data: every error a caller can meet, split by what the caller can do about it.

    MurakkabError
    ├── SpecError                fix your file or declaration: every diagnostic at once, each with its place
    │   └── InstallationError    fix the file that says what this installation has
    ├── InputError               fix the inputs of this job
    ├── PlanError                nothing fits: install an extra, loosen a limit
    ├── NotFoundError            no such job, workflow, executor or file
    ├── ConflictError            somebody else owns it, or its state does not allow that
    ├── ExecutorError            one attempt failed: retry or give up, as `retryable` says
    ├── BackendError             wait, or go elsewhere
    ├── JobError
    │   ├── JobFailed            look at the causes; resume after mending them
    │   ├── JobCancelled         somebody asked for it
    │   ├── JobInterrupted       stopped on the way: resume it
    │   ├── JobHeld              a task in doubt waits for your verdict
    │   ├── JobWaiting           a person has to answer, or an event to come
    │   └── JobPaused            its budget is spent: raise it, and resume
    └── InvalidTransition        a defect of Murakkab itself; carries the story to report

Each class has a stable `code`, one exit status for the CLI and one status for REST. `EXITS` is that table.
This file knows no other module of the project.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """Where something was written: a file and a one-based line and column; zero means unknown."""

    file: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        """Return `file:line:column`, leaving out what is unknown."""
        if not self.line:
            return self.file
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One mistake in a declaration: a stable code, what is wrong, and what to do.

    `path` leads to the mistake inside the document (`("steps", "frames", "with", "count")`); the loader turns it into a `place`.
    """

    code: str
    message: str
    hint: str = ""
    path: Path = ()
    place: Place | None = None
    #: A warning is told, and stops nobody.
    is_warning: bool = False

    def __str__(self) -> str:
        """Return `place: code: message; hint`; a warning says so before its code."""
        where = str(self.place) if self.place else ".".join(map(str, self.path)) or "workflow"
        hint = f"; {self.hint}" if self.hint else ""
        return f"{where}: {'warning: ' * self.is_warning}{self.code}: {self.message}{hint}"


class MurakkabError(Exception):
    """Anything Murakkab raises on purpose. `code` is stable and means the same in the CLI and in REST."""

    code: ClassVar[str] = "error"
    exit_status: ClassVar[int] = 1
    http_status: ClassVar[int] = 500

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        """Return the message and, behind a semicolon, the hint."""
        return f"{self.message}; {self.hint}" if self.hint else self.message


class SpecError(MurakkabError):
    """The declaration is wrong. `diagnostics` holds every mistake found, in the order of the file."""

    code = "invalid-workflow"
    exit_status = 2
    http_status = 422
    #: What was read.
    what: ClassVar[str] = "workflow"

    def __init__(self, diagnostics: Sequence[Diagnostic]) -> None:
        self.diagnostics = tuple(diagnostics)
        super().__init__("\n".join(map(str, self.diagnostics)))


class InstallationError(SpecError):
    """The file that says what an installation has is wrong."""

    code = "invalid-installation"
    what = "installation file"


class InputError(MurakkabError):
    """The inputs given to a job do not fit what its workflow declares."""

    code = "invalid-input"
    exit_status = 2
    http_status = 422


class PlanError(MurakkabError):
    """No executor, model or device can do what was asked under its limits. `nearest`: what limits could be, the others as they are."""

    code = "no-plan"
    exit_status = 3
    http_status = 409

    def __init__(self, message: str, *, hint: str = "", nearest: Mapping[str, float] | None = None) -> None:
        super().__init__(message, hint=hint)
        self.nearest = dict(nearest or {})


class NotFoundError(MurakkabError):
    """The thing that was named does not exist."""

    code = "not-found"
    exit_status = 4
    http_status = 404


class ConflictError(MurakkabError):
    """The job is owned by a living process, or its state does not allow the request."""

    code = "conflict"
    exit_status = 5
    http_status = 409


class ExecutorError(MurakkabError):
    """One attempt of a task failed. Raise it in an executor to say whether another attempt can help.

    `reason` is the stable code of the failure: `timeout`, `bad-result`, `exit-status` ...
    """

    code = "task-failed"
    exit_status = 1
    http_status = 502

    def __init__(self, message: str, *, hint: str = "", reason: str = "failed", retryable: bool = True) -> None:
        super().__init__(message, hint=hint)
        self.reason = reason
        self.retryable = retryable


class BackendError(MurakkabError):
    """An engine or service that a task needs cannot be reached or is full; `retry_after` is in seconds."""

    code = "backend-unavailable"
    exit_status = 6
    http_status = 503

    def __init__(self, message: str, *, hint: str = "", retry_after: float | None = None) -> None:
        super().__init__(message, hint=hint)
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a task ended badly: its id, a stable reason, the message, and the attempt that said so."""

    task: str
    reason: str
    message: str
    attempt: int = 1

    def __str__(self) -> str:
        """Return `task: reason: message`, without the task where the job itself failed."""
        return f"{self.task}: {self.reason}: {self.message}" if self.task else f"{self.reason}: {self.message}"


class JobError(MurakkabError):
    """A job ended without a result; `job` is its id and `causes` the failures that ended it."""

    code = "job-error"

    def __init__(self, message: str, *, hint: str = "", job: str = "", causes: Sequence[Failure] = ()) -> None:
        super().__init__(message, hint=hint)
        self.job = job
        self.causes = tuple(causes)


class JobFailed(JobError):
    """A task failed for good and its `on_error` was `fail`. Completed tasks are kept: resume the job after mending the cause."""

    code = "job-failed"
    exit_status = 1
    http_status = 500


class JobCancelled(JobError):
    """The job was cancelled on request; every task is settled."""

    code = "job-cancelled"
    exit_status = 130
    http_status = 409


class JobInterrupted(JobError):
    """The job was stopped on the way, gracefully or not. What it completed is kept: resume it."""

    code = "job-interrupted"
    exit_status = 130
    http_status = 409


class JobHeld(JobError):
    """An irreversible task was in flight when its process died. It is never repeated silently: a person says what happened."""

    code = "job-held"
    exit_status = 7
    http_status = 409


class JobWaiting(JobError):
    """Nothing is left to do before a person answers or an event comes. Nothing is lost: answer, or send it, and the job goes on."""

    code = "job-waiting"
    exit_status = 8
    http_status = 409


class JobPaused(JobError):
    """The budget of the job is spent. What it completed is kept: raise the budget and resume it."""

    code = "job-paused"
    exit_status = 9
    http_status = 409


class InvalidTransition(MurakkabError):
    """An event met a task in a state that does not allow it: a defect of Murakkab. `story` tells how the task got there."""

    code = "internal"
    exit_status = 70

    def __init__(self, message: str, *, story: Sequence[str] = ()) -> None:
        super().__init__(message, hint="this is a defect of Murakkab; please report it with the lines above")
        self.story = tuple(story)


#: The one table of codes: code -> (exit status of the CLI, status of REST).
EXITS: dict[str, tuple[int, int]] = {
    kind.code: (kind.exit_status, kind.http_status)
    for kind in (
        SpecError,
        InstallationError,
        InputError,
        PlanError,
        NotFoundError,
        ConflictError,
        ExecutorError,
        BackendError,
        JobError,
        JobFailed,
        JobCancelled,
        JobInterrupted,
        JobHeld,
        JobWaiting,
        JobPaused,
        InvalidTransition,
    )
}
