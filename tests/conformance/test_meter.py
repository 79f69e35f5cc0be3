"""What every energy meter promises, and how RAPL counters are read, on a made-up tree of files."""

from collections.abc import Callable
from pathlib import Path

import pytest

from murakkab.ports import Meter
from murakkab_cluster.energy import NoMeter, RaplMeter, ReplayMeter, open_meter


def domain(root: Path, folder: str, name: str, *, used: int, wrap: int = 262_143_328_850) -> Path:
    made = root / folder
    made.mkdir(parents=True)
    (made / "name").write_text(f"{name}\n")
    (made / "max_energy_range_uj").write_text(f"{wrap}\n")
    (made / "energy_uj").write_text(f"{used}\n")
    return made / "energy_uj"


METERS: dict[str, Callable[[Path], Meter]] = {
    "rapl": lambda root: domain(root, "intel-rapl:0", "package-0", used=5) and RaplMeter(root),
    "none": lambda root: NoMeter(),
    "replay": lambda root: ReplayMeter([1.0, 2.5]),
    "replay of nothing": lambda root: ReplayMeter([]),
}


@pytest.mark.parametrize("name", METERS)
def test_readings_never_fall_and_none_is_for_good(name: str, tmp_path: Path) -> None:
    meter = METERS[name](tmp_path)

    readings = [meter.read() for _ in range(5)]

    measured = [r for r in readings if r is not None]
    assert measured == sorted(measured)
    assert len(measured) in (0, 5)


def test_packages_are_added_and_parts_of_them_are_not(tmp_path: Path) -> None:
    (tmp_path / "intel-rapl").mkdir()
    first = domain(tmp_path, "intel-rapl:0", "package-0", used=1_000_000)
    second = domain(tmp_path, "intel-rapl:1", "package-1", used=7_000_000)
    others = [
        domain(tmp_path, "intel-rapl:0:0", "core", used=0),
        domain(tmp_path, "intel-rapl:2", "psys", used=0),
        domain(tmp_path, "intel-rapl-mmio:0", "package-0", used=0),
    ]
    meter = RaplMeter(tmp_path)
    assert meter.read() == 0.0
    first.write_text("3500000")
    second.write_text("7250000")
    for other in others:
        other.write_text("99000000")

    assert meter.read() == pytest.approx(2.75)


def test_a_counter_that_goes_round_goes_on(tmp_path: Path) -> None:
    counter = domain(tmp_path, "intel-rapl:0", "package-0", used=9_000_000, wrap=10_000_000)
    meter = RaplMeter(tmp_path)
    counter.write_text("500000")
    assert meter.read() == pytest.approx(1.5)
    counter.write_text("1500000")

    assert meter.read() == pytest.approx(2.5)


def test_a_counter_that_can_no_longer_be_read_is_not_measured_for_good(tmp_path: Path) -> None:
    counter = domain(tmp_path, "intel-rapl:0", "package-0", used=1)
    meter = RaplMeter(tmp_path)
    counter.rename(counter.with_name("away"))
    assert meter.read() is None
    counter.with_name("away").rename(counter)

    assert meter.read() is None


def test_without_counters_nothing_is_measured(tmp_path: Path) -> None:
    assert open_meter(tmp_path / "absent").read() is None
    assert open_meter(tmp_path).read() is None


def test_counters_that_may_not_be_read_are_not_measured(tmp_path: Path) -> None:
    counter = domain(tmp_path, "intel-rapl:0", "package-0", used=1)
    counter.unlink()
    counter.mkdir()  # unreadable for everybody, root too

    assert isinstance(open_meter(tmp_path), NoMeter)


def test_counters_that_can_be_read_are(tmp_path: Path) -> None:
    domain(tmp_path, "intel-rapl:0", "package-0", used=1)

    assert open_meter(tmp_path).read() == 0.0


def test_a_replay_gives_its_readings_and_stays_at_the_last() -> None:
    meter = ReplayMeter([0.0, None, 4.0])

    assert [meter.read() for _ in range(4)] == [0.0, None, 4.0, 4.0]
