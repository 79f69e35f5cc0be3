"""What `JobState` says to each event, one behaviour at a time."""

import pytest

from murakkab.errors import Failure, InvalidTransition
from murakkab.runtime.messages import (
    CancelRequested,
    CancelTask,
    DeadlinePassed,
    DoubtResolved,
    FinishJob,
    JobResumed,
    RetryDue,
    StartTask,
    TaskCancelled,
    TaskFailed,
    TaskStarted,
    TaskSucceeded,
    WaitDeadline,
    WaitRetry,
)
from murakkab.runtime.records import Status
from murakkab.runtime.transitions import backoff
from murakkab.spec import Effect, Retry
from tests.fakes import FALLBACK, SKIP, Talk, default, graph, started, step


def done(talk: Talk, task: str, value: object = None) -> list[str]:
    """Let a task succeed; return what starts."""
    return started(talk.tell(TaskSucceeded, task, value, talk.now))


def failed(talk: Talk, task: str, *, retryable: bool = True) -> list[object]:
    return list(talk.tell(TaskFailed, task, "broken", "as told", retryable, talk.now))


def finish_of(talk: Talk) -> FinishJob:
    (finish,) = [command for command in talk.last if isinstance(command, FinishJob)]
    return finish


def resumed(talk: Talk) -> Talk:
    """Return the job in the next process: a new state that has heard the same, and that it was resumed."""
    again = Talk.__new__(Talk)
    again.__dict__.update(talk.__dict__)
    again.state = type(talk.state)(talk.graph)
    for event in talk.events:
        again.state.handle(event)
    again.events = list(talk.events)
    again.tell(JobResumed)
    return again


# ------------------------------------------------------------------------------------------------------------------- steps


def test_a_job_without_steps_succeeds_at_once() -> None:
    assert Talk(graph()).last == [FinishJob("succeeded", {})]


def test_a_step_starts_when_its_own_inputs_are_ready_and_not_before() -> None:
    talk = Talk(graph(step("a"), step("b", x="${a}"), step("c"), step("d", x="${b}", y="${c}")))

    assert started(talk.last) == ["a", "c"]
    assert done(talk, "c", 3) == []
    assert done(talk, "a", 1) == ["b"]
    assert talk.last == [StartTask("b", talk.graph.nodes["b"], {"x": 1})]
    assert done(talk, "b", 2) == ["d"]
    assert isinstance(talk.last[0], StartTask)
    assert talk.last[0].inputs == {"x": 2, "y": 3}
    done(talk, "d", 4)
    assert finish_of(talk) == FinishJob("succeeded", {"d": 4})


def test_the_most_critical_step_starts_first() -> None:
    talk = Talk(graph(step("short"), step("a"), step("b", x="${a}"), step("c", x="${b}")))

    assert started(talk.last) == ["a", "short"]


def test_after_is_order_only() -> None:
    talk = Talk(graph(step("a", when="inputs.flag"), step("b", after=("a",))), flag=False)

    assert started(talk.last) == ["b"]
    assert talk.state.statuses()["a"] is Status.SKIPPED


def test_knobs_may_refer_to_values() -> None:
    talk = Talk(graph(step("a"), step("b", knobs={"speed": "${a.speed}"}, after=("a",))))
    done(talk, "a", {"speed": 3})

    (start,) = talk.last
    assert isinstance(start, StartTask)
    assert start.knobs == {"speed": 3}


def test_an_input_that_leads_nowhere_fails_the_step() -> None:
    talk = Talk(graph(step("a"), step("b", x="${a.name[0]}")))
    done(talk, "a", {"other": 1})

    assert finish_of(talk).failures == (Failure("b", "bad-reference", "there is no field 'name'; there is other"),)


# ---------------------------------------------------------------------------------------------------------------- skipping


def test_what_needs_something_skipped_is_skipped_and_says_why() -> None:
    talk = Talk(graph(step("a", when="inputs.flag"), step("b", x="${a}"), step("c", x="${b}")), flag=False)

    assert finish_of(talk) == FinishJob("succeeded", {"c": None})
    assert talk.state.story("a") == ["1.000 a skipped: when: inputs.flag is false"]
    assert talk.state.story("b") == ["1.000 b skipped: a was skipped"]
    assert talk.state.story("c") == ["1.000 c skipped: b was skipped"]


