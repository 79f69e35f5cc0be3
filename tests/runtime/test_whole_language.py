"""What the state machine makes of blocks, sub-workflows, loops, gates, quorums, budgets, last steps, streams and skips."""

from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from murakkab.document import from_document
from murakkab.plan import TaskGraph
from murakkab.planner.compile import compile_workflow
from murakkab.runtime.messages import (
    Answered,
    AskPerson,
    BudgetSpent,
    CancelRequested,
    CancelTask,
    DropTimer,
    FinishJob,
    JobResumed,
    JobSubmitted,
    RetryDue,
    SignalReceived,
    SkipRequested,
    StartTask,
    TaskCancelled,
    TaskFailed,
    TaskSucceeded,
    TaskYielded,
    TimerFired,
    WaitBudget,
    WaitRetry,
    WaitTimer,
)
from murakkab.runtime.records import Status, path_of
from murakkab.runtime.secrets import SealedText, Secret
from murakkab.signature import describe
from tests.fakes import CATALOG, Talk, started


def graph_of(text: str, **functions: Any) -> TaskGraph:
    read = from_document({"workflow": "test", **yaml.safe_load(text)})
    assert read.workflow is not None
    assert not read.diagnostics, read.diagnostics
    return compile_workflow(read.workflow, CATALOG, functions)


def talk(text: str, **inputs: Any) -> Talk:
    return Talk(graph_of(text), **inputs)


def done(t: Talk, task: str, value: Any = None, **more: Any) -> list[str]:
    return started(t.tell(TaskSucceeded, task, value, t.now, **more))


def failed(t: Talk, task: str, reason: str = "failed") -> list[str]:
    return started(t.tell(TaskFailed, task, reason, "it broke", retryable=False, started=t.now))


def finish(t: Talk) -> FinishJob:
    (end,) = [c for c in t.last if isinstance(c, FinishJob)]
    return end


def of(t: Talk, kind: type) -> list[Any]:
    return [c for c in t.last if isinstance(c, kind)]


def inputs_of(t: Talk, task: str) -> Any:
    return next(c.inputs for c in reversed(t.commands) if isinstance(c, StartTask) and c.task == task)


# ------------------------------------------------------------------------------------------------------------------- blocks

BLOCK = """
inputs: {x: int}
steps:
  first: {uses: work, with: {x: "${inputs.x}"}}
  group:
    steps:
      a: {uses: work, with: {x: "${first}"}}
      b: {uses: work, with: {y: "${a}", z: "${inputs.x}"}}
    outputs: {all: ["${a}", "${b}"]}
  last: {uses: work, with: {seen: "${group.all}"}}
outputs: {seen: "${last}"}
"""


def test_a_block_sees_what_is_around_it_and_shows_its_outputs_alone() -> None:
    t = talk(BLOCK, x=1)
    assert started(t.last) == ["first"]
    assert done(t, "first", 10) == ["group/a"]
    assert inputs_of(t, "group/a") == {"x": 10}
    assert done(t, "group/a", 20) == ["group/b"]
    assert inputs_of(t, "group/b") == {"y": 20, "z": 1}
    assert done(t, "group/b", 30) == ["last"]
    assert inputs_of(t, "last") == {"seen": [20, 30]}
    done(t, "last", "end")
    assert finish(t) == FinishJob("succeeded", {"seen": "end"})
    assert t.replayed() == t.commands


def test_a_failure_inside_of_a_block_ends_the_job_and_names_the_task() -> None:
    t = talk(BLOCK, x=1)
    done(t, "first", 10)
    failed(t, "group/a")
    assert finish(t).status == "failed"
    assert finish(t).failures[0].task == "group/a"
    assert t.state.statuses()["last"] is Status.CANCELLED


def test_a_job_that_failed_inside_of_a_block_goes_on_there() -> None:
    t = talk(BLOCK, x=1)
    done(t, "first", 10)
    done(t, "group/a", 20)
    failed(t, "group/b")
    assert started(t.tell(JobResumed)) == ["group/b"]
    assert done(t, "group/b", 30) == ["last"]
    done(t, "last", 1)
    assert finish(t).status == "succeeded"


