"""Branching off from a job: what was done is kept, but for a step and whatever depends on it; nothing is done twice, nothing is lost."""

from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from murakkab.errors import InputError, NotFoundError
from murakkab.plan import TaskGraph
from murakkab.runtime.driver import replay
from murakkab.runtime.fork import Branch, branched, steps_after
from murakkab.runtime.messages import (
    Answered,
    CancelRequested,
    JobForked,
    JobResumed,
    RetryDue,
    SignalReceived,
    SkipRequested,
    TaskCancelled,
    TaskFailed,
    TaskStarted,
    TaskSucceeded,
    TimerFired,
)
from murakkab.runtime.records import Status, path_of
from murakkab.runtime.state import JobState
from murakkab.spec import Approve, Block, Effect, Need, OnError, Output, Repeat, Rescue, Step, Wait
from tests.fakes import Talk, default, expr, graph, started, step
from tests.runtime.puppets import Puppet, played

DONE = (Status.SUCCEEDED, Status.SKIPPED)


def branch_of(job: Talk, before: str) -> Branch:
    return branched(job.graph, job.events, before, job="old", now=job.now + 1000.0)


def resumed(of: TaskGraph, branch: Branch) -> tuple[JobState, list[str]]:
    """Return the new job, taken up, and what that starts."""
    state = replay(of, branch.events)
    return state, started(state.handle(JobResumed(9999.0)))


def succeed(job: Talk, *tasks: str) -> None:
    for task in tasks:
        job.tell(TaskSucceeded, task, f"{task}!", job.now)


# ----------------------------------------------------------------------------------------------------------------- one step


CHAIN = (step("a"), step("b", x="${a}"), step("c", x="${b}"), step("d"), step("e", after=("b",)))


def test_a_step_and_all_after_it_run_again_and_nothing_else() -> None:
    job = Talk(graph(*CHAIN))
    succeed(job, "a", "d", "b", "c", "e")
    assert job.state.finished == "succeeded"
    branch = branch_of(job, "b")
    state, again = resumed(job.graph, branch)

    assert branch.events[-1] == JobForked(job.now + 1000.0, "old", "b")
    assert sorted(branch.kept) == ["a", "d"]
    assert again == ["b"]
    assert state.results() == {"a": "a!", "d": "d!"}
    assert steps_after(job.graph, "b") == {"b", "c", "e"}


@pytest.mark.parametrize("ended", ["running", "failed", "cancelled", "killed"])
def test_any_job_can_be_branched_off_from(ended: str) -> None:
    job = Talk(graph(*CHAIN))
    succeed(job, "a")
    if ended == "failed":
        job.tell(TaskFailed, "b", "bad", "it broke", False, job.now)
    elif ended == "cancelled":
        job.tell(CancelRequested)
        job.tell(TaskCancelled, "b", job.now)
    elif ended == "killed":
        job.tell(JobResumed)
    succeed(job, "d")
    state, again = resumed(job.graph, branch_of(job, "b"))

    assert sorted(again) == ["b"]
    assert state.results() == {"a": "a!", "d": "d!"}


def test_a_job_of_which_nothing_is_written_down_gives_one_that_begins() -> None:
    assert branched(graph(step("a")), [], "a", job="old", now=1.0) == Branch((), (), ())


def test_a_branch_can_be_branched_off_from_again() -> None:
    job = Talk(graph(*CHAIN))
    succeed(job, "a", "d", "b", "c", "e")
    first = [*branch_of(job, "c").events, JobResumed(5000.0), TaskSucceeded(5001.0, "c", "new", 5000.0)]
    second = branched(job.graph, first, "e", job="first", now=6000.0)

    assert [event for event in second.events if isinstance(event, JobForked)] == [JobForked(6000.0, "first", "e")]
    state, again = resumed(job.graph, second)
    assert again == ["e"]
    assert state.results() == {"a": "a!", "b": "b!", "c": "new", "d": "d!"}