def test_first_takes_the_first_that_was_not_skipped() -> None:
    steps = [step("a", when="inputs.flag"), step("b", when="!inputs.flag"), step("c", x={"$first": ["${a}", "${b}"]})]
    talk = Talk(graph(*steps), flag=False)

    assert done(talk, "b", 5) == ["c"]
    assert isinstance(talk.last[0], StartTask)
    assert talk.last[0].inputs == {"x": 5}


def test_first_of_nothing_but_skipped_steps_skips() -> None:
    talk = Talk(graph(step("a", when="inputs.flag"), step("c", x={"$first": ["${a}", "${a.x}"]})), flag=False)

    assert talk.state.statuses()["c"] is Status.SKIPPED
    assert finish_of(talk).status == "succeeded"


def test_a_condition_sees_results_and_one_that_cannot_be_decided_fails_the_step() -> None:
    talk = Talk(graph(step("a"), step("b", when="a.size > 2"), step("c", when="a.nothing > 2")))
    done(talk, "a", {"size": 3})

    assert talk.state.statuses()["c"] is Status.FAILED
    assert finish_of(talk).failures[0].reason == "bad-condition"


def test_an_output_whose_source_was_skipped_fails_the_job_unless_it_is_optional() -> None:
    steps = [step("a", when="inputs.flag")]
    lost = Talk(graph(*steps, outputs={"a": "${a}"}), flag=False)
    spared = Talk(graph(*steps, outputs={"a": "${a}"}, optional=["a"]), flag=False)

    assert finish_of(lost).status == "failed"
    assert finish_of(lost).failures[0].reason == "skipped-output"
    assert finish_of(spared) == FinishJob("succeeded", {"a": None})


def test_an_output_that_leads_nowhere_fails_the_job() -> None:
    talk = Talk(graph(step("a"), outputs={"x": "${a.x}", "y": "${a.y}"}))
    done(talk, "a", {"y": 1})

    assert finish_of(talk) == FinishJob(
        "failed", {"y": 1}, (Failure("", "bad-reference", "output 'x': there is no field 'x'; there is y"),)
    )


def test_ten_thousand_skipped_steps_in_a_row_need_no_stack() -> None:
    chain = [step("s0", when="inputs.flag"), *(step(f"s{i}", x=f"${{s{i - 1}}}") for i in range(1, 10_000))]
    talk = Talk(graph(*chain), flag=False)

    assert finish_of(talk).status == "succeeded"
    assert set(talk.state.statuses().values()) == {Status.SKIPPED}


# -------------------------------------------------------------------------------------------------------------------- maps


def test_a_map_runs_a_task_per_element_and_keeps_their_order() -> None:
    talk = Talk(graph(step("a", each="${inputs.xs}", x="${item}"), step("b", all="${a}")), xs=["p", "q", "r"])

    assert started(talk.last) == ["a[0]", "a[1]", "a[2]"]
    done(talk, "a[2]", "R")
    done(talk, "a[0]", "P")
    assert done(talk, "a[1]", "Q") == ["b"]
    assert isinstance(talk.last[0], StartTask)
    assert talk.last[0].inputs == {"all": ["P", "Q", "R"]}


def test_an_empty_list_is_an_empty_result_also_in_a_chain() -> None:
    maps = [step("m0", each="${inputs.xs}"), *(step(f"m{i}", each=f"${{m{i - 1}[*][*]}}") for i in range(1, 200))]
    talk = Talk(graph(*maps, step("last", x="${m199}")), xs=[])

    assert started(talk.last) == ["last"]
    assert talk.state.results()["m199"] == []


def test_nested_loops_nest_the_result_and_keep_empty_branches() -> None:
    talk = Talk(graph(step("a", each={"row": "${inputs.xs}", "cell": "${row}"}, x="${cell}")), xs=[[1, 2], [], [3]])

    assert started(talk.last) == ["a[0][0]", "a[0][1]", "a[2][0]"]
    for task in ("a[2][0]", "a[0][1]", "a[0][0]"):
        done(talk, task, task)
    assert finish_of(talk).outputs == {"a": [["a[0][0]", "a[0][1]"], [], ["a[2][0]"]]}