def test_on_error_of_a_block_is_about_all_of_it_and_stops_what_else_runs_in_it() -> None:
    t = talk(
        """
steps:
  group:
    steps: {a: {uses: work}, b: {uses: work}, c: {uses: work, after: b}}
    on_error: {default: {a: "${error.task} ${error.reason}"}}
  last: {uses: work, with: {seen: "${group.a}"}}
""".replace('"${error.task} ${error.reason}"', '"${error.reason}"')
    )
    assert sorted(started(t.last)) == ["group/a", "group/b"]
    failed(t, "group/a", "boom")
    assert of(t, CancelTask) == [CancelTask("group/b")]
    assert started(t.tell(TaskCancelled, "group/b", t.now)) == ["last"]
    assert inputs_of(t, "last") == {"seen": "boom"}
    done(t, "last")
    assert finish(t).status == "succeeded"


# ------------------------------------------------------------------------------------------------------------ sub-workflows

SUB = """
inputs: {xs: "list[int]"}
workflows:
  twice:
    workflow: twice
    inputs: {n: int, by: {type: int, default: 2}}
    steps: {double: {uses: work, with: {n: "${inputs.n}", by: "${inputs.by}"}}}
    outputs: {made: "${double}"}
steps:
  each: {workflow: twice, for_each: "${inputs.xs}", with: {n: "${item}"}, max_parallel: 2}
outputs: {all: "${each[*].made}"}
"""


def test_a_sub_workflow_runs_once_per_element_and_sees_its_inputs_alone() -> None:
    t = talk(SUB, xs=[1, 2, 3])
    assert started(t.last) == ["each[0]/double", "each[1]/double"]
    assert inputs_of(t, "each[1]/double") == {"n": 2, "by": 2}
    assert done(t, "each[1]/double", 4) == ["each[2]/double"]
    done(t, "each[0]/double", 2)
    done(t, "each[2]/double", 6)
    assert finish(t).outputs == {"all": [2, 4, 6]}
    assert t.replayed() == t.commands


def test_paths_name_the_node_of_a_task() -> None:
    assert path_of("each[0]/double[1.2]#3") == "each/double"
    assert path_of("finally~2/clean") == "finally/clean"
    assert path_of("plain") == "plain"


def test_an_input_of_the_wrong_type_fails_the_task_at_the_border() -> None:
    t = talk(SUB, xs=["text"])
    assert finish(t).status == "failed"
    assert "input 'n'" in finish(t).failures[0].message


# -------------------------------------------------------------------------------------------------------------------- loops

LOOP = """
steps:
  refine:
    uses: work
    with: {last: "${loop.last}", round: "${loop.index}", all: "${loop.history}"}
    repeat: {at_most: 3, until: "result.score > 0.8", %s}
outputs: {best: "${refine}"}
"""


def test_a_loop_goes_on_until_its_condition_holds() -> None:
    t = talk(LOOP % "delay: 0")
    assert started(t.last) == ["refine#0"]
    assert inputs_of(t, "refine#0") == {"last": None, "round": 0, "all": []}
    assert done(t, "refine#0", {"score": 0.5}) == ["refine#1"]
    assert inputs_of(t, "refine#1") == {"last": {"score": 0.5}, "round": 1, "all": [{"score": 0.5}]}
    done(t, "refine#1", {"score": 0.9})
    assert finish(t).outputs == {"best": {"score": 0.9}}
    assert t.replayed() == t.commands


def test_a_loop_whose_rounds_are_used_up_fails_or_gives_its_last_result() -> None:
    t = talk(LOOP % "otherwise: fail")
    for i in range(3):
        done(t, f"refine#{i}", {"score": 0.1})
    assert [f.reason for f in finish(t).failures] == ["loop-exhausted"]
    t = talk(LOOP % "otherwise: last")
    for i in range(3):
        done(t, f"refine#{i}", {"score": i / 10})
    assert finish(t).outputs == {"best": {"score": 0.2}}


