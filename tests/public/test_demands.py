"""What users of other orchestrators ask for most, one test or more per demand, through the door that they would use: a YAML file.

How fast it is (demand 12) is measured by `benchmarks/`, not here.
"""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

import murakkab
from murakkab import app
from murakkab.errors import JobFailed, JobPaused
from murakkab.ports import Call
from murakkab.runtime.messages import TaskCancelled, TaskFailed, TaskSucceeded, TaskYielded
from murakkab.runtime.result import JobResult
from murakkab.runtime.slots import SlotTable
from tests.fakes import FakeExecutor, runtime, step, work
from tests.public import demand_steps
from tests.shells import Shell, shell

__all__ = ["shell"]

pytestmark = pytest.mark.anyio

State = demand_steps.State


@pytest.fixture
def state(monkeypatch: pytest.MonkeyPatch) -> State:
    """What the steps note."""
    fresh = State()
    monkeypatch.setattr(demand_steps, "state", fresh)
    return fresh


class Flow:
    """A workflow in a file, whose jobs are journalled on disk."""

    def __init__(self, folder: Path, text: str) -> None:
        self.file = folder / "flow.yaml"
        self.file.write_text(f"workflow: flow\n{text.replace('STEPS', 'tests.public.demand_steps')}")
        self.handle = murakkab.load_workflow(self.file).options(home=folder / "home", durable=True)

    async def run(self, **inputs: Any) -> JobResult:
        return await self.handle.arun_job(**inputs)

    async def resume(self, result: JobResult, **more: Any) -> JobResult:
        return await self.handle.aresume_job(result.job, **more)


def reasons(result: JobResult) -> list[tuple[str, str]]:
    return [(failure.task, failure.reason) for failure in result.failures]


# --------------------------------------------------------------------------------------------- 1. no barrier between steps


async def test_demand_1_a_step_starts_when_its_own_inputs_are_ready(tmp_path: Path, state: State) -> None:
    """A branch must not wait for a slower one beside it. Here the slow one ends only because the other ran to its end."""
    flow = Flow(
        tmp_path,
        """
timeout: 10s
steps:
  slow: {call: "STEPS:hold", with: {name: slow}}
  one: {call: "STEPS:note", with: {name: one}}
  two: {call: "STEPS:note", with: {name: two, given: "${one}"}}
  three: {call: "STEPS:release", with: {name: "three"}, after: two}
outputs: {all: ["${slow}", "${three}"]}
""",
    )
    result = await flow.run()
    assert result.outputs == {"all": ["slow", "three"]}
    assert state.done == ["one", "two", "three", "slow"]


async def test_demand_1_an_element_does_not_wait_for_the_rest_of_its_list(tmp_path: Path, state: State) -> None:
    """The same within a map: what follows the first element runs while another element is still at work."""
    flow = Flow(
        tmp_path,
        """
timeout: 10s
inputs: {steps: "list[str]"}
steps:
  made:
    for_each: "${inputs.steps}"
    steps:
      slow: {call: "STEPS:hold", with: {name: "${item}"}, when: item == "slow"}
      quick: {call: "STEPS:note", with: {name: "${item}"}, when: item != "slow"}
    outputs: {name: {$first: ["${slow}", "${quick}"]}}
  used: {call: "STEPS:release", for_each: "${made}", with: {name: {$template: "after ${item.name}"}}}
outputs: {used: "${used}"}
""",
    )
    result = await flow.run(steps=["slow", "quick"])
    assert result.outputs == {"used": ["after slow", "after quick"]}
    assert state.done == ["quick", "after quick", "slow", "after slow"]


# ------------------------------------------------------------------------------ 2. parallel map over a list known at run time