def test_three_levels_of_nothing() -> None:
    talk = Talk(graph(step("a", each={"x": "${inputs.xs}", "y": "${x}", "z": "${y}"})), xs=[[], [[], []]])

    assert finish_of(talk).outputs == {"a": [[], [[], []]]}


def test_max_parallel_lets_the_next_one_start_when_one_has_settled() -> None:
    talk = Talk(graph(step("a", each="${inputs.xs}", max_parallel=2, retry=2)), xs=[0, 1, 2, 3])

    assert started(talk.last) == ["a[0]", "a[1]"]
    assert talk.state.story("a[3]") == ["a[3] waits for a place: at most 2 tasks of a run at once"]
    assert failed(talk, "a[0]") == [WaitRetry("a[0]", 0.0)]
    assert done(talk, "a[1]") == ["a[2]"]
    assert started(talk.tell(RetryDue, "a[0]")) == ["a[0]"]


def test_a_map_over_a_map_starts_per_element_before_the_list_is_complete() -> None:
    talk = Talk(graph(step("a", each="${inputs.xs}"), step("b", each="${a[*][*]}", x="${item}")), xs=[1, 2])

    assert done(talk, "a[1]", ["p", "q"]) == ["b[1.0]", "b[1.1]"]
    assert done(talk, "b[1.1]", "Q") == []
    assert done(talk, "a[0]", []) == []
    done(talk, "b[1.0]", "P")
    assert finish_of(talk).outputs == {"b": ["P", "Q"]}


def test_max_parallel_holds_for_elements_that_arrive_one_by_one() -> None:
    talk = Talk(graph(step("a", each="${inputs.xs}"), step("b", each="${a}", max_parallel=1)), xs=[0, 1, 2])

    assert done(talk, "a[0]") == ["b[0]"]
    assert done(talk, "b[0]") == []
    assert done(talk, "a[1]") == ["b[1]"]
    assert done(talk, "a[2]") == []
    assert done(talk, "b[1]") == ["b[2]"]


def test_a_streamed_result_may_itself_be_the_element() -> None:
    talk = Talk(graph(step("a", each="${inputs.xs}"), step("b", each="${a}", x="${item.n}")), xs=[1, 2])

    assert done(talk, "a[1]", {"n": 7}) == ["b[1]"]
    assert isinstance(talk.last[0], StartTask)
    assert talk.last[0].inputs == {"x": 7}


def test_a_streaming_map_that_needs_the_whole_list_too_waits_for_it() -> None:
    talk = Talk(graph(step("a", each="${inputs.xs}"), step("b", each="${a}", x="${item}", all="${a}")), xs=[1, 2])

    assert done(talk, "a[1]", 2) == []
    assert done(talk, "a[0]", 1) == ["b[0]", "b[1]"] or started(talk.last) == ["b[1]", "b[0]"]
    assert {command.inputs["x"] for command in talk.last if isinstance(command, StartTask)} == {1, 2}


def test_a_stream_of_something_skipped_is_skipped() -> None:
    steps = [step("z", when="inputs.flag"), step("a", each="${z}"), step("b", each="${a}"), step("c", x="${b}")]
    talk = Talk(graph(*steps), flag=False)

    assert talk.state.statuses() == dict.fromkeys("zabc", Status.SKIPPED)
    assert talk.state.story("b") == ["1.000 b skipped: a was skipped"]


def test_failed_elements_under_skip_are_left_out() -> None:
    talk = Talk(graph(step("a", each="${inputs.xs}", on_error=SKIP), step("b", each="${a}")), xs=[1, 2, 3])
    done(talk, "a[0]", "x")
    failed(talk, "a[1]")
    assert done(talk, "a[2]", "z") == ["b[2]"]
    done(talk, "b[2]", "Z")
    done(talk, "b[0]", "X")

    assert finish_of(talk).outputs == {"b": ["X", "Z"]}


def test_a_map_over_what_is_no_list_fails_the_job_and_can_be_resumed() -> None:
    talk = Talk(graph(step("a"), step("c"), step("b", each="${a}")))
    done(talk, "a", 5)
    assert talk.last == [CancelTask("c")]
    talk.tell(TaskCancelled, "c", talk.now)

    assert finish_of(talk).failures == (Failure("b", "bad-reference", "for_each: a list is needed; ${a} is int"),)
    assert talk.state.statuses()["b"] == "failed"
    talk = resumed(talk)
    assert finish_of(talk).status == "failed"