def test_rounds_wait_for_one_another_and_a_resume_does_not_repeat_one() -> None:
    t = talk(LOOP % "delay: 5s")
    done(t, "refine#0", {"score": 0.1})
    assert t.last == [WaitRetry("refine", 5.0)]
    assert started(t.tell(JobResumed)) == ["refine#1"]
    done(t, "refine#1", {"score": 0.2})
    assert started(t.tell(RetryDue, "refine")) == ["refine#2"]


def test_a_loop_of_several_steps() -> None:
    t = talk("""
steps:
  talk:
    repeat: {at_most: 2}
    steps: {ask: {uses: work, with: {n: "${loop.index}"}}, say: {uses: work, with: {heard: "${ask}", before: "${loop.last.x}"}}}
    outputs: {x: "${say}"}
outputs: {x: "${talk.x}"}
""")
    assert started(t.last) == ["talk#0/ask"]
    assert done(t, "talk#0/ask", "q") == ["talk#0/say"]
    assert inputs_of(t, "talk#0/say") == {"heard": "q", "before": None}
    assert done(t, "talk#0/say", "a") == ["talk#1/ask"]
    done(t, "talk#1/ask", "r")
    assert inputs_of(t, "talk#1/say") == {"heard": "r", "before": "a"}
    done(t, "talk#1/say", "b")
    assert finish(t).outputs == {"x": "b"}


# -------------------------------------------------------------------------------------------------------------------- gates

GATE = """
inputs: {names: "list[str]"}
steps:
  draft: {uses: work}
  ok:
    for_each: "${inputs.names}"
    approve: {message: {$template: "Send to ${item}?"}, form: {note: str, copies: {type: int, default: 1}}}
    on_error: skip
  send: {uses: work, for_each: "${ok}", with: {note: "${item.note}", n: "${item.copies}"}, after: draft}
"""


def test_a_job_waits_for_people_and_what_came_before_never_runs_again() -> None:
    t = talk(GATE, names=["ann", "bob"])
    assert of(t, AskPerson)[0].message == "Send to ann?"
    done(t, "draft")
    assert finish(t).status == "waiting"
    assert [f.task for f in finish(t).failures] == ["ok[0]", "ok[1]"]
    assert [c.task for c in t.tell(JobResumed) if isinstance(c, AskPerson)] == ["ok[0]", "ok[1]"]
    assert started(t.tell(Answered, "ok[0]", True, {"note": "hi"}, "eve")) == ["send[0]"]
    assert inputs_of(t, "send[0]") == {"note": "hi", "n": 1}
    t.tell(Answered, "ok[1]", False, {})
    done(t, "send[0]")
    assert finish(t).status == "succeeded"


def test_a_no_fails_the_task() -> None:
    t = talk("steps: {ok: {approve: Really}, act: {uses: work, after: ok}}")
    t.tell(Answered, "ok", False, {"why": "too dear"}, "eve")
    assert finish(t).status == "failed"
    assert "eve said no: why: too dear" in finish(t).failures[0].message
    assert finish(t).failures[0].reason == "rejected"


def test_an_answer_that_comes_too_late_is_none() -> None:
    t = talk("steps: {ok: {approve: Really, timeout: 2d}}")
    assert of(t, WaitTimer) == [WaitTimer("ok", 172800.0)]
    assert finish(t).status == "waiting"
    t.now = 200_000.0
    t.tell(JobResumed)
    assert of(t, WaitTimer) == [WaitTimer("ok", 0.0)]
    t.tell(TimerFired, "ok")
    assert [f.reason for f in finish(t).failures] == ["timeout"]


def test_a_wait_for_a_time_keeps_the_job_awake_and_its_time_survives_a_restart() -> None:
    t = talk("steps: {pause: {wait: 30s}, then: {uses: work, after: pause}}")
    assert t.last == [WaitTimer("pause", 30.0)]
    t.now += 9
    assert of(t, FinishJob) == []
    t.tell(JobResumed)
    assert of(t, WaitTimer) == [WaitTimer("pause", 20.0)]
    assert started(t.tell(TimerFired, "pause")) == ["then"]


