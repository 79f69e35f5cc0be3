"""What --json prints is plain data that survives JSON."""

import json

from murakkab.catalog import Capability, Catalog, ExecutorCard, Parameter
from murakkab.cli.documents import catalog_json, job_json, tasks_json
from murakkab.cli.rows import bill_of
from murakkab.errors import Failure
from murakkab.plan import Choice, Deployment
from murakkab.runtime.messages import JobSubmitted, TaskFailed, TaskSucceeded
from murakkab.runtime.result import JobResult
from murakkab.types import STR

CARD = ExecutorCard("cpu-echo", "echo", "Says it.", knobs=(Parameter("loud", default=False),), extra="video")
RESULT = JobResult(
    "j1",
    "failed",
    {},
    (Failure("a", "timeout", "too slow", 2),),
    deployment=Deployment({"a": Choice("a", CARD), "b": Choice("b", CARD)}),
    history=(
        JobSubmitted(10.0, {}),
        TaskFailed(11.0, "a", "timeout", "too slow", True, 10.0, "cpu-echo"),
        TaskSucceeded(13.0, "a", "x", 12.0, usd=0.5, executor="cpu-echo"),
    ),
)


def test_a_job_is_told_with_its_steps_and_failures() -> None:
    rows, total = bill_of(RESULT)
    document = json.loads(json.dumps(job_json(RESULT, rows, total, {"a": "succeeded"})))
    assert (document["seconds"], document["usd"], document["joules"]) == (3.0, 0.5, None)
    assert document["failures"] == [{"task": "a", "reason": "timeout", "message": "too slow", "attempt": 2}]
    first, second = document["steps"]
    assert (first["step"], first["done"], first["attempts"], first["start"], first["seconds"]) == ("a", 1, 2, 0.0, 3.0)
    assert (second["step"], second["executor"], second["start"], second["status"]) == ("b", "cpu-echo", None, "")


def test_a_task_is_told_with_its_attempts() -> None:
    a, b = tasks_json(RESULT, {"a": "succeeded", "b": "waiting"})
    assert [one["status"] for one in a["attempts"]] == ["failed", "succeeded"]
    assert b == {"task": "b", "status": "waiting", "attempts": []}


def test_one_task_alone_may_be_asked_for() -> None:
    (a,) = tasks_json(RESULT, {"a": "succeeded"}, only="a")
    assert len(a["attempts"]) == 2


def test_the_catalog_says_which_executors_are_ready() -> None:
    catalog = Catalog({"echo": Capability("echo", "Says it.", (Parameter("text", STR),), STR)}, {"cpu-echo": CARD})
    document = json.loads(json.dumps(catalog_json(catalog, {"cpu-echo"})))
    (capability,), (executor,) = document["capabilities"], document["executors"]
    assert capability["inputs"] == [{"name": "text", "type": "str", "required": True}]
    assert (executor["name"], executor["ready"], executor["extra"]) == ("cpu-echo", False, "video")
    assert executor["knobs"][0]["default"] is False