def test_what_would_start_in_the_moment_the_job_fails_does_not() -> None:
    talk = Talk(graph(step("a"), step("b", each="${inputs.flag}")), flag=True)

    assert finish_of(talk).status == "failed"
    assert started(talk.last) == []
    assert not [command for command in talk.last if isinstance(command, CancelTask)]


def test_a_condition_of_a_map_is_asked_per_element() -> None:
    talk = Talk(graph(step("a", each="${inputs.xs}", when="item > 1")), xs=[1, 2, 3])

    assert started(talk.last) == ["a[1]", "a[2]"]
    done(talk, "a[1]", "b")
    done(talk, "a[2]", "c")
    assert finish_of(talk).outputs == {"a": ["b", "c"]}


# ---------------------------------------------------------------------------------------------------------------- failures


def test_a_failure_that_a_retry_can_help_is_tried_again_after_the_wait() -> None:
    talk = Talk(graph(step("a", retry=3)))

    assert failed(talk, "a") == [WaitRetry("a", 0.0)]
    talk.tell(RetryDue, "a")
    assert talk.last == [StartTask("a", talk.graph.nodes["a"], {}, attempt=2)]
    failed(talk, "a")
    talk.tell(RetryDue, "a")
    failed(talk, "a")
    assert finish_of(talk).failures == (Failure("a", "broken", "as told", 3),)


def test_a_failure_that_no_retry_can_help_is_not_tried_again() -> None:
    talk = Talk(graph(step("a", retry=3)))
    failed(talk, "a", retryable=False)

    assert finish_of(talk) == FinishJob("failed", {}, (Failure("a", "broken", "as told", 1),))


def test_a_failure_stops_what_runs_and_settles_what_waits() -> None:
    talk = Talk(graph(step("a"), step("b"), step("c", x="${a}"), step("d", x="${c}", y="${b}")))

    assert failed(talk, "a") == [CancelTask("b")]
    assert done(talk, "b", 2) == []
    assert finish_of(talk).status == "failed"
    assert talk.state.statuses() == {"a": Status.FAILED, "b": Status.SUCCEEDED, "c": Status.CANCELLED, "d": Status.CANCELLED}


def test_on_error_skip_skips_its_consumers() -> None:
    talk = Talk(graph(step("a", on_error=SKIP), step("b", x="${a}")))
    failed(talk, "a")

    assert finish_of(talk) == FinishJob("succeeded", {"b": None})


def test_on_error_default_is_its_value() -> None:
    talk = Talk(graph(step("z"), step("a", on_error=default(["${z}", 1])), step("b", x="${a}")))
    failed_before = started(talk.last)
    assert failed_before == ["z"]
    assert done(talk, "z", 9) == ["a"]
    failed(talk, "a")

    assert started(talk.last) == ["b"]
    assert isinstance(talk.last[0], StartTask)
    assert talk.last[0].inputs == {"x": [9, 1]}


def test_a_default_that_was_skipped_fails_the_step() -> None:
    talk = Talk(graph(step("z", when="inputs.flag"), step("a", on_error=default("${z}"))), flag=False)
    failed(talk, "a")

    assert finish_of(talk).failures[0].message == "on_error.default: ${z}"


def test_on_error_fallback_tries_the_other_executor_once() -> None:
    talk = Talk(graph(step("a", retry=2, on_error=FALLBACK)))
    failed(talk, "a")
    talk.tell(RetryDue, "a")
    failed(talk, "a")

    assert talk.last == [StartTask("a", talk.graph.nodes["a"], {}, attempt=3, executor="other")]
    failed(talk, "a")
    assert finish_of(talk).failures == (Failure("a", "broken", "as told", 3),)


def test_a_failure_inside_a_map_stops_the_others() -> None:
    talk = Talk(graph(step("a", each="${inputs.xs}", max_parallel=2)), xs=[0, 1, 2, 3])

    assert failed(talk, "a[0]") == [CancelTask("a[1]")]
    assert talk.tell(TaskCancelled, "a[1]", talk.now) == [FinishJob("failed", {}, (Failure("a[0]", "broken", "as told", 1),))]