def test_an_event_is_kept_until_somebody_waits_for_it() -> None:
    t = talk("""
steps:
  order: {uses: work}
  paid: {wait: {event: paid, type: {id: str}}, after: order, timeout: 1h}
  ship: {uses: work, with: {id: "${paid.id}"}}
""")
    t.tell(SignalReceived, "paid", {"id": "7"})
    assert done(t, "order") == ["ship"]
    assert of(t, DropTimer) == [DropTimer("paid")]
    assert inputs_of(t, "ship") == {"id": "7"}


def test_what_comes_with_an_event_must_fit() -> None:
    t = talk("steps: {paid: {wait: {event: paid, type: {id: str}}}}")
    t.tell(SignalReceived, "paid", 5)
    assert [f.reason for f in finish(t).failures] == ["bad-event"]


# ------------------------------------------------------------------------------------------------------------------ quorums


def test_enough_elements_end_a_map_and_the_rest_is_cancelled() -> None:
    t = talk("""
steps:
  vote: {uses: work, for_each: [1, 2, 3, 4, 5], need: 3 of 5, with: {x: "${item}"}}
  count: {uses: work, with: {votes: "${vote}"}}
""")
    assert len(started(t.last)) == 5
    done(t, "vote[4]", "e")
    failed(t, "vote[1]")
    done(t, "vote[0]", "a")
    assert done(t, "vote[3]", "d") == ["count"]
    assert of(t, CancelTask) == [CancelTask("vote[2]")]
    assert inputs_of(t, "count") == {"votes": ["a", "d", "e"]}
    done(t, "count")
    assert not of(t, FinishJob)  # what was abandoned still owes its event
    t.tell(TaskSucceeded, "vote[2]", "late", t.now)
    assert finish(t).status == "succeeded"
    assert t.replayed() == t.commands


def test_too_few_elements_fail_a_map_as_soon_as_that_is_certain_and_a_resume_tries_them_again() -> None:
    t = talk("steps: {vote: {uses: work, for_each: [1, 2, 3], need: 60%}}\noutputs: {v: '${vote}'}")
    failed(t, "vote[0]")
    failed(t, "vote[1]")
    assert of(t, CancelTask) == [CancelTask("vote[2]")]
    t.tell(TaskCancelled, "vote[2]", t.now)
    assert [f.reason for f in finish(t).failures] == ["quorum"]
    assert started(t.tell(JobResumed)) == ["vote[0]", "vote[1]", "vote[2]"]
    done(t, "vote[1]", 1)
    done(t, "vote[2]", 2)
    assert of(t, CancelTask) == [CancelTask("vote[0]")]
    t.tell(TaskCancelled, "vote[0]", t.now)
    assert finish(t).outputs == {"v": [1, 2]}


def test_enough_branches_end_a_block() -> None:
    t = talk("""
steps:
  race: {need: 1, steps: {a: {uses: work}, b: {uses: work}, c: {uses: work, with: {x: "${b}"}}}}
  use: {uses: work, with: {a: "${race.a}"}}
""")
    assert done(t, "race/a", 1) == ["use"]
    assert of(t, CancelTask) == [CancelTask("race/b")]
    t.tell(TaskCancelled, "race/b", t.now)
    done(t, "use")
    assert finish(t).status == "succeeded"


def test_a_block_without_enough_branches_fails_and_is_tried_again_on_resume() -> None:
    t = talk("steps: {race: {need: 2, steps: {a: {uses: work}, b: {uses: work}}}}")
    failed(t, "race/a")
    assert of(t, CancelTask) == [CancelTask("race/b")]
    t.tell(TaskCancelled, "race/b", t.now)
    assert [f.reason for f in finish(t).failures] == ["quorum"]
    assert sorted(started(t.tell(JobResumed))) == ["race/a", "race/b"]
    done(t, "race/a", 1)
    done(t, "race/b", 2)
    assert finish(t).status == "succeeded"
    assert t.replayed() == t.commands


# ------------------------------------------------------------------------------------------------------- blocks wait for nothing


AROUND = (
    "a: {uses: work}, b: {uses: work}, "
    "g: {steps: {x: {uses: work, with: {v: '${a}'}}, y: {uses: work}, z: {uses: work, with: {v: '${b}', w: '${y}'}}}}"
)