async def test_demand_2_a_declared_map_over_a_list_that_only_the_run_knows_and_its_aggregation(tmp_path: Path, state: State) -> None:
    """In the file itself, without code that fans out: all elements at once, and one step that gets all results in their order."""
    flow = Flow(
        tmp_path,
        """
inputs: {count: int}
steps:
  docs: {call: "STEPS:listing", with: {count: "${inputs.count}"}}
  sizes: {call: "STEPS:measured", for_each: {doc: "${docs}"}, with: {name: "${doc}"}}
  total: {call: "STEPS:total", with: {sizes: "${sizes}"}}
  pairs: {call: "STEPS:note", for_each: {$zip: {doc: "${docs}", size: "${sizes}"}}, with: {name: {$template: "${doc}=${size}"}}}
outputs: {sizes: "${sizes}", total: "${total}", pairs: "${pairs}"}
""",
    )
    result = await flow.run(count=3)
    assert result.outputs == {"sizes": [4, 4, 4], "total": 12, "pairs": ["doc0=4", "doc1=4", "doc2=4"]}
    assert state.most == 3
    assert (await flow.run(count=0)).outputs == {"sizes": [], "total": 0, "pairs": []}


# ------------------------------------------------------------------------------------------- 3. resume from the failed step


async def test_demand_3_a_job_that_died_on_its_last_step_goes_on_there_and_pays_for_nothing_twice(tmp_path: Path, state: State) -> None:
    """What was paid for is kept, whatever ended the job."""
    flow = Flow(
        tmp_path,
        """
steps:
  costly: {call: "STEPS:spends", for_each: [a, b, c], with: {name: "${item}", tokens: 1000}}
  last: {call: "STEPS:fails_when_broken", with: {name: last, given: "${costly}"}}
outputs: {last: "${last}", costly: "${costly}"}
""",
    )
    state.broken.add("last")
    died = await flow.run()
    assert (died.status, reasons(died), died.usd) == ("failed", [("last", "exception")], 3.0)
    with pytest.raises(JobFailed, match="last cannot be reached"):
        died.raise_for_status()
    state.broken.clear()
    state.done.clear()
    mended = await flow.resume(died)
    assert (mended.status, mended.outputs) == ("succeeded", {"last": "last", "costly": ["a", "b", "c"]})
    assert (state.done, mended.usd) == (["last"], 3.0)


# -------------------------------------------------------------------------------------- 4. nothing before a question runs twice


async def test_demand_4_what_ran_before_an_approval_is_not_repeated_by_the_answer(tmp_path: Path, state: State) -> None:
    """Code before a question ran once, whenever the answer comes; code behind it waits for the answer."""
    flow = Flow(
        tmp_path,
        """
steps:
  booked: {call: "STEPS:note", with: {name: booked}, effect: irreversible}
  ok: {approve: {message: {$template: "Keep ${booked}?"}, form: {seats: int}}}
  charged: {call: "STEPS:note", with: {name: charged, given: "${ok.seats}"}, effect: irreversible}
outputs: {seats: "${ok.seats}", by: "${ok.by}"}
""",
    )
    waits = await flow.run()
    assert (waits.status, state.done) == ("waiting", ["booked"])
    assert (await flow.resume(waits)).status == "waiting"
    ended = await flow.resume(waits, answers={"ok": {"seats": 2}}, by="Ada")
    assert (ended.outputs, state.done) == ({"seats": 2, "by": "Ada"}, ["booked", "charged"])


async def test_demand_4_nothing_behind_a_question_approves_itself(tmp_path: Path, state: State) -> None:
    """A no means no: what comes behind is not done."""
    flow = Flow(
        tmp_path,
        """
steps:
  ok: {approve: "Send it?"}
  sent: {call: "STEPS:note", with: {name: sent}, after: ok}
""",
    )
    refused = await flow.resume(await flow.run(), answers={"ok": False})
    assert (refused.status, reasons(refused), state.done) == ("failed", [("ok", "rejected")], [])


# --------------------------------------------------------------------------------------- 5. people inside of loops and maps


