"""Random workflows of the whole language on the real driver, whose steps behave at random: every promise holds, whatever happens.

`EXPLORE=1 RANDOM_WORKFLOWS=40` in the environment looks at others than the last time, and at forty times as many.
"""

import asyncio
import json
import os
import tempfile
import traceback
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from murakkab import app, load_workflow
from murakkab.api import WorkflowHandle
from murakkab.load import parse
from murakkab.ports import Journal
from murakkab.running import yaml_of
from murakkab.runtime.cache import MemoryResultCache, SqliteResultCache
from murakkab.runtime.driver import replay
from murakkab.runtime.messages import DoubtResolved, Event
from murakkab.runtime.result import JobResult
from murakkab.source import to_python
from murakkab.spec import Workflow
from tests.public import random_steps
from tests.public.random_jobs import JOB, Carrier, Plan, inputs, plans, work_of
from tests.public.random_oracle import ANSWER, SIGNAL, outputs_of
from tests.public.random_promises import check_end, check_result, check_story, check_tasks, irreversible_tasks
from tests.public.random_steps import new_scene
from tests.public.random_workflows import documents

EFFORT = int(os.environ.get("RANDOM_WORKFLOWS", "1"))
_LONG = pytest.mark.timeout(120 + 60 * EFFORT)
_LOOSE: dict[str, Any] = {"deadline": None, "suppress_health_check": list(HealthCheck)}
Document = dict[str, Any]

# ------------------------------------------------------------------------------------------------------- whatever goes wrong


@_LONG
@given(documents(calm=False), plans)
@settings(max_examples=80 * EFFORT, **_LOOSE)
def test_every_promise_holds_whatever_happens(document: Document, plan: Plan) -> None:
    with tempfile.TemporaryDirectory() as folder:
        event(f"ended: {asyncio.run(play(document, plan, Path(folder)))}")


async def play(document: Document, plan: Plan, folder: Path) -> str:
    """Carry a job to its end in one process, and return the status that it ends in."""
    scene = new_scene()
    complaints: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: complaints.append(context))
    work, journal = work_of(document), app.memory_journal()
    carrier = Carrier(work, plan, journal, folder, cache=MemoryResultCache())
    status = await carrier.carry()
    for result in carrier.results:
        check_result(result)
        check_tasks(result)
    assert scene.wrong == []
    _, history = journal.read(JOB)
    if carrier.results:
        last = [*carrier.results[-1].history]
        assert last == [*history][: len(last)]
    check_end(document, check_story(document, work.graph, carrier.told, history), status)
    assert not complaints
    return status


# ---------------------------------------------------------------------------------------------------- what was found like this

_FOUND = {
    "whoever is asked answers at once": (
        's: {approve: {message: "Well?", form: {k: int}}}',
        Plan(is_live=True, meddling=[(4, "stop", 0)]),
        "succeeded",
    ),
    "two answer the same question": ('s: {approve: {message: "Well?", form: {k: int}}}', Plan(meddling=[(2, "twice", 0)]), "succeeded"),
    "somebody answers what is cancelled in the same breath": (
        's: {approve: {message: "Well?", form: {k: int}}}',
        Plan(again=0, meddling=[(2, "cancel", 0), (2, "answer", 0)]),
        "cancelled",
    ),
    "a coroutine raises GeneratorExit": ('s: {call: "STEPS:number", with: {do: [closed], given: 1}}', Plan(again=0), "failed"),
    "a thread raises GeneratorExit": ('s: {call: "STEPS:thread", with: {do: [closed], given: 1}}', Plan(again=0), "failed"),
    "what a step awaits ends with GeneratorExit": (
        's: {call: "STEPS:number", for_each: {v: [1, 2, 3]}, with: {do: [inside, ok], odd: 1, given: 1}, retry: {attempts: 2, delay: 0}}',
        Plan(again=0),
        "succeeded",
    ),
    "a verdict lets the next round wait": (
        's: {call: "STEPS:number", with: {do: [fatal], odd: 0, given: 1}, effect: irreversible, repeat: {at_most: 2, delay: 1ms}}',
        Plan(verdict="done"),
        "succeeded",
    ),
    "a verdict lets the next step of a block begin": (
        """
s:
  steps:
    t: {call: "STEPS:number", with: {do: [fatal], given: 1}, effect: irreversible}
    u: {call: "STEPS:number", with: {do: [], given: "${t}"}}
""",
        Plan(verdict="done"),
        "succeeded",
    ),
}