def test_steps_in_a_block_wait_for_what_they_use_themselves() -> None:
    t = talk(f"steps: {{{AROUND}}}\noutputs: {{g: '${{g}}'}}")
    assert set(started(t.last)) == {"a", "b", "g/y"}
    assert done(t, "g/y", 1) == []
    assert "g/z waits for b" in t.state.story("g/z")[-1]
    assert done(t, "a", 2) == ["g/x"]
    assert inputs_of(t, "g/x") == {"v": 2}
    done(t, "g/x", 3)
    assert done(t, "b", 4) == ["g/z"]
    assert inputs_of(t, "g/z") == {"v": 4, "w": 1}
    done(t, "g/z", 5)
    assert finish(t).outputs == {"g": {"x": 3, "z": 5}}
    assert "g/a" not in t.state.statuses()
    assert t.replayed() == t.commands


def test_what_a_block_says_itself_is_waited_for_before_it_begins() -> None:
    t = talk("steps: {a: {uses: work}, g: {when: 'a > 1', steps: {x: {uses: work}}}}")
    assert started(t.last) == ["a"]
    assert done(t, "a", 2) == ["g/x"]
    t = talk("steps: {a: {uses: work}, g: {timeout: 5s, steps: {x: {uses: work}, y: {uses: work, with: {v: '${a}'}}}}}")
    assert started(t.last) == ["a"]
    assert set(done(t, "a", 2)) == {"g/x", "g/y"}


def test_what_is_skipped_around_a_block_skips_what_uses_it_inside_alone() -> None:
    t = talk(f"steps: {{{AROUND.replace('b: {uses: work}', 'b: {uses: work, when: 1 > 2}')}}}\noutputs: {{g: '${{g}}'}}")
    done(t, "a", 2)
    done(t, "g/x", 3)
    assert t.state.statuses()["g/z"] is Status.WAITING
    done(t, "g/y", 1)
    assert t.state.statuses()["g/z"] is Status.SKIPPED
    assert finish(t).outputs == {"g": {"x": 3, "z": None}}


def test_a_block_is_skipped_that_must_give_what_it_cannot_for_what_it_needs_was_skipped() -> None:
    t = talk(
        "steps: {a: {uses: work, when: 1 > 2}, g: {steps: {x: {uses: work, with: {v: '${a}'}}, y: {uses: work}}, outputs: {x: '${x}'}}, "
        "h: {uses: work, with: {v: '${g.x}'}}, z: {uses: work}}\noutputs: {z: '${z}'}"
    )
    assert set(started(t.last)) == {"g/y", "z"}
    done(t, "g/y", 1)
    assert (t.state.statuses()["g"], t.state.statuses()["h"]) == (Status.SKIPPED, Status.SKIPPED)
    done(t, "z", 2)
    assert finish(t).outputs == {"z": 2}


def test_a_block_is_not_skipped_for_a_value_that_it_lacks_by_itself() -> None:
    """What was skipped around it may be done without; that a step inside was not done is another matter, and no silent one."""
    inner = "x: {uses: work, with: {v: {$first: ['${a}', 1]}}}, y: {uses: work, when: 1 > 2}"
    t = talk(f"steps: {{a: {{uses: work, when: 1 > 2}}, g: {{steps: {{{inner}}}, outputs: {{x: '${{x}}', y: '${{y}}'}}}}}}")
    done(t, "g/x", 1)
    ended = finish(t)
    assert (ended.status, [failure.reason for failure in ended.failures]) == ("failed", ["skipped-output"])


def test_blocks_in_blocks_in_maps_wait_for_what_is_far_around_them() -> None:
    inner = "{steps: {h: {steps: {x: {uses: work, with: {v: '${a}', i: '${item}'}}, y: {uses: work}}}}, for_each: [7, 8]}"
    t = talk(f"steps: {{a: {{uses: work}}, g: {inner}}}\noutputs: {{g: '${{g}}'}}")
    assert set(started(t.last)) == {"a", "g[0]/h/y", "g[1]/h/y"}
    assert set(done(t, "a", 2)) == {"g[0]/h/x", "g[1]/h/x"}
    assert inputs_of(t, "g[1]/h/x") == {"v": 2, "i": 8}