async def test_demand_5_a_question_inside_of_a_map_is_asked_for_every_element(tmp_path: Path, state: State) -> None:
    """Each element has its question; who is answered goes on while the others wait."""
    flow = Flow(
        tmp_path,
        """
steps:
  letters:
    for_each: {who: [Ann, Bob]}
    steps:
      written: {call: "STEPS:note", with: {name: {$template: "letter to ${who}"}}}
      ok: {approve: {message: {$template: "Send ${written}?"}}}
      sent: {call: "STEPS:note", with: {name: {$template: "sent to ${who}"}}, after: ok}
    outputs: {sent: "${sent}"}
outputs: {sent: "${letters[*].sent}"}
""",
    )
    waits = await flow.run()
    assert sorted(failure.task for failure in waits.failures) == ["letters[0]/ok", "letters[1]/ok"]
    half = await flow.resume(waits, answers={"letters[1]/ok": True})
    assert (half.status, state.done[2:]) == ("waiting", ["sent to Bob"])
    ended = await flow.resume(half, answers={"letters[0]/ok": True})
    assert ended.outputs == {"sent": ["sent to Ann", "sent to Bob"]}
    assert sorted(state.done) == ["letter to Ann", "letter to Bob", "sent to Ann", "sent to Bob"]


async def test_demand_5_a_question_inside_of_a_loop_is_asked_in_every_round(tmp_path: Path, state: State) -> None:
    """A draft is written anew until somebody likes it; no round is done twice."""
    flow = Flow(
        tmp_path,
        """
steps:
  refined:
    repeat: {at_most: 5, until: result.liked}
    steps:
      made: {call: "STEPS:draft", with: {topic: tea, round_: "${loop.index}", before: "${loop.last.made}"}}
      ok: {approve: {message: {$template: "Take ${made.text}?"}}, on_error: {default: {approved: false, by: nobody}}}
    outputs: {made: "${made}", liked: "${ok.approved}"}
outputs: {text: "${refined.made.text}"}
""",
    )
    result = await flow.run()
    for said in (False, False, True):
        (question,) = result.failures
        result = await flow.resume(result, answers={question.task: said})
    assert (result.status, result.outputs) == ("succeeded", {"text": "tea, take 2"})
    assert state.done == ["draft 0", "draft 1", "draft 2"]


# --------------------------------------------------------------------------------------------------- 6. budgets that pause


@pytest.mark.parametrize(("budget", "more"), [("{tokens: 150}", {"tokens": 1000}), ("{cost: 0.15}", {"cost": 1})])
async def test_demand_6_a_spent_budget_pauses_the_job_and_a_larger_one_lets_it_go_on(
    tmp_path: Path, state: State, budget: str, more: Any
) -> None:
    """Neither a run that costs without end, nor one whose work is lost when it hits the limit."""
    flow = Flow(
        tmp_path,
        f"""
budget: {budget}
steps:
  calls: {{call: "STEPS:spends", for_each: [a, b, c, d], with: {{name: "${{item}}", tokens: 100}}, max_parallel: 1}}
outputs: {{calls: "${{calls}}"}}
""",
    )
    paused = await flow.run()
    assert (paused.status, state.done) == ("paused", ["a", "b"])
    with pytest.raises(JobPaused, match="larger budget; nothing is lost"):
        paused.raise_for_status()
    ended = await flow.resume(paused, budget=more)
    assert (ended.outputs, state.done, ended.tokens) == ({"calls": ["a", "b", "c", "d"]}, ["a", "b", "c", "d"], 400)


# ------------------------------------------------------------------------------------------- 7. bounded, rate-aware fan-out


@pytest.mark.parametrize("most", [1, 3])
async def test_demand_7_a_limit_holds_and_drops_nothing(tmp_path: Path, state: State, most: int) -> None:
    """However many elements there are: never more at once than allowed, and every one of them done."""
    flow = Flow(
        tmp_path,
        f"""
steps:
  docs: {{call: "STEPS:listing", with: {{count: 40}}}}
  read: {{call: "STEPS:measured", for_each: "${{docs}}", with: {{name: "${{item}}"}}, max_parallel: {most}}}
outputs: {{read: "${{read}}"}}
""",
    )
    result = await flow.run()
    assert len(result.outputs["read"]) == len(state.done) == 40
    assert state.most == most