@pytest.mark.parametrize(("steps", "plan", "status"), _FOUND.values(), ids=_FOUND)
def test_what_broke_a_promise_once(steps: str, plan: Plan, status: str, tmp_path: Path) -> None:
    named = yaml.safe_load(steps.replace("STEPS", random_steps.__name__))
    document = {"workflow": "found", "inputs": {"n": "int"}, "steps": named}
    assert asyncio.run(play(document, plan, tmp_path)) == status


@pytest.mark.parametrize("more", ["after: [gone]", "timeout: 1m", "on_error: {default: {used: 0, free: '${gone}'}}", "description: alone"])
def test_what_was_skipped_around_a_block_skips_no_more_of_it_than_uses_it(more: str, tmp_path: Path) -> None:
    """Whatever else makes the block wait for it."""
    text = f"""
gone: {{call: "STEPS:number", when: "!inputs.flag", with: {{do: [], given: 1}}}}
g:
  {more}
  steps:
    used: {{call: "STEPS:number", with: {{do: [], given: "${{gone}}"}}}}
    free: {{call: "STEPS:number", with: {{do: [], given: 2}}}}
"""
    document = {
        "workflow": "found",
        "inputs": {"n": "int", "flag": {"type": "bool", "default": True}},
        "steps": yaml.safe_load(text.replace("STEPS", random_steps.__name__)),
        "outputs": {"g": {"value": "${g}"}},
    }
    carrier = asyncio.run(carried(document, Plan(), tmp_path))
    assert carrier.results[-1].outputs == outputs_of(document, {"n": 5})
    assert carrier.results[-1].outputs["g"]["free"] is not None


def test_a_map_over_the_results_of_a_map_of_generators_takes_each_once(tmp_path: Path) -> None:
    text = """
made: {call: "STEPS:lines", for_each: {v: "${inputs.xs}"}, with: {do: [], given: "${v}"}}
lists: {call: "STEPS:number", for_each: {v: "${made}"}, with: {do: [], given: "${v}"}}
elements: {call: "STEPS:number", for_each: {v: "${made[*][*]}"}, with: {do: [], given: "${v}"}}
"""
    document = {
        "workflow": "found",
        "inputs": {"n": "int", "xs": "list[int]"},
        "steps": yaml.safe_load(text.replace("STEPS", random_steps.__name__)),
        "outputs": {name: {"value": f"${{{name}}}"} for name in ("lists", "elements")},
    }
    given_ = {"n": 1, "xs": [1, 2, 3, 4]}
    carrier = asyncio.run(carried(document, Plan(given_), tmp_path))
    assert carrier.results[-1].outputs == outputs_of(document, given_)


# ------------------------------------------------------------------------------------------------------------- nothing does