def test_a_block_that_waits_goes_on_when_the_job_is_resumed() -> None:
    t = talk(f"steps: {{{AROUND}}}")
    done(t, "g/y", 1)
    assert set(started(t.tell(JobResumed))) == {"a", "b"}
    t.tell(CancelRequested, "enough")
    for task in ("a", "b"):
        t.tell(TaskCancelled, task, t.now)
    assert finish(t).status == "cancelled"
    assert set(started(t.tell(JobResumed))) == {"a", "b"}
    assert done(t, "b", 4) == ["g/z"]
    assert done(t, "a", 2) == ["g/x"]
    done(t, "g/x", 3)
    done(t, "g/z", 3)
    assert finish(t).status == "succeeded"
    assert t.replayed() == t.commands


def test_rounds_of_a_block_see_what_came_late() -> None:
    t = talk("steps: {a: {uses: work}, g: {repeat: {at_most: 2}, steps: {x: {uses: work, with: {v: '${a}'}}, y: {uses: work}}}}")
    assert set(started(t.last)) == {"a", "g#0/y"}
    done(t, "g#0/y", 1)
    assert done(t, "a", 2) == ["g#0/x"]
    assert set(done(t, "g#0/x", 1)) == {"g#1/x", "g#1/y"}
    assert inputs_of(t, "g#1/x") == {"v": 2}


# ------------------------------------------------------------------------------------------------------------------ budgets

PRICEY = "budget: {cost: 5}\nsteps: {a: {uses: work, for_each: [1, 2, 3, 4]}}"


def test_a_spent_budget_pauses_the_job_and_loses_nothing() -> None:
    t = Talk.__new__(Talk)
    t.graph, t.now, t.events, t.commands = graph_of(PRICEY), 0.0, [], []
    t.state = type(talk("steps: {a: {uses: work}}").state)(t.graph)
    t.tell(JobSubmitted, {}, None, {"a": {"cost": 2.0}})
    assert started(t.last) == ["a[0]", "a[1]"]  # the third is expected to go beyond it
    assert done(t, "a[0]", 1, usd=1.5) == []  # 1.5 spent, 2 set aside
    assert done(t, "a[1]", 1, usd=1.0) == ["a[2]"]
    done(t, "a[2]", 1, usd=1.0)
    assert finish(t).status == "paused"
    assert "cost: 3.5 of 5 USD is spent" in finish(t).failures[0].message
    assert started(t.tell(JobResumed, {"cost": 10.0})) == ["a[3]"]
    done(t, "a[3]", 1, usd=2.0)
    assert finish(t).status == "succeeded"
    assert t.replayed() == t.commands


def test_time_can_be_budgeted_too() -> None:
    t = talk("budget: {time: 10s}\nsteps: {a: {uses: work}, b: {uses: work, after: a}}")
    assert of(t, WaitBudget) == [WaitBudget(10.0)]
    t.tell(BudgetSpent)
    assert done(t, "a") == []
    assert finish(t).status == "paused"
    assert started(t.tell(JobResumed, {"time": 20.0})) == ["b"]
    assert of(t, WaitBudget) == [WaitBudget(8.0)]  # what was used before: ten seconds, and the two on top


def test_failed_attempts_cost_money_too() -> None:
    t = talk("budget: {cost: 1}\nsteps: {a: {uses: work, on_error: skip}, b: {uses: work, after: a}}")
    t.tell(TaskFailed, "a", "failed", "it broke", retryable=False, started=t.now, usd=1.0)
    assert finish(t).status == "paused"


# --------------------------------------------------------------------------------------------------------------- last steps

LAST = """
steps: {a: {uses: work}, b: {uses: work, with: {x: "${a}"}}}
finally: {clean: {uses: work, with: {how: "${job.status}", a: "${a}", b: "${b}"}}}
outputs: {b: "${b}"}
"""


