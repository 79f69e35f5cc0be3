"""The spans of a job: who is whose child, what they say, how they end; and when there are none."""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from murakkab.errors import ExecutorError, PlanError
from murakkab.runtime.tracing import Tracer, open_tracer


class Recorded:
    """A tracer, and the spans that it has closed, by name."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        self.provider = TracerProvider(shutdown_on_exit=False)
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.tracer = Tracer(self.provider)

    @property
    def spans(self) -> dict[str, ReadableSpan]:
        return {span.name: span for span in self.exporter.get_finished_spans()}

    def parent(self, name: str) -> str:
        parent = self.spans[name].parent
        return next((n for n, s in self.spans.items() if parent and s.context.span_id == parent.span_id), "")


@pytest.fixture
def recorded() -> Iterator[Recorded]:
    made = Recorded()
    yield made
    made.tracer.close()


def facts(span: ReadableSpan) -> Mapping[str, object]:
    return {name.removeprefix("murakkab."): value for name, value in (span.attributes or {}).items()}


def test_a_job_holds_its_tasks_and_a_task_its_attempts(recorded: Recorded) -> None:
    tracer = recorded.tracer
    began = time.time()
    tracer.job_started("j1", "video", began)
    with tracer.attempt("j1", "scenes#0", 1, "pyscenedetect"):
        pass
    with tracer.attempt("j1", "scenes#1", 1, "pyscenedetect"):
        pass
    tracer.job_finished("j1", "succeeded")

    spans = recorded.spans
    assert recorded.parent("attempt 1 of scenes#0") == "task scenes#0"
    assert recorded.parent("task scenes#0") == recorded.parent("task scenes#1") == "job video"
    assert recorded.parent("job video") == ""
    assert len({span.context.trace_id for span in spans.values()}) == 1
    assert facts(spans["job video"]) == {"job": "j1", "workflow": "video", "status": "succeeded"}
    assert facts(spans["task scenes#0"]) == {"job": "j1", "task": "scenes#0", "status": "succeeded"}
    assert facts(spans["attempt 1 of scenes#0"]) == {"job": "j1", "task": "scenes#0", "attempt": 1, "executor": "pyscenedetect"}
    assert all(span.status.status_code is StatusCode.OK for span in spans.values())
    assert spans["job video"].start_time == pytest.approx(began * 1e9, abs=1e3)


def test_a_failed_attempt_is_an_error_and_the_next_one_belongs_to_the_same_task(recorded: Recorded) -> None:
    tracer = recorded.tracer
    tracer.job_started("j1", "w", time.time())
    with pytest.raises(ExecutorError), tracer.attempt("j1", "a", 1, "x"):
        raise ExecutorError("too slow", reason="timeout")
    assert "task a" not in recorded.spans
    with tracer.attempt("j1", "a", 2, "x"):
        pass
    tracer.job_finished("j1", "succeeded")

    first = recorded.spans["attempt 1 of a"]
    assert (first.status.status_code, first.status.description) == (StatusCode.ERROR, "too slow")
    assert facts(first)["error.type"] == "timeout"
    assert first.events[0].name == "exception"
    assert recorded.parent("attempt 1 of a") == recorded.parent("attempt 2 of a") == "task a"
    assert recorded.spans["task a"].status.status_code is StatusCode.OK


def test_a_task_that_is_not_tried_again_ends_with_its_last_attempt(recorded: Recorded) -> None:
    tracer = recorded.tracer
    tracer.job_started("j1", "w", time.time())
    with pytest.raises(KeyError), tracer.attempt("j1", "a", 1, "x"):
        raise KeyError("k")
    tracer.job_finished("j1", "failed")

    spans = recorded.spans
    assert spans["task a"].end_time == spans["attempt 1 of a"].end_time
    assert facts(spans["attempt 1 of a"])["error.type"] == "KeyError"
    for name in ("task a", "job w"):
        assert spans[name].status.status_code is StatusCode.ERROR
        assert facts(spans[name])["status"] == "failed"


def test_the_runtime_may_say_itself_how_a_task_ended(recorded: Recorded) -> None:
    tracer = recorded.tracer
    tracer.job_started("j1", "w", time.time())
    with pytest.raises(KeyError), tracer.attempt("j1", "a", 1, "x"):
        raise KeyError("k")
    tracer.task_finished("j1", "a", "skipped")
    tracer.task_finished("j1", "a", "failed")
    tracer.task_finished("j1", "never started", "failed")
    tracer.task_finished("no such job", "a", "failed")

    assert facts(recorded.spans["task a"])["status"] == "skipped"
    assert recorded.spans["task a"].status.status_code is StatusCode.UNSET
    assert len(recorded.spans) == 2


def test_a_cancelled_attempt_is_no_error(recorded: Recorded) -> None:
    tracer = recorded.tracer
    tracer.job_started("j1", "w", time.time())
    with pytest.raises(asyncio.CancelledError), tracer.attempt("j1", "a", 1, "x"):
        raise asyncio.CancelledError
    tracer.job_finished("j1", "cancelled")

    assert [facts(span)["status"] for span in recorded.spans.values()] == ["cancelled"] * 3
    assert all(span.status.status_code is StatusCode.UNSET for span in recorded.spans.values())


def test_jobs_do_not_mix(recorded: Recorded) -> None:
    tracer = recorded.tracer
    for job in ("j1", "j2"):
        tracer.job_started(job, f"of {job}", time.time())
    for job in ("j2", "j1"):
        with tracer.attempt(job, f"a of {job}", 1, "x"):
            pass
        tracer.job_finished(job, "succeeded")
    tracer.job_finished("j1", "failed")

    assert [recorded.parent(f"task a of {job}") for job in ("j1", "j2")] == ["job of j1", "job of j2"]
    assert recorded.spans["job of j1"].status.status_code is StatusCode.OK


async def test_a_users_own_span_lies_inside_its_attempt(recorded: Recorded) -> None:
    tracer, own = recorded.tracer, recorded.provider.get_tracer("user")

    def in_thread() -> None:
        with own.start_as_current_span("thread"):
            pass

    async def attempt(task: str) -> None:
        with tracer.attempt("j1", task, 1, "x"):
            await anyio.lowlevel.checkpoint()
            with own.start_as_current_span(f"own {task}"):
                await anyio.lowlevel.checkpoint()
            if task == "a":
                await anyio.to_thread.run_sync(in_thread)

    with own.start_as_current_span("request"):
        tracer.job_started("j1", "w", time.time())
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(attempt, "a")
        tasks.start_soon(attempt, "b")
    tracer.job_finished("j1", "succeeded")

    assert recorded.parent("own a") == recorded.parent("thread") == "attempt 1 of a"
    assert recorded.parent("own b") == "attempt 1 of b"
    assert recorded.parent("job w") == "request"
    assert trace.get_current_span() is trace.INVALID_SPAN


# --------------------------------------------------------------------------------------------------------------- switching it on


@pytest.mark.parametrize("environ", [{}, {"OTEL_EXPORTER_OTLP_ENDPOINT": "", "MURAKKAB_TRACE": ""}, {"OTEL_SERVICE_NAME": "x"}])
def test_nobody_who_did_not_ask_is_traced(environ: dict[str, str]) -> None:
    assert open_tracer(environ) is None


def run(program: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True, env={**os.environ, **environ})


def test_opentelemetry_is_not_imported_while_tracing_is_off() -> None:
    program = (
        "import os, sys\nfrom murakkab.runtime.tracing import open_tracer\n"
        "print(open_tracer(os.environ), any(m.startswith('opentelemetry') for m in sys.modules))"
    )
    done = run(program, MURAKKAB_TRACE="", OTEL_EXPORTER_OTLP_ENDPOINT="", OTEL_EXPORTER_OTLP_TRACES_ENDPOINT="")

    assert done.stdout == "None False\n"


TRACED = """
import os
from opentelemetry import trace
from murakkab.runtime.tracing import open_tracer
tracer = open_tracer(os.environ)
assert open_tracer(os.environ) is tracer
tracer.job_started("j1", "w", 1e9)
with tracer.attempt("j1", "a", 1, "x"):
    with trace.get_tracer("user").start_as_current_span("own"):
        pass
