"""Rows and tables: quantities as people read them, one line per step, and honesty about what was not measured."""

import pytest
from rich.console import Console, RenderableType

from murakkab.catalog import Capability, Catalog, Device, ExecutorCard, Parameter
from murakkab.cli.rows import Row, rows_of_steps, total_of
from murakkab.cli.tables import executors_table, jobs_table, joules_text, knob_text, seconds_text, step_name, steps_table, usd_text
from murakkab.plan import Choice
from murakkab.ports import JobSummary
from murakkab.runtime.result import TaskRow

CARD = ExecutorCard("opencv", "object-detection", "Finds objects.")


def text_of(renderable: RenderableType) -> str:
    console = Console(width=160, color_system=None, force_terminal=False)
    with console.capture() as capture:
        console.print(renderable)
    return capture.get()


def task(step: str, index: int, **changes: object) -> TaskRow:
    row = TaskRow(f"{step}[{index}]", step, "succeeded", "opencv", "cpu", 10.0 + index, 12.0 + index, 1, False, 0.25, None)
    return row._replace(**changes)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "-"),
        (0.0, "0 ms"),
        (-0.0001, "0 ms"),
        (0.04, "40 ms"),
        (0.9996, "1.00 s"),
        (1.254, "1.25 s"),
        (59.99, "59.99 s"),
        (125.2, "2 min 05 s"),
        (3720.0, "1 h 02 min"),
        (12_000.0, "3 h 20 min"),
        (1e6, "11 d 13 h"),
    ],
)
def test_durations_are_readable(seconds: float | None, text: str) -> None:
    assert seconds_text(seconds) == text


@pytest.mark.parametrize(("usd", "text"), [(0.0, "$0.00"), (1.5, "$1.50"), (0.000125, "$0.000125"), (0.0004, "$0.0004")])
def test_small_prices_keep_their_digits(usd: float, text: str) -> None:
    assert usd_text(usd) == text


def test_energy_that_was_not_measured_is_never_zero() -> None:
    assert joules_text(None, 0, 3) == "not measured"
    assert joules_text(0.0, 3, 3) == "0.0 J"


def test_energy_measured_in_part_says_so() -> None:
    assert joules_text(12.0, 2, 5) == "12.0 J (2 of 5 measured)"


def test_the_tasks_of_a_map_are_one_row_over_their_whole_span() -> None:
    tasks = [task("frames", 0), task("frames", 1, cached=True), task("frames", 2, status="failed", usd=0.0)]
    (row,) = rows_of_steps(tasks, {"frames": Choice("frames", CARD)}, begin=9.0)
    assert row == Row("frames", "opencv", "cpu", 2, 3, 1, 1.0, 4.0, None, 0, 0.5, failed=1)


def test_a_step_that_never_ran_has_its_chosen_executor_and_no_figures() -> None:
    (row,) = rows_of_steps([], {"frames": Choice("frames", CARD)}, begin=0.0)
    assert (row.executor, row.device, row.start, row.seconds, row.done) == ("opencv", "cpu", None, None, 0)


def test_a_fallback_shows_both_executors() -> None:
    tasks = [task("frames", 0, status="failed"), task("frames", 0, executor="other")]
    (row,) = rows_of_steps(tasks, {"frames": Choice("frames", CARD)}, begin=0.0)
    assert row.executor == "opencv, other"


def test_the_rows_add_up_to_the_total() -> None:
    tasks = [task("a", 0, joules=1.5), task("a", 1), task("b", 0, joules=2.0)]
    rows = rows_of_steps(tasks, {}, begin=0.0)
    total = total_of(rows, seconds=7.0)
    assert (total.done, total.usd, total.joules, total.metered, total.seconds) == (3, 0.75, 3.5, 2, 7.0)


def test_the_total_of_nothing_measured_is_not_measured() -> None:
    assert total_of(rows_of_steps([task("a", 0)], {}, begin=0.0), seconds=1.0).joules is None


def test_the_table_has_a_line_per_step_and_a_total() -> None:
    rows = rows_of_steps([task("frames", 0), task("frames", 1)], {"frames": Choice("frames", CARD)}, begin=10.0)
    lines = text_of(steps_table(rows, total_of(rows, seconds=3.0), {"frames": "succeeded"})).splitlines()
    (frames,) = (line for line in lines if line.strip().startswith("frames"))
    (total,) = (line for line in lines if line.strip().startswith("total"))
    assert frames.split() == ["frames", "opencv", "cpu", "2", "+0", "ms", "3.00", "s", "$0.50", "succeeded"]
    assert total.split() == ["total", "2", "-", "3.00", "s", "$0.50"]
    assert lines[-1].strip() == "energy: not measured"