async def test_demand_7_a_provider_has_its_own_limit_whoever_calls_it() -> None:
    """What a provider bears is known of the provider, and holds over all steps and jobs of a process together."""

    async def behave(call: Call) -> None:
        await asyncio.sleep(0.001)

    fake = FakeExecutor(behave)
    rt = runtime(fake, slots=SlotTable({"executor:fake": 2.0}))
    one = work(step("a", each="${inputs.xs}"), step("b", each="${inputs.xs}"), cards=[fake.card])
    async with asyncio.TaskGroup() as group:
        jobs = [group.create_task(rt.run(one, {"xs": list(range(5)), "flag": None})) for _ in range(2)]
    assert [job.result().status for job in jobs] == ["succeeded", "succeeded"]
    assert (len(fake.calls), fake.most) == (20, 2)


# -------------------------------------------------------------------------------------------------------------- 8. the cache


async def test_demand_8_results_are_kept_by_what_goes_in_and_failures_never(tmp_path: Path, state: State) -> None:
    """Across jobs and for coroutines: the same inputs are not paid for again, others are, and a failure is tried again."""
    flow = Flow(
        tmp_path,
        """
inputs: {names: "list[str]"}
steps:
  got: {call: "STEPS:fails_when_broken", for_each: "${inputs.names}", with: {name: "${item}"}, effect: read, cache: 1h, on_error: skip}
outputs: {got: "${got}"}
""",
    )
    state.broken.add("b")
    assert (await flow.run(names=["a", "b"])).outputs == {"got": ["a"]}
    state.broken.clear()
    again = await flow.run(names=["a", "b", "c"])
    assert again.outputs == {"got": ["a", "b", "c"]}
    assert state.done == ["a", "b", "b", "c"]
    assert {row.task: row.cached for row in again.tasks} == {"got[0]": True, "got[1]": False, "got[2]": False}


# ------------------------------------------------------------------------------------------------- 9. self-hosted, and free

WAITS = """
workflow: waits
steps:
  made: {call: "tests.public.demand_steps:note", with: {name: made}}
  ok: {approve: "Go on?", after: made}
  end: {call: "tests.public.demand_steps:note", with: {name: end}, after: ok}
"""


def test_demand_9_jobs_are_listed_resumed_and_cancelled_with_nothing_but_a_file(shell: Shell, state: State) -> None:
    """Background jobs without a platform. A server with a queue and schedules is not part of this yet; the jobs it would serve are."""
    (shell.folder / "waits.yaml").write_text(WAITS)
    first, second = (shell.json("run", "waits.yaml", status=8)["job"] for _ in range(2))
    assert {one["job"]: one["status"] for one in shell.json("jobs")} == {first: "waiting", second: "waiting"}
    assert shell("cancel", first).status == 0
    assert shell.json("approve", second, "--no-resume")["status"] == "interrupted"
    assert shell("resume", second).status == 0
    assert {one["job"]: one["status"] for one in shell.json("jobs")} == {first: "cancelled", second: "succeeded"}
    assert state.done == ["made", "made", "end"]


# --------------------------------------------------------------------------------------- 10. timeouts, retries, long polling


async def test_demand_10_an_attempt_that_hangs_is_ended_and_made_again(tmp_path: Path, state: State) -> None:
    """Timeout and retry belong to the step, not to code around it."""
    flow = Flow(
        tmp_path,
        """
steps:
  call: {call: "STEPS:hangs_once", with: {name: call}, timeout: 100ms, retry: {attempts: 3, delay: 1ms}}
outputs: {call: "${call}"}
""",
    )
    result = await flow.run()
    assert (result.outputs, state.done) == ({"call": "call"}, ["call", "call"])
    assert [event.reason for event in result.history if isinstance(event, TaskFailed)] == ["timeout"]