def test_the_last_steps_run_however_the_job_ends() -> None:
    t = talk(LAST)
    done(t, "a", 1)
    assert done(t, "b", 2) == ["finally/clean"]
    assert inputs_of(t, "finally/clean") == {"how": "succeeded", "a": 1, "b": 2}
    done(t, "finally/clean")
    assert finish(t) == FinishJob("succeeded", {"b": 2})
    t = talk(LAST)
    t.tell(CancelRequested)
    assert started(t.tell(TaskCancelled, "a", t.now)) == ["finally/clean"]
    assert inputs_of(t, "finally/clean") == {"how": "cancelled", "a": None, "b": None}
    failed(t, "finally/clean")
    assert finish(t).status == "cancelled"
    assert [f.task for f in finish(t).failures] == ["finally/clean"]


def test_a_job_that_is_resumed_runs_its_last_steps_at_its_new_end() -> None:
    t = talk(LAST)
    assert failed(t, "a") == ["finally/clean"]
    done(t, "finally/clean")
    assert finish(t).status == "failed"
    assert started(t.tell(JobResumed)) == ["a"]
    done(t, "a", 1)
    assert done(t, "b", 1) == ["finally~2/clean"]
    done(t, "finally~2/clean")
    assert finish(t).status == "succeeded"
    assert t.replayed() == t.commands


def test_last_steps_that_a_crash_cut_short_go_on() -> None:
    t = talk(LAST)
    done(t, "a", 1)
    done(t, "b", 2)
    assert started(t.tell(JobResumed)) == ["finally/clean"]
    done(t, "finally/clean")
    assert finish(t).status == "succeeded"


def test_a_failed_last_step_fails_a_job_that_had_succeeded() -> None:
    t = talk(LAST)
    done(t, "a", 1)
    done(t, "b", 2)
    failed(t, "finally/clean")
    assert finish(t).status == "failed"


# ------------------------------------------------------------------------------------------------- streams, zips, secrets


def test_lists_are_gone_through_side_by_side() -> None:
    t = talk("steps: {p: {uses: work, for_each: {$zip: {a: [1, 2], b: [x, y]}}, with: {a: '${a}', b: '${b}'}}}")
    assert [inputs_of(t, f"p[{i}]") for i in range(2)] == [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]
    t = talk("steps: {p: {uses: work, for_each: {$zip: {a: [1, 2], b: [x]}}}}")
    assert "a has 2, b has 1" in finish(t).failures[0].message


def test_secrets_travel_sealed() -> None:
    t = talk("""
secrets: {token: env:TOKEN}
steps: {call: {uses: work, with: {auth: {$template: "Bearer ${secrets.token}"}, raw: "${secrets.token}"}}}
""")
    secret = Secret("token", "env:TOKEN")
    assert inputs_of(t, "call") == {"auth": SealedText(("Bearer ", secret)), "raw": secret}


# -------------------------------------------------------------------------------------------------------------------- skips


def test_a_step_can_be_passed_over_while_it_runs_or_before() -> None:
    t = talk("steps: {a: {uses: work}, b: {uses: work, with: {x: '${a}'}}, c: {uses: work}, d: {uses: work, after: c}}")
    t.tell(SkipRequested, "a")
    assert of(t, CancelTask) == [CancelTask("a")]
    t.tell(TaskCancelled, "a", t.now, left="its thread runs on")
    assert t.state.statuses()["b"] is Status.SKIPPED
    assert "its thread runs on" in t.state.story("a")[-1]
    t.tell(SkipRequested, "c", True)
    t.tell(TaskCancelled, "c", t.now)
    assert finish(t).status == "succeeded"
    assert t.state.statuses()["d"] is Status.SKIPPED


def test_a_map_that_has_failed_where_others_make_up_for_it_stays_failed_when_the_job_is_resumed() -> None:
    t = talk("steps: {g: {need: 1, steps: {m: {uses: work, for_each: [1, 2]}, a: {uses: work}}}}")
    t.tell(TaskFailed, "g/m[0]", "failed", "as told", False, t.now)
    assert started(t.tell(JobResumed)) == ["g/a"]
    t.tell(TaskFailed, "g/a", "failed", "as told", False, t.now)
    assert finish(t).status == "failed"
    assert t.replayed() == t.commands


