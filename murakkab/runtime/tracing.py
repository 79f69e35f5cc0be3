"""driver: OpenTelemetry spans for jobs, their tasks and the attempts at these. Off unless the environment asks for it, and free when off.

OpenTelemetry is imported only when tracing is on. A span of a user's own code is a child of the attempt that runs it.
"""

import functools
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Final

from murakkab.errors import ExecutorError, PlanError

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SpanExporter
    from opentelemetry.trace import Span

_NANO: Final = 1_000_000_000
_ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
_OWN: Final = "MURAKKAB_TRACE"


@dataclass(slots=True)
class _JobSpans:
    """The open spans of a job, and when the last attempt at each open task ended (in nanoseconds)."""

    job: "Span"
    tasks: "dict[str, Span]" = field(default_factory=dict)
    ended: dict[str, int] = field(default_factory=dict)


class Tracer:
    """Tells a job's story as spans: job > task > attempt. A task's span lasts from its first attempt to the end of its last."""

    def __init__(self, provider: "TracerProvider") -> None:
        from opentelemetry import trace
        from opentelemetry.trace import Status, StatusCode

        self._trace = trace
        self._failed = functools.partial(Status, StatusCode.ERROR)
        self._done = Status(StatusCode.OK)
        self._provider = provider
        self._tracer = provider.get_tracer("murakkab")
        self._jobs: dict[str, _JobSpans] = {}

    def job_started(self, job: str, workflow: str, time: float) -> None:
        """Open the span of a job, as a child of whatever span is current."""
        attributes = {"murakkab.job": job, "murakkab.workflow": workflow}
        self._jobs[job] = _JobSpans(self._tracer.start_span(f"job {workflow}", attributes=attributes, start_time=int(time * _NANO)))

    @contextmanager
    def attempt(self, job: str, task: str, attempt: int, executor: str) -> Iterator[None]:
        """Keep a span open, and current, around one attempt. A task whose attempt succeeds is over; else it may be tried again."""
        spans = self._jobs[job]
        above = {"murakkab.job": job, "murakkab.task": task}
        if task not in spans.tasks:
            context = self._trace.set_span_in_context(spans.job)
            spans.tasks[task] = self._tracer.start_span(f"task {task}", context, attributes=above)
        context = self._trace.set_span_in_context(spans.tasks[task])
        span = self._tracer.start_span(f"attempt {attempt} of {task}", context, attributes=above)
        span.set_attributes({"murakkab.attempt": attempt, "murakkab.executor": executor})
        try:
            with self._trace.use_span(span, end_on_exit=False, record_exception=False, set_status_on_exception=False):
                yield
        except BaseException as error:
            self._record(span, error)
            raise
        else:
            span.set_status(self._done)
        finally:
            spans.ended[task] = time.time_ns()
            span.end(spans.ended[task])
        self.task_finished(job, task, "succeeded")

    def _record(self, span: "Span", error: BaseException) -> None:
        """Mark a span as failed; one that was cancelled is no error."""
        if not isinstance(error, Exception):
            span.set_attribute("murakkab.status", "cancelled")
            return
        span.set_attribute("error.type", error.reason if isinstance(error, ExecutorError) else type(error).__qualname__)
        span.record_exception(error)
        span.set_status(self._failed(str(error)))

    def task_finished(self, job: str, task: str, status: str) -> None:
        """Close the span of a task with how it ended. One that had no attempt, or is closed, has none."""
        spans = self._jobs.get(job)
        span = spans.tasks.pop(task, None) if spans is not None else None
        if spans is None or span is None:
            return
        span.set_attribute("murakkab.status", status)
        self._set_status(span, status)
        span.end(spans.ended.pop(task, None))

    def job_finished(self, job: str, status: str) -> None:
        """Close the span of a job with its status, and the spans of tasks that were not tried again."""
        spans = self._jobs.get(job)
        if spans is None:
            return
        for task in list(spans.tasks):
            self.task_finished(job, task, "cancelled" if status == "cancelled" else "failed")
        del self._jobs[job]
        spans.job.set_attribute("murakkab.status", status)
        self._set_status(spans.job, status)
        spans.job.end()

    def _set_status(self, span: "Span", status: str) -> None:
        if status == "succeeded":
            span.set_status(self._done)
        elif status == "failed":
            span.set_status(self._failed())

    def close(self) -> None:
        """Send what has not been sent yet."""
        self._provider.shutdown()


def open_tracer(environ: Mapping[str, str]) -> Tracer | None:
    """Return the tracer that the environment asks for, the same one every time, or None.

    `OTEL_EXPORTER_OTLP_ENDPOINT` sends spans there; `MURAKKAB_TRACE=console` shows them on stderr, any other value is a file that gets
    a line of JSON for each. The tracer also serves the spans of user code, unless the program has set up OpenTelemetry itself.
    """
    endpoint = next((environ[name] for name in _ENDPOINTS if environ.get(name)), "")
    where = environ.get(_OWN, "")
    if not endpoint and not where:
        return None
    return _opened(endpoint, where, environ.get("OTEL_SERVICE_NAME", "murakkab"))


@functools.cache
def _opened(endpoint: str, where: str, service: str) -> Tracer:
    from opentelemetry import trace
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor

    provider = TracerProvider(resource=Resource.create({"service.name": service}))
    if endpoint:
        provider.add_span_processor(BatchSpanProcessor(_otlp_exporter()))
    if where:
        provider.add_span_processor(SimpleSpanProcessor(_own_exporter(where)))
    if isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
        trace.set_tracer_provider(provider)
    return Tracer(provider)


def _otlp_exporter() -> "SpanExporter":
    try:
        exporter: SpanExporter = import_module("opentelemetry.exporter.otlp.proto.http.trace_exporter").OTLPSpanExporter()
    except ModuleNotFoundError as error:
        message = f"{_ENDPOINTS[0]} is set, but the library that sends spans there is not installed"
        raise PlanError(message, hint=f"pip install 'murakkab[otlp]', or unset {_ENDPOINTS[0]}") from error
    return exporter


def _own_exporter(where: str) -> "SpanExporter":
    from opentelemetry.sdk.trace.export import ConsoleSpanExporter

    if where == "console":
        return ConsoleSpanExporter(out=sys.stderr)
    try:
        file = Path(where).open("a", encoding="utf-8", buffering=1)  # noqa: SIM115 - open as long as the process
    except OSError as error:
        raise PlanError(f"{_OWN}={where} cannot be written: {error.strerror}", hint="give a path, or 'console'") from error
    return ConsoleSpanExporter(out=file, formatter=lambda span: span.to_json(indent=None) + "\n")