async def test_demand_10_a_slow_service_is_asked_until_it_is_ready(tmp_path: Path, state: State) -> None:
    """Polling without a thread that sleeps, bounded, and each look is a result of its own that a resume does not repeat."""
    flow = Flow(
        tmp_path,
        """
steps:
  export: {call: "STEPS:look", with: {name: export, looked: "${loop.index}"}, repeat: {at_most: 50, until: result.ready, delay: 1ms}}
outputs: {looked: "${export.looked}"}
""",
    )
    state.broken.add("look 2")
    died = await flow.run()
    assert (died.status, reasons(died)) == ("failed", [("export#2", "exception")])
    state.broken.clear()
    assert (await flow.resume(died)).outputs == {"looked": 3}
    assert state.done == ["look 0", "look 1", "look 2", "look 2", "look 3"]


# ------------------------------------------------------------------------------------------------------------ 11. the YAML form


async def test_demand_11_a_graph_is_a_file_and_a_file_is_a_graph(tmp_path: Path, state: State) -> None:
    """What Python declares is written as YAML and JSON that say the same, checked types included, and runs from there."""

    @murakkab.workflow(name="flow")
    def declared(names: list[str]) -> str:
        shouted = murakkab.step(demand_steps.note).map(names)
        return murakkab.step(demand_steps.note)("all", given=shouted)

    text = declared.to_yaml().removeprefix("workflow: flow\n")
    loaded = Flow(tmp_path, text)
    assert loaded.handle.to_dict() == declared.to_dict() == json.loads(json.dumps(declared.to_dict()))
    assert loaded.handle.definition.inputs["names"].type == declared.definition.inputs["names"].type
    assert (await loaded.run(names=["a"])).status == (await declared.arun_job(names=["a"])).status == "succeeded"
    assert state.done == ["a", "all", "a", "all"]


# ------------------------------------------------------------------------------------------------------------ 12. low overhead


@pytest.mark.parametrize("form", ["chain", "map"])
async def test_demand_12_the_work_grows_with_the_number_of_steps_and_no_faster(tmp_path: Path, state: State, form: str) -> None:
    """Ten times the steps are ten times the events: nothing is written, or looked at, once per pair of steps."""
    events: list[int] = []
    for count in (10, 100):
        chained = [f'  s{i}: {{call: "STEPS:note", with: {{name: x}}, after: [{f"s{i - 1}" if i else ""}]}}' for i in range(count)]
        mapped = [f'  s: {{call: "STEPS:note", for_each: {json.dumps(["x"] * count)}, with: {{name: "${{item}}"}}}}']
        (folder := tmp_path / str(count)).mkdir()
        result = await Flow(folder, "\n".join(["steps:", *(mapped if form == "map" else chained)])).run()
        assert result.status == "succeeded"
        events.append(len(result.history))
    assert events == [11, 101]


# ---------------------------------------------------------------------------------------------- 13. streams of durable steps


async def test_demand_13_a_step_of_a_durable_job_gives_its_result_bit_by_bit(tmp_path: Path, state: State) -> None:
    """Every element is used, and heard of from outside, while the step is still at it. The journal has them all."""
    flow = Flow(
        tmp_path,
        """
timeout: 10s
inputs: {text: str}
steps:
  said: {call: "STEPS:words", with: {text: "${inputs.text}"}}
  heard: {call: "STEPS:heard", for_each: "${said}", with: {word: "${item}"}}
outputs: {heard: "${heard}"}
""",
    )
    events = [event async for event in flow.handle.astream(text="to be or")]
    assert [event.value for event in events if isinstance(event, TaskYielded)] == ["to", "be", "or"]
    ended = [event.task for event in events if isinstance(event, TaskSucceeded)]
    assert ended.index("heard[0]") < ended.index("said")
    assert state.done[:3] == ["said to", "heard to", "said be"]


# -------------------------------------------------------------------------------------------- 14. cancel reaches what runs


