"""What was predicted beside what was measured: what a journal keeps of a forecast, the comparison, and how it is shown."""

import io
import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from murakkab.cli.prediction_tables import off_text, predictions
from murakkab.cli.predictions import Pair, compared, predicted_json
from murakkab.figures import Figure, Provenance, Source, exactly
from murakkab.forecasts import forecast_json, with_forecast
from murakkab.plan import Choice, Deployment, Estimate
from murakkab.ports import JobHeader
from murakkab.runtime.codec import decoded_header, encoded_header
from murakkab.runtime.messages import DoubtResolved, JobResumed, JobSubmitted, TaskFailed, TaskSucceeded
from murakkab.runtime.result import JobResult
from murakkab.spec import Goal
from tests.fakes import FAKE, OTHER, graph, step

_NUMBERS = st.floats(0, 1e6, allow_nan=False)
_FIGURES = st.builds(
    lambda low, more, most, of: Figure(low + more, low, low + more + most, of),
    _NUMBERS,
    _NUMBERS,
    _NUMBERS,
    st.builds(Provenance, st.sampled_from(Source), st.text(max_size=9), st.sampled_from(["", "2026-01-31"])),
)
_ESTIMATES = st.builds(Estimate, _FIGURES, _NUMBERS, _FIGURES, st.none() | _FIGURES, st.none() | _FIGURES)
_GOALS = st.builds(
    Goal,
    st.lists(st.sampled_from(["latency", "cost", "energy", "quality"]), unique=True).map(tuple),
    st.dictionaries(st.sampled_from(["latency", "latency_p90", "cost", "energy", "quality"]), _NUMBERS),
    st.sampled_from(["mean", "product"]),
)


def figure(value: float, source: Source = Source.MEASURED) -> Figure:
    return Figure(value, value / 2, value * 2, Provenance(source))


def estimate(seconds: float, joules: float | None = None, quality: float | None = None) -> Estimate:
    known = None if joules is None else figure(joules, Source.MODELLED)
    return Estimate(figure(seconds), seconds * 1.3, exactly(0.0), known, None if quality is None else figure(quality))


def done(task: str, begin: float, end: float, **more: Any) -> TaskSucceeded:
    return TaskSucceeded(end, task, None, begin, executor="fake", **more)


def job(*history: Any, limits: dict[str, float] | None = None, status: str = "succeeded", **choices: Choice) -> JobResult:
    made = Deployment(choices, Goal((), limits or {}), estimate(3.0, 10.0, 0.8))
    return JobResult("j", status, {}, graph=graph(step("a"), step("b")), deployment=made, history=history)


def shown(result: JobResult, width: int = 80) -> str:
    console = Console(file=io.StringIO(), width=width)
    for part in predictions(result, width=width):
        console.print(part)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


# ------------------------------------------------------------------------------------------------------------ written down


@given(st.data())
def test_a_forecast_that_was_written_down_reads_back(data: st.DataObject) -> None:
    choices = {
        path: Choice(path, card, tasks=data.draw(_NUMBERS), estimate=data.draw(_ESTIMATES), model=model, pool="cpu")
        for path, card, model in (("a", FAKE, "m"), ("b/c", OTHER, ""))
    }
    words = st.lists(st.text(max_size=5), max_size=2).map(tuple)
    made = Deployment(choices, data.draw(_GOALS), data.draw(_ESTIMATES), ("a",), "optimal", 0.01, 2.5, data.draw(words))
    bare = Deployment({path: replace(one, tasks=1.0, estimate=None, model="", pool="") for path, one in choices.items()})

    assert with_forecast(bare, json.loads(json.dumps(forecast_json(made), allow_nan=False))) == made


def test_nothing_is_written_of_what_was_not_forecast_and_old_journals_are_read() -> None:
    plain = Deployment({"a": Choice("a", FAKE)})
    old = '{"job":"j","workflow":"d","choices":{"a":"fake"},"inputs":{},"created":1.0,"name":"w"}'

    assert forecast_json(plain) == {}
    assert with_forecast(plain, decoded_header(old, {}).forecast) is plain
    header = JobHeader("j", {}, {}, {}, 1.0)
    assert "forecast" not in encoded_header(header, "d")
    told = header._replace(forecast=forecast_json(job(a=Choice("a", FAKE, estimate=estimate(1.0))).deployment))
    assert decoded_header(encoded_header(told, "d"), {}) == told


def test_a_bound_that_is_no_number_is_left_out() -> None:
    made = Deployment({}, estimate=estimate(1.0), bound=float("-inf"))
    assert with_forecast(Deployment({}), forecast_json(made)) == replace(made, bound=None)


# ---------------------------------------------------------------------------------------------------------------- compared


