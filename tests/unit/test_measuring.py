"""The parts of measuring: which configurations there are, how data is read, what energy is said to be."""

import json
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from murakkab.catalog import ExecutorCard, Parameter
from murakkab.devices import DeviceKind
from murakkab.errors import InputError, NotFoundError
from murakkab.figures import Source, exactly
from murakkab.measuring.bench import scored_parts
from murakkab.measuring.configurations import MOST, configurations, values_of
from murakkab.measuring.power import Power, Reading
from murakkab.measuring.rows import read_data
from murakkab.this_machine import cpu_seconds, machine
from murakkab.types import parse_type
from murakkab_cluster.energy import NoMeter, ReplayMeter
from murakkab_cluster.gpu_energy import GpuMeter, open_gpu_meter
from tests.fakes import FakeClock

# ---------------------------------------------------------------------------------------------------------- configurations


def knob(name: str, kind: str, default: Any, **more: Any) -> Parameter:
    made = Parameter(name, parse_type(kind), default, required=False, **more)
    # Where knobs say whether they may be turned, these may.
    return replace(made, tunable=True) if hasattr(made, "tunable") else made


@pytest.mark.parametrize(
    ("one", "values"),
    [
        (knob("k", "str", "b", choices=("a", "b", "c")), ["b", "a", "c"]),
        (knob("k", "bool", True), [True, False]),
        (knob("k", "float", 0.2, low=0.0, high=1.0), [0.2, 0.0, 0.5, 1.0]),
        (knob("k", "int", 5, low=1, high=10), [5, 1, 6, 10]),
        (knob("k", "float", 1.0, low=0.001, high=10.0), [1.0, 0.001, 0.1, 10.0]),
        (knob("k", "str", "any"), ["any"]),
    ],
)
def test_the_values_of_a_knob_begin_with_its_default(one: Parameter, values: list[Any]) -> None:
    assert values_of(one) == pytest.approx(values) if isinstance(values[0], float) else values_of(one) == values


@given(st.lists(st.integers(1, 4), max_size=5))
def test_configurations_begin_with_the_default_and_are_all_different(sizes: list[int]) -> None:
    knobs = tuple(knob(f"k{n}", "int", 0, choices=tuple(range(size))) for n, size in enumerate(sizes))
    found = configurations(ExecutorCard("x", "work", "", knobs))
    assert found[0] == dict.fromkeys((one.name for one in knobs), 0)
    assert len({json.dumps(one) for one in found}) == len(found)
    assert len(found) <= max(MOST, 1 + sum(size - 1 for size in sizes))
    for one in knobs:
        assert {chosen[one.name] for chosen in found} == set(one.choices)


# --------------------------------------------------------------------------------------------------------------------- data

TYPES = {"text": parse_type("str"), "count": parse_type("int"), "clip": parse_type("{source: file, start: float}?")}
NEEDED = frozenset({"text"})


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.json", "rows.yaml"])
def test_rows_are_read_from_every_form(name: str, tmp_path: Path) -> None:
    rows = [{"inputs": {"text": "a", "count": 2}, "label": "b"}, {"text": "c"}]
    text = "\n".join(map(json.dumps, rows)) if name.endswith("l") and "json" in name else json.dumps(rows)
    (tmp_path / name).write_text(text)

    data = read_data(tmp_path / name, TYPES, NEEDED)

    assert [(dict(row.inputs), row.label) for row in data.rows] == [({"text": "a", "count": 2}, "b"), ({"text": "c"}, None)]
    assert data.is_labelled


def test_a_folder_has_the_rows_of_all_its_files(tmp_path: Path) -> None:
    (tmp_path / "b.json").write_text('{"inputs": {"text": "2"}}')
    (tmp_path / "a.yaml").write_text("- inputs: {text: '1'}\n")
    (tmp_path / "README.md").write_text("no rows")
    assert [row.inputs["text"] for row in read_data(tmp_path, TYPES, NEEDED).rows] == ["1", "2"]