def test_a_wait_that_ends_after_the_job_began_to_end_starts_nothing() -> None:
    talk = Talk(graph(step("a", retry=2), step("b"), step("c")))
    failed(talk, "a")
    failed(talk, "b")

    assert talk.tell(RetryDue, "a") == []
    talk.tell(TaskCancelled, "c", talk.now)
    assert finish_of(talk).status == "failed"


@pytest.mark.parametrize("attempt", [1, 2, 3, 10, 1000])
def test_waits_grow_up_to_a_bound_and_are_the_same_on_replay(attempt: int) -> None:
    retry = Retry(attempts=1000, delay=0.5, backoff=100.0, max_delay=60.0, jitter=0.1)
    wait = backoff(retry, attempt, "a")

    assert wait == backoff(retry, attempt, "a")
    assert wait == pytest.approx(min(60.0, 0.5 * 100.0 ** min(attempt - 1, 9)), rel=0.1)


def test_waits_are_spread() -> None:
    assert len({backoff(Retry(delay=1.0, jitter=0.5), 1, f"a[{i}]") for i in range(100)}) == 100


# --------------------------------------------------------------------------------------------------- cancelling, deadlines


def test_cancelling_stops_what_runs_and_starts_nothing_more() -> None:
    talk = Talk(graph(step("a"), step("b", x="${a}")))

    assert talk.tell(CancelRequested, "enough") == [CancelTask("a")]
    assert talk.tell(CancelRequested) == []
    assert talk.tell(TaskCancelled, "a", talk.now) == [FinishJob("cancelled", {})]
    assert talk.state.statuses() == {"a": Status.CANCELLED, "b": Status.CANCELLED}


def test_cancelling_while_everything_waits_for_a_retry_ends_the_job() -> None:
    talk = Talk(graph(step("a", retry=2)))
    failed(talk, "a")

    assert talk.tell(CancelRequested) == [FinishJob("cancelled", {})]


def test_a_deadline_fails_the_job() -> None:
    talk = Talk(graph(step("a"), timeout=30.0))

    assert talk.last[0] == WaitDeadline(30.0)
    assert talk.tell(DeadlinePassed) == [CancelTask("a")]
    talk.tell(TaskCancelled, "a", talk.now)
    assert finish_of(talk).failures == (Failure("", "deadline", "the job did not finish within 30 s"),)


def test_a_deadline_is_no_second_end() -> None:
    talk = Talk(graph(step("a"), timeout=30.0))
    talk.tell(CancelRequested)

    assert talk.tell(DeadlinePassed) == []
    talk.tell(TaskCancelled, "a", talk.now)
    assert finish_of(talk) == FinishJob("cancelled", {})


# ---------------------------------------------------------------------------------------------------------------- resuming


def test_what_succeeded_is_not_run_again() -> None:
    talk = Talk(graph(step("a"), step("b"), step("c", x="${a}", y="${b}")))
    done(talk, "a", 1)
    talk = resumed(talk)

    assert started(talk.last) == ["b"]
    assert done(talk, "b", 2) == ["c"]
    done(talk, "c", 3)
    assert finish_of(talk).outputs == {"c": 3}


def test_what_failed_gets_a_new_round_of_attempts() -> None:
    talk = Talk(graph(step("a", retry=2, on_error=FALLBACK), step("b", x="${a}")))
    failed(talk, "a", retryable=False)
    failed(talk, "a")
    assert finish_of(talk).status == "failed"
    talk = resumed(talk)

    assert talk.last == [StartTask("a", talk.graph.nodes["a"], {})]
    assert done(talk, "a", 1) == ["b"]


def test_what_waited_for_a_retry_goes_on_with_the_next_attempt() -> None:
    talk = Talk(graph(step("a", retry=3)))
    failed(talk, "a")
    talk = resumed(talk)

    assert talk.last == [StartTask("a", talk.graph.nodes["a"], {}, attempt=2)]


def test_what_waited_for_a_retry_when_the_job_was_cancelled_does_so_too() -> None:
    talk = Talk(graph(step("a", retry=3)))
    failed(talk, "a")
    talk.tell(CancelRequested)
    talk = resumed(talk)

    assert talk.last == [StartTask("a", talk.graph.nodes["a"], {}, attempt=2)]