def test_each_measure_stands_beside_what_was_expected() -> None:
    result = job(
        JobSubmitted(0.0, {}),
        done("a[0]", 0.0, 1.0, joules=2.0),
        done("a[1]", 0.0, 3.0, joules=3.0),
        done("a[2]", 0.0, 2.0, joules=1.0),
        TaskFailed(3.5, "b", "failed", "broken", True, 3.0),
        done("b", 3.5, 6.0, joules=4.0),
        a=Choice("a", FAKE, tasks=2.0, estimate=estimate(2.0, 8.0)),
        b=Choice("b", FAKE, estimate=estimate(0.5)),
        limits={"latency": 6.0, "cost": 1.0, "energy": 1.0, "quality": 0.5},
    )
    found = compared(result)

    assert found is not None
    assert {name: pair.measured for name, pair in found.job.items()} == {"latency": 6.0, "energy": None, "cost": 0.0, "quality": None}
    assert [(one.step, one.expected, one.done, one.seconds.measured) for one in found.steps] == [("a", 2.0, 3, 2.0), ("b", 1.0, 1, 2.5)]
    assert found.steps[0].joules.measured == 6.0
    assert {one.name: one.is_kept for one in found.limits} == {"latency": True, "cost": True, "energy": None, "quality": None}


def test_the_steps_furthest_off_stand_first_and_no_more_than_ten() -> None:
    ends = {f"s{n}": float(n) for n in range(1, 13)}
    history = [done(name, 0.0, end) for name, end in ends.items()]
    result = job(JobSubmitted(0.0, {}), *history, **{name: Choice(name, FAKE, estimate=estimate(1.0)) for name in ends})
    found = compared(result)
    text = shown(result)

    assert found is not None
    assert [one.step for one in found.steps] == [f"s{n}" for n in range(12, 0, -1)]
    assert "2 more steps" in text
    assert " s12 " in text
    assert " s1 " not in text


def test_the_time_in_which_a_job_stood_still_does_not_count() -> None:
    result = job(JobSubmitted(0.0, {}), done("a", 0.0, 2.0), JobResumed(100.0), done("b", 100.0, 101.0), limits={"latency": 4.0})
    held = job(JobSubmitted(0.0, {}), DoubtResolved(50.0, "a", "done", 1), JobResumed(50.0), done("b", 50.0, 51.0))

    for one, seconds in ((result, 3.0), (held, 1.0)):
        found = compared(one)
        assert found is not None
        assert found.job["latency"].measured == seconds


def test_of_a_job_that_failed_the_whole_is_not_measured() -> None:
    result = job(
        JobSubmitted(0.0, {}), done("a", 0.0, 2.0), a=Choice("a", FAKE, estimate=estimate(1.0)), status="failed", limits={"cost": 1}
    )
    data = predicted_json(result)

    assert shown(result) == ""
    assert data is not None
    assert data["job"]["seconds"]["measured"] is None
    assert data["steps"][0]["seconds"]["measured"] == 2.0
    assert data["limits"][0]["kept"] is None


def test_where_nothing_was_forecast_nothing_is_said() -> None:
    result = JobResult("j", "succeeded", {}, graph=graph(step("a")), deployment=Deployment({"a": Choice("a", FAKE)}))

    assert compared(result) is None
    assert predicted_json(result) is None
    assert shown(result) == ""


def test_what_comes_from_the_cache_says_nothing_of_its_step() -> None:
    found = compared(job(JobSubmitted(0.0, {}), done("a", 0.0, 0.0, cached=True), a=Choice("a", FAKE, estimate=estimate(1.0))))

    assert found is not None
    assert (found.steps[0].done, found.steps[0].seconds.measured, found.steps[0].seconds_off) == (0, None, 0.0)


# ------------------------------------------------------------------------------------------------------------------- shown


@pytest.mark.parametrize(
    ("expected", "measured", "text"),
    [(2.0, 3.0, "+50 %"), (2.0, 1.0, "-50 %"), (2.0, 2.0, "+0 %"), (0.1, 2.0, "x 20"), (0.0, 1.0, "-"), (1.0, None, "-"), (None, 1.0, "-")],
)
def test_how_far_off_is_said_in_percent_or_as_a_factor(expected: float | None, measured: float | None, text: str) -> None:
    assert off_text(Pair(None if expected is None else exactly(expected), measured)) == text


@pytest.mark.parametrize("width", [60, 80, 130])
def test_the_tables_fit_the_terminal_and_tell_of_every_limit(width: int) -> None:
    result = job(
        JobSubmitted(0.0, {}),
        done("a", 0.0, 4.0, joules=3.0),
        a=Choice("a", FAKE, estimate=estimate(2.0, 8.0)),
        limits={"latency": 2.0, "energy": 4.0, "quality": 0.5},
    )
    text = shown(replace(result, joules=3.0), width)

    assert max(map(len, text.splitlines())) <= width
    assert "+100 %" in text
    assert "limit latency 2 s: NOT kept, 4 s" in text
    assert "limit energy 4 J: kept, 3 J" in text
    assert "limit quality 0.5: not measured; predicted 0.8" in text
    assert "base power" in text