def test_files_are_relative_to_the_data_and_count_by_their_content(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a.wav").write_bytes(b"sound")
    (tmp_path / "sub" / "rows.json").write_text('[{"inputs": {"text": "x", "clip": {"source": "a.wav", "start": 0}}}]')

    first = read_data(tmp_path / "sub" / "rows.json", TYPES, NEEDED)
    assert first.rows[0].inputs["clip"]["source"]["uri"] == (tmp_path / "sub" / "a.wav").as_uri()
    (tmp_path / "sub" / "a.wav").write_bytes(b"other")
    assert read_data(tmp_path / "sub" / "rows.json", TYPES, NEEDED).digest != first.digest


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "rows.jsonl cannot be read"),
        ("", "there are no rows"),
        ('{"inputs": {}}', "the input 'text' is missing"),
        ('{"inputs": {"text": 1}}', "input 'text'"),
        ('{"inputs": {"text": "a", "txt": "b"}}', "there is no input 'txt'"),
        ("[1]", "a row is an object"),
        ('{"inputs": [1]}', "inputs is an object"),
        ('{"inputs": {"text": "a", "clip": {"source": "gone.wav", "start": 0}}}', "gone.wav does not exist"),
    ],
)
def test_mistakes_in_the_data_are_told_with_their_place(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text(text)
    with pytest.raises(InputError, match=said):
        read_data(tmp_path / "rows.jsonl", TYPES, NEEDED)
    with pytest.raises(NotFoundError):
        read_data(tmp_path / "none.jsonl", TYPES, NEEDED)


@pytest.mark.parametrize(
    ("label", "scored"),
    [
        ("x", (1, "x")),
        (["x"], (1, ["x"])),
        ({"b": 5}, (2, 5)),
        ({"a": 0, "b": 5}, ({"a": 1, "b": 2}, {"a": 0, "b": 5})),
        ({"z": 1}, (1, {"z": 1})),
    ],
)
def test_a_label_says_which_outputs_of_a_workflow_it_is_about(label: Any, scored: tuple[Any, Any]) -> None:
    assert scored_parts({"a": 1, "b": 2}, label) == scored


def test_only_knobs_that_trade_are_turned_where_that_is_asked_for() -> None:
    knobs = knob("fixed", "int", 1, choices=(1, 2)), replace(knob("free", "int", 1, choices=(1, 2)), trades=True)
    found = configurations(ExecutorCard("x", "work", "", knobs), only_trades=True)
    assert found == [{"fixed": 1, "free": 1}, {"fixed": 1, "free": 2}]


# ------------------------------------------------------------------------------------------------------------------- energy

CORE = DeviceKind("cpu", idle_watts=exactly(1.0), peak_watts=exactly(5.0))


def test_without_a_meter_energy_is_modelled_from_cpu_seconds() -> None:
    power = Power(FakeClock(), NoMeter(), NoMeter(), CORE, overhead={1: 0.9, 2: 0.5})
    used = power.used(Reading(0.0, 10.0, None, None), Reading(4.0, 14.0, None, None), tasks=2)
    assert (used.cpu_seconds, used.joules, used.source) == (1.5, 6.0, Source.MODELLED)


def test_a_meter_counts_what_is_above_the_machine_at_rest() -> None:
    power = Power(FakeClock(), ReplayMeter([0.0]), NoMeter(), CORE, base_cpu=10.0, base_gpu=50.0)
    used = power.used(Reading(0.0, 0.0, 100.0, 0.0), Reading(4.0, 1.0, 180.0, 300.0))
    assert (used.joules, used.source) == (80 - 40 + 300 - 200, Source.MEASURED)


def test_a_gpu_that_is_metered_beside_a_cpu_that_is_not_is_no_whole_measurement() -> None:
    power = Power(FakeClock(), NoMeter(), ReplayMeter([0.0]), CORE)
    used = power.used(Reading(0.0, 0.0, None, 0.0), Reading(1.0, 2.0, None, 7.0))
    assert (used.joules, used.source) == (15.0, Source.MODELLED)


class Gpus:
    """Two GPUs as Zeus shows them."""

    def __init__(self) -> None:
        self.broken = False

    def __len__(self) -> int:
        return 2

    def get_total_energy_consumption(self, index: int) -> int:
        if self.broken:
            raise RuntimeError("GPU is lost")
        return 1500 * (index + 1)


def test_the_energy_of_gpus_is_added_up_in_joules_and_none_for_good_when_one_is_lost() -> None:
    gpus = Gpus()
    meter = GpuMeter(gpus)
    assert meter.read() == 4.5
    gpus.broken = True
    assert meter.read() is None
    gpus.broken = False
    assert meter.read() is None


def test_without_zeus_or_a_gpu_no_gpu_is_metered() -> None:
    assert open_gpu_meter().read() is None or open_gpu_meter().read() >= 0.0  # type: ignore[operator]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere only children that have ended are counted")
def test_the_cpu_seconds_of_children_that_still_run_are_counted() -> None:
    before = cpu_seconds()
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as child:
        try:
            until = time.monotonic() + 10
            while cpu_seconds() - before < 0.2 and time.monotonic() < until:
                time.sleep(0.02)
            used = cpu_seconds() - before
        finally:
            child.kill()
    assert used >= 0.2
    assert "cores" in machine()