def test_an_attempt_that_failed_while_the_job_was_ending_is_not_counted_twice() -> None:
    talk = Talk(graph(step("a", retry=3), step("b")))
    talk.tell(CancelRequested)
    failed(talk, "a")
    talk.tell(TaskCancelled, "b", talk.now)
    talk = resumed(talk)

    assert [(c.task, c.attempt) for c in talk.last if isinstance(c, StartTask)] == [("a", 2), ("b", 1)]


def test_a_lost_attempt_is_repeated_under_its_number() -> None:
    talk = Talk(graph(step("a", retry=3)))
    failed(talk, "a")
    talk.tell(RetryDue, "a")
    talk = resumed(talk)

    assert talk.last == [StartTask("a", talk.graph.nodes["a"], {}, attempt=2)]


def test_a_cancelled_job_goes_on_where_it_was_also_within_maps() -> None:
    talk = Talk(graph(step("a", each="${inputs.xs}", max_parallel=1), step("b", each="${a}")), xs=[0, 1, 2])
    assert done(talk, "a[0]", "x") == ["b[0]", "a[1]"] or sorted(started(talk.last)) == ["a[1]", "b[0]"]
    talk.tell(CancelRequested)
    talk.tell(TaskCancelled, "a[1]", talk.now)
    done(talk, "b[0]", "X")
    assert finish_of(talk).status == "cancelled"
    talk = resumed(talk)

    assert started(talk.last) == ["a[1]"]
    assert sorted(done(talk, "a[1]", "y")) == ["a[2]", "b[1]"]


def test_elements_that_arrived_while_the_job_was_ending_are_not_lost() -> None:
    talk = Talk(graph(step("a", each="${inputs.xs}"), step("b", each="${a}", x="${item}")), xs=[0, 1])
    talk.tell(CancelRequested)
    assert done(talk, "a[0]", "x") == []
    done(talk, "a[1]", "y")
    assert finish_of(talk).status == "cancelled"
    talk = resumed(talk)

    assert started(talk.last) == ["b[0]", "b[1]"]


def test_a_deadline_counts_anew_from_the_resume() -> None:
    talk = resumed(Talk(graph(step("a"), timeout=30.0)))

    assert talk.last[0] == WaitDeadline(30.0)


def test_a_job_that_was_killed_after_its_last_step_finishes_without_running_anything() -> None:
    talk = Talk(graph(step("a")))
    done(talk, "a", 1)
    talk = resumed(talk)

    assert talk.last == [FinishJob("succeeded", {"a": 1})]


# ------------------------------------------------------------------------------------------------------------------- doubt

PAY = step("pay", effect=Effect.IRREVERSIBLE, x="${a}")


def paying() -> Talk:
    talk = Talk(graph(step("a"), PAY, step("c", x="${pay}")))
    done(talk, "a", 1)
    talk.tell(TaskStarted, "pay", 1)
    return talk


def test_an_irreversible_task_in_flight_at_a_crash_is_held() -> None:
    talk = resumed(paying())

    assert finish_of(talk) == FinishJob("held", {}, (Failure("pay", "in-doubt", "nobody knows whether it happened before the crash"),))
    assert talk.state.in_doubt() == ["pay"]
    assert resumed(talk).last == talk.last


def test_one_that_had_not_begun_is_not_in_doubt() -> None:
    talk = Talk(graph(step("a"), PAY))
    done(talk, "a", 1)

    assert started(resumed(talk).last) == ["pay"]


@pytest.mark.parametrize("ending", [(TaskFailed, "pay", "timeout", "", True, 1.0), (TaskFailed, "pay", "bad-result", "", False, 1.0)])
def test_one_that_failed_may_have_happened_all_the_same(ending: tuple[object, ...]) -> None:
    talk = paying()
    talk.tell(*ending)  # type: ignore[arg-type]
    assert finish_of(talk).status == "failed"

    assert finish_of(resumed(talk)).status == "held"


def test_so_may_one_that_was_cancelled() -> None:
    talk = paying()
    talk.tell(CancelRequested)
    talk.tell(TaskCancelled, "pay", talk.now)
    assert finish_of(talk).status == "cancelled"

    assert finish_of(resumed(talk)).status == "held"