def test_a_step_that_is_not_there_or_lies_inside_another_is_refused() -> None:
    inner = Step("outer", block=Block({"inner": step("inner")}))
    of = graph(step("draft"), step("twin", effect=Effect.PURE), step("other", effect=Effect.PURE), inner, step("each", each="${inputs.xs}"))

    with pytest.raises(NotFoundError, match=r"workflow 'test' has no step 'draught'; did you mean 'draft'\?"):
        steps_after(of, "draught")
    for inside in ("outer/inner", "outer[3]/inner", "outer#1/inner"):
        with pytest.raises(InputError, match="is a part of the step 'outer'; begin again before 'outer'"):
            steps_after(of, inside)
    with pytest.raises(InputError, match=r"'each\[0\]' is a part of the step 'each'"):
        steps_after(of, "each[0]")
    with pytest.raises(InputError, match="step 'other' does not run by itself: other is the same call as twin"):
        steps_after(of, "other")


# ----------------------------------------------------------------------------------------------------------- what was kept


def test_a_rescued_failure_is_kept_with_its_story() -> None:
    told = default({"n": "${error.attempt}", "why": "${error.message}"})
    job = Talk(graph(step("a", retry=2, on_error=told), step("s", on_error=OnError(Rescue.SKIP)), step("z")))
    job.tell(TaskFailed, "a", "bad", "once", True, job.now)
    job.tell(RetryDue, "a")
    job.tell(TaskFailed, "a", "bad", "twice", True, job.now, usd=0.5)
    job.tell(TaskFailed, "s", "bad", "it broke", False, job.now)
    state, again = resumed(job.graph, branch_of(job, "z"))

    assert state.results() == {"a": {"n": 2, "why": "twice"}}
    assert state.statuses()["s"] == Status.SKIPPED
    assert again == ["z"]


def test_what_is_done_of_a_map_is_kept_and_the_rest_runs() -> None:
    job = Talk(graph(step("m", each="${inputs.xs}", max_parallel=2), step("z")), xs=[1, 2, 3, 4])
    succeed(job, "m[1]", "z", "m[2]")
    job.tell(TaskFailed, "m[0]", "bad", "it broke", False, job.now)
    state, again = resumed(job.graph, branch_of(job, "z"))

    assert sorted(again) == ["m[0]", "m[3]", "z"]
    assert state.statuses()["m[1]"] == state.statuses()["m[2]"] == Status.SUCCEEDED


def test_a_quorum_that_was_reached_stays_reached() -> None:
    job = Talk(graph(step("m", each="${inputs.xs}", need=Need(2)), step("n", x="${m}"), step("z")), xs=[1, 2, 3])
    succeed(job, "m[2]", "z", "m[0]")
    job.tell(TaskCancelled, "m[1]", job.now)
    succeed(job, "n")
    state, again = resumed(job.graph, branch_of(job, "z"))

    assert state.results() == {"m": ["m[0]!", "m[2]!"], "n": "n!"}
    assert again == ["z"]


def test_answers_events_and_times_are_kept_and_those_of_what_begins_again_are_asked_for_once_more() -> None:
    gates = (
        Step("ok", approve=Approve("Go on?", {})),
        Step("paid", wait=Wait(event="paid")),
        Step("pause", wait=Wait(seconds=5.0)),
        Step("sent", wait=Wait(event="sent")),
    )
    job = Talk(graph(*gates, step("b", after=("ok", "paid", "pause")), Step("sure", approve=Approve("Sure?", {}), after=("b",)), step("z")))
    job.tell(Answered, "ok", True, {}, "Ada")
    job.tell(SignalReceived, "paid", 7)
    job.tell(TimerFired, "pause")
    succeed(job, "b", "z")
    job.tell(Answered, "sure", True, {}, "Ada")
    job.tell(SignalReceived, "sent", 8)
    assert job.state.finished == "succeeded"

    state, again = resumed(job.graph, branch_of(job, "z"))
    assert again == ["z"]
    assert state.results()["paid"] == 7
    state, again = resumed(job.graph, branch_of(job, "paid"))
    assert sorted(state.asking) == ["paid"]
    assert again == []
    assert sorted(state.results()) == ["ok", "pause", "sent", "z"]