def test_tasks_that_are_begun_again_wait_for_what_is_begun_again_before_them() -> None:
    inner = "a: {uses: work}, m: {uses: work, for_each: [1, 2], with: {x: {$first: ['${a}', 0]}}}, b: {uses: work}"
    t = talk(f"steps: {{g: {{need: 2, steps: {{{inner}}}}}}}")
    t.tell(TaskFailed, "g/a", "failed", "as told", False, t.now)
    assert started(t.last) == ["g/m[0]", "g/m[1]"]
    t.tell(TaskFailed, "g/b", "failed", "as told", False, t.now)
    for task in ("g/m[0]", "g/m[1]"):
        t.tell(TaskCancelled, task, t.now)
    assert finish(t).status == "failed"
    assert set(started(t.tell(JobResumed))) == {"g/a", "g/b"}
    assert done(t, "g/a", 7) == ["g/m[0]", "g/m[1]"]
    assert inputs_of(t, "g/m[0]") == {"x": 7}
    assert t.replayed() == t.commands


@pytest.mark.parametrize("text", ["a: {uses: work}", "a: {uses: work, for_each: [1]}"])
def test_what_was_to_be_passed_over_when_its_process_died_is_not_begun_again(text: str) -> None:
    t = talk(f"steps: {{{text}, b: {{uses: work, after: a}}}}")
    task = started(t.last)[0]
    t.tell(SkipRequested, task)
    assert started(t.tell(JobResumed)) == ["b"]
    assert t.state.statuses()[task] is Status.SKIPPED
    done(t, "b")
    assert finish(t).status == "succeeded"
    assert t.replayed() == t.commands


def test_a_task_of_a_map_or_all_of_it_can_be_passed_over() -> None:
    t = talk("steps: {m: {uses: work, for_each: [1, 2, 3], max_parallel: 1}}\noutputs: {m: {value: '${m}', optional: true}}")
    t.tell(SkipRequested, "m[1]")
    assert done(t, "m[0]", "a") == ["m[2]"]
    done(t, "m[2]", "c")
    assert finish(t).outputs == {"m": ["a", "c"]}
    t = talk("steps: {m: {uses: work, for_each: [1, 2, 3], max_parallel: 1}}\noutputs: {m: {value: '${m}', optional: true}}")
    t.tell(SkipRequested, "m")
    t.tell(TaskCancelled, "m[0]", t.now)
    assert finish(t).outputs == {"m": None}


def test_a_block_can_be_passed_over_while_it_runs() -> None:
    t = talk("steps: {g: {steps: {a: {uses: work}, b: {uses: work, after: a}}}, after: {uses: work, with: {x: '${g.b}'}}, z: {uses: work}}")
    t.tell(SkipRequested, "g")
    assert of(t, CancelTask) == [CancelTask("g/a")]
    t.tell(TaskCancelled, "g/a", t.now)
    done(t, "z")
    assert finish(t).status == "succeeded"
    assert t.state.statuses()["after"] is Status.SKIPPED


def test_time_is_up_for_all_of_a_block() -> None:
    t = talk("steps: {g: {timeout: 5s, on_error: {default: {a: 0}}, steps: {a: {uses: work}}}, h: {uses: work, with: {x: '${g.a}'}}}")
    assert of(t, WaitTimer) == [WaitTimer("g", 5.0)]
    t.tell(TimerFired, "g")
    assert of(t, CancelTask) == [CancelTask("g/a")]
    assert started(t.tell(TaskCancelled, "g/a", t.now)) == ["h"]
    assert inputs_of(t, "h") == {"x": 0}


def test_elements_of_a_stream_start_their_tasks_at_once() -> None:
    def numbers() -> Iterator[int]:
        yield 1

    text = "steps: {s: {call: 'm:numbers'}, e: {uses: work, for_each: '${s}', with: {x: '${item}'}}}"
    t = Talk(graph_of(text, **{"m:numbers": describe(numbers)}))
    assert started(t.last) == ["s"]
    assert started(t.tell(TaskYielded, "s", 0, 7)) == ["e[0]"]
    assert done(t, "e[0]", "a") == []
    assert done(t, "s", [7, 8]) == ["e[1]"]
    assert inputs_of(t, "e[1]") == {"x": 8}
    done(t, "e[1]", "b")
    assert finish(t).outputs == {"e": ["a", "b"]}
    assert t.replayed() == t.commands