tracer.job_finished("j1", "succeeded")
"""


def test_a_file_gets_a_line_for_each_span_and_the_users_among_them(tmp_path: Path) -> None:
    run(TRACED, MURAKKAB_TRACE=str(tmp_path / "spans.jsonl"), OTEL_SERVICE_NAME="shop")

    spans = {span["name"]: span for span in map(json.loads, (tmp_path / "spans.jsonl").read_text().splitlines())}
    assert list(spans) == ["own", "attempt 1 of a", "task a", "job w"]
    assert spans["own"]["parent_id"] == spans["attempt 1 of a"]["context"]["span_id"]
    assert spans["own"]["resource"]["attributes"]["service.name"] == "shop"


def test_the_console_form_leaves_stdout_to_the_result() -> None:
    done = run(TRACED, MURAKKAB_TRACE="console")

    assert done.stdout == ""
    assert '"name": "attempt 1 of a"' in done.stderr


def test_a_file_that_cannot_be_written_is_said_to_be_so(tmp_path: Path) -> None:
    with pytest.raises(PlanError, match="cannot be written"):
        open_tracer({"MURAKKAB_TRACE": str(tmp_path)})


def test_without_the_library_that_sends_spans_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)

    with pytest.raises(PlanError, match=r"pip install 'murakkab\[otlp\]'"):
        open_tracer({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"})