@asynccontextmanager
async def silent_server() -> AsyncIterator[tuple[int, asyncio.Event, asyncio.Event]]:
    """A server that never answers: its port, and whether somebody has come and has gone."""
    came, gone = asyncio.Event(), asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        came.set()
        await reader.read()
        gone.set()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1], came, gone


async def until(happens: Any) -> None:
    """Wait until *happens* gives something true."""
    for _ in range(1000):
        if happens():
            return
        await asyncio.sleep(0.005)
    raise AssertionError("it never happened")


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_demand_14_cancel_reaches_a_process_a_thread_a_coroutine_and_a_request(tmp_path: Path, state: State) -> None:
    """Not a mark in a table while the work goes on: what runs is stopped, and it is said where that is not so."""
    pid = tmp_path / "pid"
    async with silent_server() as (port, came, gone):
        flow = Flow(
            tmp_path,
            f"""
steps:
  process: {{uses: shell, with: {{argv: [sh, -c, "echo $$ > {pid}; sleep 60"]}}}}
  thread: {{call: "STEPS:thread"}}
  coroutine: {{call: "STEPS:coroutine"}}
  request: {{uses: http-get, with: {{url: "http://127.0.0.1:{port}/"}}}}
""",
        )
        async with app.open_runtime(app.Settings(home=tmp_path / "home"), journal=app.memory_journal()) as opened:
            job = asyncio.ensure_future(opened.run(app.load_file(flow.file), {}, job="j"))
            await asyncio.wait_for(came.wait(), 10)
            await state.begun.acquire()
            await until(lambda: pid.exists() and pid.read_text().strip() and state.done)
            opened.cancel("j")
            result = await job
        await asyncio.wait_for(gone.wait(), 5)
    await until(lambda: not is_alive(int(pid.read_text())))
    assert result.status == "cancelled"
    assert sorted(state.stopped) == ["coroutine", "thread"]
    ends = {event.task: event.left for event in result.history if isinstance(event, TaskCancelled)}
    assert ends == dict.fromkeys(("process", "thread", "coroutine", "request"), "")


# ------------------------------------------------------------------------------------------ 15. versions of running workflows


def test_demand_15_a_job_in_flight_keeps_the_workflow_that_it_began_with(shell: Shell, state: State) -> None:
    """A new version of the file is for new jobs: one that waits goes on as it began, even when its file is gone."""
    file = shell.folder / "waits.yaml"
    file.write_text(WAITS)
    old = shell.json("run", "waits.yaml", status=8)["job"]
    file.write_text(WAITS.replace("name: end", "name: other end").replace("  end:", "  other:"))
    new = shell.json("run", "waits.yaml", status=8)["job"]
    file.unlink()
    for job in (old, new):
        assert shell("approve", job).status == 0
    assert state.done == ["made", "made", "end", "other end"]


# ---------------------------------------------------------------------------------------------------- 16. state one can look at


def test_demand_16_every_task_has_a_story_and_every_moment_can_be_looked_at(shell: Shell, state: State) -> None:
    """What it was given, what it tried, why it failed, what it gave - and how the job stood at any time."""
    (shell.folder / "story.yaml").write_text("""
workflow: story
steps:
  first: {call: "tests.public.demand_steps:note", with: {name: first}}
  last: {call: "tests.public.demand_steps:fails_when_broken", with: {name: "last", given: "${first}"}, retry: {attempts: 2, delay: 0}}
outputs: {last: "${last}"}
""")
    state.broken.add("last")
    job = shell.json("run", "story.yaml", status=1)["job"]
    state.broken.clear()
    assert shell("resume", job).status == 0
    story = shell("show", job, "--task", "last").out
    for told in ("last cannot be reached", "attempt 2", "succeeded"):
        assert told in story
    then = shell.json("show", job, "--at", "2")
    assert {one["step"]: one["status"] for one in then["steps"]}["first"] == "succeeded"
    assert then["status"] == "running"
    assert shell.json("show", job)["status"] == "succeeded"