def test_energy_and_tokens_have_a_column_where_there_are_any() -> None:
    rows = rows_of_steps([task("frames", 0, joules=4.0, tokens=1200), task("frames", 1)], {}, begin=10.0)
    lines = text_of(steps_table(rows, total_of(rows, seconds=3.0), {})).splitlines()
    assert lines[1].split() == ["step", "executor", "device", "tasks", "start", "duration", "cost", "energy", "tokens", "status"]
    (frames,) = (line for line in lines if line.strip().startswith("frames"))
    assert "4.0 J (1 of 2 measured)" in frames
    assert "1,200" in frames


@pytest.mark.parametrize(
    ("path", "name"),
    [("a", "a"), ("a/b", "  b"), ("a/b/c", "    c"), ("finally/tidy", "finally/tidy"), ("finally/tidy/one", "  one")],
)
def test_a_step_inside_of_another_is_set_in(path: str, name: str) -> None:
    assert step_name(path) == name


def test_a_step_that_no_executor_does_takes_nothing_of_its_own() -> None:
    row = Row("ok", "", "", 1, 1, 0, 1.0, 2.0, None, 0, 0.0, kind="approve")
    (line,) = (line for line in text_of(steps_table([row], total_of([row], seconds=3.0), {})).splitlines() if " ok " in line)
    assert line.split() == ["ok", "a", "person", "1", "+1.00", "s", "2.00", "s"]
    assert total_of([row], seconds=3.0).attempts == 0


def table_of(rows: list[Row], width: int) -> list[str]:
    return text_of(steps_table(rows, total_of(rows, seconds=3.0), {row.step: "succeeded" for row in rows}, width=width)).splitlines()


def test_failed_and_cancelled_attempts_are_counted_apart_and_the_total_sums_the_column() -> None:
    tasks = [*(task("vote", i) for i in range(8)), *(task("vote", i, status="failed") for i in range(5))]
    tasks += [task("vote", i, status="cancelled") for i in range(2)]
    rows = [*rows_of_steps(tasks, {}, begin=10.0), Row("ok", "", "", 2, 3, 0, 1.0, 2.0, None, 0, 0.0, kind="approve", failed=1)]
    lines = table_of(rows, 160)
    assert any("8 (5 failed, 2 cancelled)" in line for line in lines)
    assert any("2 (1 failed)" in line for line in lines)
    (total,) = (line for line in lines if line.strip().startswith("total"))
    assert "10 (6 failed, 2 cancelled)" in total


def test_in_little_room_the_columns_that_matter_least_are_left_out_and_named() -> None:
    rows = rows_of_steps([task("detect-objects", 0), task("detect-objects", 1)], {}, begin=10.0)
    for width in (160, 70, 60, 45, 30):
        lines = table_of(rows, width)
        assert max(len(line.rstrip()) for line in lines[:-1]) <= width, width
        (row,) = (line for line in lines if line.strip().startswith("detect"))
        assert (row.split()[-1], "2" in row.split()) == ("succeeded", True)
    assert lines[1].split() == ["step", "tasks", "status"]
    said = " ".join(" ".join(lines).split())
    assert "not shown, for want of room: device, executor, cost, start, duration" in said


@pytest.mark.parametrize("width", [160, 70, 50, 40])
def test_ids_of_jobs_are_never_cut(width: int) -> None:
    jobs = [JobSummary("3f9a1c2b7d40", "a-workflow-with-a-long-name", "interrupted", 1.0e9, 1.0e9 + 5, 1234)]
    console = Console(width=width, color_system=None, force_terminal=False)
    with console.capture() as capture:
        console.print(jobs_table(jobs, width=width))
    (line,) = (line for line in capture.get().splitlines() if "3f9a1c2b7d40" in line)
    assert "interrupted" in line
    assert len(line.rstrip()) <= width


def test_executors_say_what_is_to_be_installed() -> None:
    catalog = Catalog(
        {"object-detection": Capability("object-detection", "Finds objects.")},
        {"opencv": ExecutorCard("opencv", "object-detection", "Finds objects.", device=Device.CPU, extra="video")},
    )
    assert "pip install 'murakkab[video]'" in text_of(executors_table(catalog, missing={"opencv": "video"}))
    assert "pip install" not in text_of(executors_table(catalog, missing={}))


@pytest.mark.parametrize(
    ("knob", "text"),
    [
        (Parameter("size", default="small", choices=("small", "large")), "size=small of small|large"),
        (Parameter("level", default=0.5, low=0.0, high=1.0), "level=0.5 in 0..1"),
        (Parameter("limit", default=3, low=1), "limit=3 in 1.."),
        (Parameter("plain", default=True), "plain=True"),
    ],
)
def test_a_knob_shows_its_default_and_its_bounds(knob: Parameter, text: str) -> None:
    assert knob_text(knob) == text