@_LONG
@given(documents(calm=True), inputs)
@settings(max_examples=50 * EFFORT, **_LOOSE)
def test_where_nothing_goes_wrong_the_outputs_are_what_the_document_says(document: Document, given_: dict[str, Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        carrier = asyncio.run(carried(document, Plan(given_), Path(folder)))
    result = carrier.results[-1]
    assert (result.status, result.outputs) == ("succeeded", outputs_of(document, given_))


async def carried(document: Document, plan: Plan, folder: Path) -> Carrier:
    new_scene()
    carrier = Carrier(work_of(document), plan, app.memory_journal(), folder, cache=MemoryResultCache())
    await carrier.carry()
    return carrier


@_LONG
@given(documents(calm=True, only_calls=True), inputs, st.booleans())
@settings(max_examples=12 * EFFORT, **_LOOSE)
def test_a_file_and_its_python_give_the_same_through_the_public_door(document: Document, given_: dict[str, Any], is_durable: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "random.yaml")
        file.write_text(yaml.safe_dump(document, sort_keys=False))
        loaded = load_workflow(file)
        for number, handle in enumerate((loaded, declared(to_python(loaded.definition)))):
            result = answered(handle.options(home=Path(folder, str(number)), durable=True), given_)
            assert (result.status, result.outputs) == ("succeeded", outputs_of(document, given_))


def answered(handle: WorkflowHandle[..., Any], given_: dict[str, Any]) -> JobResult:
    """Return how a job ended whose questions were answered, and whose events came."""
    result = handle.run_job(**given_)
    while result.status == "waiting":
        people = {one.task: {"k": ANSWER["k"]} for one in result.failures if one.reason == "person"}
        events = {one.message: SIGNAL for one in result.failures if one.reason == "event"}
        result = handle.resume_job(result.job, answers=people, signals=events, by=str(ANSWER["by"]))
    return result


# --------------------------------------------------------------------------------------------------------- there and back


def declared(text: str) -> WorkflowHandle[..., Any]:
    """Return the workflow that a module declares last."""
    module: dict[str, Any] = {"__name__": "random_workflow"}
    exec(compile(text, "random_workflow.py", "exec"), module)
    return [one for one in module.values() if isinstance(one, WorkflowHandle)][-1]


def read(text: str) -> Workflow:
    """Return the workflow of a YAML file."""
    parsed = parse(text, "random.yaml")
    assert parsed.workflow is not None
    assert not parsed.diagnostics
    return parsed.workflow


@_LONG
@given(documents(calm=False) | documents(calm=True))
@settings(max_examples=30 * EFFORT, **_LOOSE)
def test_a_workflow_is_the_same_in_yaml_and_in_python(document: Document) -> None:
    workflow = read(yaml.safe_dump(document, sort_keys=False))
    assert read(json.dumps(document)) == workflow
    back = declared(to_python(workflow)).definition
    assert back == workflow
    assert yaml_of(back) == yaml_of(workflow)
    assert read(yaml_of(back)) == workflow


# ------------------------------------------------------------------------------------------------------- processes that die

_kills = st.lists(st.tuples(st.sampled_from(["begin", "end", "message"]), st.integers(1, 12)), min_size=1, max_size=3)


@_LONG
@given(documents(calm=False), plans, _kills)
@settings(max_examples=10 * EFFORT, **_LOOSE)
def test_a_job_whose_processes_die_is_carried_on_by_others(document: Document, plan: Plan, kills: list[tuple[str, int]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        Mortal(document, plan, Path(folder)).live([*kills, ("", 0)])


class Mortal:
    """A job that one process after the other carries on, of which all but the last are killed on the way."""

    def __init__(self, document: Document, plan: Plan, folder: Path) -> None:
        self._document = document
        self._plan = plan
        self._folder = folder
        self._work = work_of(document)
        self._record = folder / "record"
        self._told: list[str] = []

    def live(self, kills: list[tuple[str, int]]) -> None:
        """Let one process per kill carry on, and check after each what it has left behind."""
        before: list[Event] = []
        status = ""
        for kill in kills:
            begun = self._begun()
            self._process(kill)
            status, events = self._left()
            assert events[: len(before)] == before, "the journal has lost or changed what was in it"
            again = [task for task in self._succeeded(before) if self._begun()[task] > begun[task]]
            assert not again, f"{again} are completed, and begin again"
            before = events
            if status == "succeeded":
                break
        self._check(status, before)

    def _process(self, kill: tuple[str, int]) -> None:
        """Fork a process that carries on, and wait for its end, whatever that is."""
        child = os.fork()
        if not child:
            code = 1
            try:
                asyncio.run(self._carry(kill))
                code = 0
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(code)
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) in (0, -9), "the process has failed"

    async def _carry(self, kill: tuple[str, int]) -> None:
        scene = new_scene(self._record, kill)
        with closing(self._journal()) as journal, closing(SqliteResultCache(self._folder / "cache")) as cache:
            is_new = not journal.jobs()
            await Carrier(self._work, self._plan, journal, self._folder, cache=cache).carry(is_new=is_new)
        assert scene.wrong == []

    def _journal(self) -> Journal:
        return app.open_journal(app.Settings(home=self._folder, durable=True))

    def _left(self) -> tuple[str, list[Event]]:
        """Return the status of the job, and what is in its journal."""
        with closing(self._journal()) as journal:
            jobs = journal.jobs()
            return (jobs[0].status, [*journal.read(JOB)[1]]) if jobs else ("", [])

    def _begun(self) -> Counter[str]:
        return Counter(self._record.read_text().split() if self._record.exists() else ())

    def _succeeded(self, events: list[Event]) -> list[str]:
        """Return the tasks that have succeeded by the journal."""
        statuses = replay(self._work.graph, events).statuses()
        return [task for task, status in statuses.items() if status == "succeeded"]

    def _check(self, status: str, events: list[Event]) -> None:
        check_end(self._document, check_story(self._document, self._work.graph, events, events), status)
        verdicts = Counter(one.task for one in events if isinstance(one, DoubtResolved) and one.verdict == "retry")
        for task in irreversible_tasks(self._work.graph, self._begun()):
            assert self._begun()[task] <= 1 + verdicts[task], f"{task} is irreversible, and was done again unasked"