def test_other_steps_run_while_one_is_in_doubt() -> None:
    talk = Talk(graph(step("pay", effect=Effect.IRREVERSIBLE), step("b"), step("c", x="${b}")))
    talk.tell(TaskStarted, "pay", 1)
    talk = resumed(talk)

    assert started(talk.last) == ["b"]
    done(talk, "b")
    done(talk, "c")
    assert finish_of(talk).status == "held"


def test_the_verdict_done_is_the_result() -> None:
    talk = resumed(paying())
    assert talk.tell(DoubtResolved, "pay", "done", "paid") == []
    talk = resumed(talk)

    assert talk.last == [StartTask("c", talk.graph.nodes["c"], {"x": "paid"})]


def test_the_verdict_retry_runs_it_again() -> None:
    talk = resumed(paying())
    assert talk.tell(DoubtResolved, "pay", "retry") == []
    talk = resumed(talk)

    assert started(talk.last) == ["pay"]


def test_a_verdict_starts_and_ends_nothing_even_when_only_retries_are_waited_for() -> None:
    talk = Talk(graph(step("pay", effect=Effect.IRREVERSIBLE), step("b", retry=2)))
    talk.tell(TaskStarted, "pay", 1)
    talk = resumed(talk)
    failed(talk, "b")

    assert talk.tell(DoubtResolved, "pay", "done") == []
    talk = resumed(talk)
    assert started(talk.last) == ["b"]


# ------------------------------------------------------------------------------------------------------------------ stories


def test_a_story_tells_each_change_and_what_is_waited_for() -> None:
    talk = Talk(graph(step("a", retry=2), step("b"), step("c", x="${a}", y="${b}")))
    done(talk, "b")
    failed(talk, "a")
    talk.tell(RetryDue, "a")

    assert talk.state.story("a") == [
        "1.000 a running",
        "3.000 a backoff: attempt 1: broken: as told",
        "4.000 a running",
    ]
    assert talk.state.story("c") == ["c waits for a"]
    assert talk.state.story("nonsense") == ["nonsense: no such task"]


def test_the_story_of_a_map_counts_its_tasks() -> None:
    talk = Talk(graph(step("z"), step("a", each="${inputs.xs}"), step("b", each="${a}", x="${z}")), xs=[0, 1])
    done(talk, "a[1]")

    assert talk.state.story("a") == ["a waits for 1 of 2 tasks"]
    assert talk.state.story("b") == ["b waits for z, a"]
    done(talk, "a[0]")
    assert talk.state.story("a") == ["3.000 a succeeded"]


@pytest.mark.parametrize(
    ("event", "complaint"),
    [
        ((TaskSucceeded, "b", 1, 0.0), "TaskSucceeded for task 'b', which is waiting"),
        ((RetryDue, "a"), "RetryDue for task 'a', which is running"),
        ((TaskSucceeded, "a[3]", 1, 0.0), "TaskSucceeded for task 'a[3]', which does not exist"),
        ((DoubtResolved, "a", "done"), "DoubtResolved for task 'a', which is running"),
    ],
)
def test_an_event_that_cannot_happen_is_refused_with_the_story(event: tuple[object, ...], complaint: str) -> None:
    talk = Talk(graph(step("a"), step("b", x="${a}")))

    with pytest.raises(InvalidTransition) as caught:
        talk.tell(*event)  # type: ignore[arg-type]

    assert caught.value.message == complaint
    assert caught.value.story == tuple(talk.state.story(str(event[1])))
    assert done(talk, "a", 1) == ["b"]


def test_a_task_cannot_end_twice() -> None:
    talk = Talk(graph(step("a"), step("b", x="${a}")))
    done(talk, "a", 1)

    with pytest.raises(InvalidTransition, match="'a', which is succeeded"):
        done(talk, "a", 1)


def test_a_replay_gives_the_same_commands() -> None:
    talk = Talk(graph(step("a", each="${inputs.xs}", retry=2), step("b", each="${a[*][*]}")), xs=[0, 1])
    failed(talk, "a[1]")
    done(talk, "a[0]", [1, 2])
    talk.tell(RetryDue, "a[1]")
    done(talk, "a[1]", [3])
    done(talk, "b[1.0]")

    assert talk.replayed() == talk.commands