def test_an_event_that_came_before_its_step_began_is_still_there_when_that_begins_again() -> None:
    job = Talk(graph(step("a"), Step("paid", wait=Wait(event="paid"), after=("a",))))
    job.tell(SignalReceived, "paid", 7)
    succeed(job, "a")
    assert job.state.finished == "succeeded"

    assert replay(job.graph, branch_of(job, "a").events).signals["paid"]
    assert replay(job.graph, branch_of(job, "paid").events).results()["paid"] == 7


def test_an_event_for_a_step_that_is_kept_does_not_go_to_one_that_begins_again() -> None:
    job = Talk(graph(Step("one", wait=Wait(event="paid")), Step("two", wait=Wait(event="paid"))))
    job.tell(SignalReceived, "paid", 1)
    job.tell(SignalReceived, "paid", 2)
    state, _ = resumed(job.graph, branch_of(job, "one"))

    assert sorted(state.asking) == ["one", "two"], "it waits once more rather than take what was not meant for it"


def test_blocks_and_rounds_are_kept_as_far_as_they_came() -> None:
    rounds = Step("loop", block=Block({"p": step("p"), "q": step("q", x="${p}")}, {"o": Output(expr("${q}"))}), repeat=Repeat(3, delay=1.0))
    job = Talk(graph(rounds, Step("block", block=Block({"r": step("r"), "t": step("t", x="${r}")})), step("z")))
    succeed(job, "loop#0/p", "loop#0/q")
    job.tell(RetryDue, "loop")
    succeed(job, "loop#1/p", "block/r", "z")
    state, again = resumed(job.graph, branch_of(job, "z"))

    assert sorted(again) == ["block/t", "loop#1/q", "z"]
    for task in ("loop#1/q", "block/t"):
        state.handle(TaskSucceeded(10000.0, task, 1, 9999.0))
    assert state.results()["block"] == {"t": 1}


def test_a_block_that_ran_out_of_time_and_was_rescued_stays_so() -> None:
    block = Step("block", block=Block({"r": step("r"), "t": step("t")}), timeout=5.0, on_error=default("late"))
    job = Talk(graph(block, step("z")))
    succeed(job, "block/r")
    job.tell(TimerFired, "block")
    job.tell(TaskCancelled, "block/t", job.now)
    state, again = resumed(job.graph, branch_of(job, "z"))

    assert state.results() == {"block": "late"}
    assert again == ["z"]


def test_what_was_passed_over_stays_so_but_for_what_begins_again() -> None:
    job = Talk(graph(*CHAIN, step("f", after=("d",))))
    job.tell(SkipRequested, "d", branch=True)
    job.tell(TaskCancelled, "d", job.now)
    succeed(job, "a", "b", "c", "e")
    statuses = replay(job.graph, branch_of(job, "c").events).statuses()
    assert (statuses["d"], statuses["f"]) == (Status.SKIPPED, Status.SKIPPED)

    state, again = resumed(job.graph, branch_of(job, "f"))
    assert state.statuses()["d"] == Status.SKIPPED
    assert again == ["f"]


# -------------------------------------------------------------------------------------------------------- what is dangerous


def test_irreversible_tasks_that_will_happen_once_more_are_named() -> None:
    sends = step("send", x="${a}", effect=Effect.IRREVERSIBLE)
    job = Talk(graph(step("a"), sends, step("b", x="${send}")))
    succeed(job, "a")
    assert branch_of(job, "a").repeated == []
    job.tell(TaskStarted, "send", 1)
    assert branch_of(job, "a").repeated == ["send"]
    succeed(job, "send", "b")

    assert branch_of(job, "a").repeated == ["send"]
    assert branch_of(job, "b").repeated == []


@pytest.mark.parametrize("verdict", [False, True])
def test_an_irreversible_task_in_doubt_is_in_doubt_in_the_new_job_too(verdict: bool) -> None:
    job = Talk(graph(step("send", effect=Effect.IRREVERSIBLE), step("z")))
    job.tell(TaskStarted, "send", 1)
    if verdict:
        job.tell(JobResumed)
    succeed(job, "z")
    state, again = resumed(job.graph, branch_of(job, "z"))

    assert state.in_doubt() == ["send"]
    assert again == ["z"]


