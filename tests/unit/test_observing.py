"""What a job that has ended tells of its executors."""

import logging
from dataclasses import replace
from typing import Any

import pytest

from murakkab.catalog import Needs
from murakkab.errors import BackendError
from murakkab.learning import Learner
from murakkab.observing import observations_of, shape_of, without_startup
from murakkab.plan import Choice, Deployment
from murakkab.profiling.observation import Drift, Observation, Shape, setting_of
from murakkab.runtime.messages import TaskFailed, TaskSucceeded
from murakkab.runtime.result import JobResult
from tests.fakes import FAKE, OTHER, FakeExecutor, expr, graph, runtime, step, work
from tests.profile_stores import MemoryProfileStore


def done(task: str, begin: float, end: float, **more: Any) -> TaskSucceeded:
    return TaskSucceeded(end, task, None, begin, executor=more.pop("executor", "fake"), **more)


def job(*history: Any, **choices: Choice) -> JobResult:
    return JobResult("j", "succeeded", {}, graph=graph(step("a"), step("b")), deployment=Deployment(choices), history=history)


A = Choice("a", FAKE, {"speed": 3})


def test_a_task_is_an_observation_of_its_executor_with_every_knob() -> None:
    (one,) = observations_of(job(done("a", 10.0, 12.5, usd=0.5, joules=4.0, tokens=7, units=2.0), a=A), where="here")

    assert one == Observation(setting_of(FAKE, {"speed": 3}), 12.5, 2.5, units=2.0, joules=4.0, usd=0.5, tokens=7.0, job="j", where="here")
    (plain,) = observations_of(job(done("a", 0.0, 1.0), a=Choice("a", FAKE)))
    assert plain.setting.knobs == (("speed", None),)


def test_what_is_loaded_first_is_taken_off_the_tasks_that_waited_for_it() -> None:
    seen = observations_of(job(*(done("a", begin, end) for begin, end in ((0.0, 5.0), (1.0, 6.0), (5.0, 7.0))), a=A))
    assert [one.seconds for one in without_startup(seen, (), {"fake": 4.0})] == [1.0, 1.0, 2.0]
    assert without_startup(seen, {"fake"}, {"fake": 4.0}) == seen
    assert without_startup(seen, (), {"other": 4.0}) == seen
    # Here it was quicker to load than it is said to be.
    assert [one.seconds for one in without_startup(seen, (), {"fake": 60.0})] == [0.5, 0.5, 2.0]


@pytest.mark.parametrize(
    "event",
    [
        done("a", 0.0, 1.0, cached=True),
        done("a", 0.0, 1.0, executor="other"),
        done("elsewhere", 0.0, 1.0),
        TaskFailed(1.0, "a", "failed", "broken", True, 0.0),
    ],
    ids=["cached", "fallback", "unknown step", "failed"],
)
def test_what_tells_nothing_is_left_out(event: Any) -> None:
    assert observations_of(job(event, a=A)) == []


def test_knobs_that_were_chosen_in_the_job_and_executors_of_anything_tell_nothing() -> None:
    assert observations_of(job(done("a", 0.0, 1.0), a=Choice("a", FAKE, {"speed": expr("${inputs.xs}")}))) == []
    assert observations_of(job(done("a", 0.0, 1.0), a=Choice("a", replace(FAKE, capability="shell")))) == []


@pytest.mark.parametrize(("begins", "loads"), [([0, 10], [1, 1]), ([0, 0], [2, 2]), ([0, 0, 0, 0, 0], [4] * 5), ([0, 9], [1, 1])])
def test_the_load_is_how_many_of_it_ran_at_a_time(begins: list[float], loads: list[int]) -> None:
    found = observations_of(job(*(done(f"a[{n}]", begin, begin + 10) for n, begin in enumerate(begins)), a=A))
    assert [one.setting.load for one in found] == loads


def test_other_executors_are_no_load() -> None:
    found = observations_of(job(done("a", 0, 9), done("b", 0, 9, executor="other"), a=A, b=Choice("b", OTHER)))
    assert [one.setting.load for one in found] == [1, 1]


def test_all_that_take_cores_of_this_machine_are_a_load() -> None:
    mine, its = (replace(card, needs=Needs(cores=1.0)) for card in (FAKE, OTHER))
    found = observations_of(job(done("a", 0, 9), done("b", 0, 9, executor="other"), a=Choice("a", mine), b=Choice("b", its)))
    assert [one.setting.load for one in found] == [2, 2]


def test_a_job_is_remembered_by_what_it_became() -> None:
    history = done("a[0]", 0.0, 1.0, units=2.0), done("a[1]", 0.0, 3.0, units=4.0)
    shape = shape_of(job(*history, a=A))

    assert shape == Shape(graph(step("a")).workflow.name, 3.0, {"a": "fake speed=3"}, {"a": 2.0, "b": 0.0}, {"a": 3.0})
    assert shape_of(replace(job(*history, a=A), status="failed")) is None


# -------------------------------------------------------------------------------------------------------------- the learner


async def test_a_runtime_tells_of_every_job_that_has_ended() -> None:
    heard: list[JobResult] = []
    rt = runtime(FakeExecutor())
    rt._ended = heard.append

    result = await rt.run(work(step("a")), {})

    assert heard == [result]
    assert [one.setting.executor for one in observations_of(result)] == ["fake"]


def test_a_learner_has_learned_from_every_job_when_it_is_closed() -> None:
    store = MemoryProfileStore()
    learner = Learner(lambda: store)
    for number in range(20):
        learner.hear(replace(job(done("a", 0.0, 1.0), a=A), job=f"j{number}"))
    learner.close()

    (profile,) = store.profiles()
    assert profile.of.count == 20


class BusyStore(MemoryProfileStore):
    def learn(self, observations: Any) -> list[Drift]:
        raise BackendError("the disk is full")


def test_a_store_that_fails_breaks_nothing_and_is_told_of(caplog: pytest.LogCaptureFixture) -> None:
    learner = Learner(BusyStore)
    with caplog.at_level(logging.WARNING):
        learner.hear(job(done("a", 0.0, 1.0), a=A))
        learner.close()
    assert "the disk is full" in caplog.text


def test_jobs_without_observations_never_open_the_store() -> None:
    opened: list[int] = []

    def fail() -> MemoryProfileStore:
        opened.append(1)
        return MemoryProfileStore()

    learner = Learner(fail)
    learner.hear(job(a=A))
    learner.close()
    assert opened == []