# ------------------------------------------------------------------------------------------------------------------ budgets


def test_the_budget_counts_what_was_taken_over_and_holds_for_the_rest() -> None:
    job = Talk(graph(step("a"), step("b", x="${a}"), step("c", x="${b}"), budget={"cost": 1.0}))
    job.tell(TaskSucceeded, "a", 1, job.now, usd=0.75)
    job.tell(TaskSucceeded, "b", 1, job.now, usd=0.5)
    assert job.state.finished == "paused"
    job.tell(JobResumed, budget={"cost": 2.0})
    job.tell(TaskSucceeded, "c", 1, job.now, usd=0.5)
    state = replay(job.graph, branch_of(job, "c").events)

    assert state.purse is not None
    assert (state.purse.limits, state.purse.spent["cost"]) == ({"cost": 2.0}, 1.25)
    assert state.statuses()["c"] == Status.RUNNING
    assert replay(job.graph, branch_of(job, "b").events).purse.spent["cost"] == 0.75  # type: ignore[union-attr]


def test_the_time_of_a_budget_begins_anew() -> None:
    job = Talk(graph(step("a"), step("b", x="${a}"), budget={"time": 60.0}))
    succeed(job, "a")
    state, again = resumed(job.graph, branch_of(job, "b"))

    assert state.purse is not None
    assert state.purse.spent["time"] < 60.0, "the old job may have ended long ago"
    assert again == ["b"]


# --------------------------------------------------------------------------------------------------------- whatever happens


def root_of(task: str) -> str:
    return path_of(task).partition("/")[0]


def check(old: JobState, before: str, now: float, seed: int) -> None:
    """Hold the branch of a random job to what is promised."""
    again = steps_after(old.graph, before)
    branch = branched(old.graph, old.heard, before, job="old", now=now)
    assert not [event for event in branch.events if root_of(getattr(event, "task", "")) in again], "nothing is known of what begins again"
    new = replay(old.graph, branch.events)
    if not any(root_of(failure.task) in again for failure in new.failures) and not _unheard(old, new, again):
        resumed = isinstance(branch.events[-1], JobResumed)
        _compare(replay(old.graph, [*old.heard, branch.events[-1]]) if resumed else old, new, again)
    puppet = Puppet(old.graph, Random(seed), is_kind=True, past=branch.events)
    puppet.tell(JobResumed)
    puppet.play(3000)
    assert puppet.state.finished in ("succeeded", "failed")
    assert set(puppet.started) & set(branch.kept) == set(), "what was kept does not run again"


def _unheard(old: JobState, new: JobState, again: frozenset[str]) -> bool:
    """True when an event from outside was not taken over: another task that is kept would have taken it, and waits for it anew."""
    names = [Counter(event.name for event in job.heard if isinstance(event, SignalReceived)) for job in (old, new)]
    kept = {node.name for node in old.graph.every_node() if root_of(node.path) not in again}
    return bool(kept & (names[0] - names[1]).keys())


def _compare(old: JobState, new: JobState, again: frozenset[str]) -> None:
    """Hold what the new job took over to what the old one has."""
    for name, one in old.steps.items():
        if name not in again and one.status in DONE:
            assert (name, new.steps[name].status) == (name, one.status)
            assert new.known[name] == old.known[name]
    done = {task for task, one in old.tasks.items() if one.status is Status.SUCCEEDED and root_of(task) in old.steps}
    kept = {task for task, one in new.tasks.items() if one.status is Status.SUCCEEDED}
    assert {task for task in done if root_of(task) not in again} <= kept


@given(st.integers(0, 2**16))
@pytest.mark.timeout(60)
def test_a_random_job_is_branched_off_from_before_each_of_its_steps(seed: int) -> None:
    puppet = played(seed, seed % 60)
    for before in puppet.state.graph.nodes:
        check(puppet.state, before, puppet.now + 100.0, seed)
