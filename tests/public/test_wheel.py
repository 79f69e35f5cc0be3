"""The wheel holds the three packages, their type markers and the shipped workflows, and nothing else."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.checkout
PACKAGES = {"murakkab", "murakkab_executors", "murakkab_cluster"}


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    out = tmp_path_factory.mktemp("dist")
    root = Path(__file__).resolve().parents[2]
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out)]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (wheel,) = out.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return archive.namelist()


def test_the_top_level_names_are_the_three_packages_and_nothing_else(names: list[str]) -> None:
    top = {name.split("/")[0] for name in names}
    assert {name for name in top if not name.endswith(".dist-info")} == PACKAGES


def test_each_package_says_that_it_is_typed(names: list[str]) -> None:
    assert {f"{package}/py.typed" for package in PACKAGES} <= set(names)


def test_the_workflows_are_shipped_with_their_media(names: list[str]) -> None:
    shipped = {name.removeprefix("murakkab/_shipped/workflows/") for name in names if name.startswith("murakkab/_shipped/")}
    assert {"video_understanding.yaml", "media/cat.mp4", "media/person.mp4", "media/README.md"} <= shipped


def test_every_source_file_is_in_it(names: list[str]) -> None:
    root = Path(__file__).resolve().parents[2]
    wanted = {
        f"{package}/{file.relative_to(folder).as_posix()}"
        for package, folder in {
            "murakkab": root / "murakkab",
            "murakkab_executors": root / "executors/murakkab_executors",
            "murakkab_cluster": root / "cluster/murakkab_cluster",
        }.items()
        for file in folder.rglob("*.py")
    }
    assert wanted <= set(names)


def test_the_figures_are_shipped(names: list[str]) -> None:
    shipped = {name.removeprefix("murakkab_cluster/data/") for name in names if name.startswith("murakkab_cluster/data/")}
    assert shipped == {"devices.yaml", "models.yaml", "prices.yaml", "profiles.json", "executors.json"}


def test_no_test_example_or_cache_slips_in(names: list[str]) -> None:
    assert not [name for name in names if "__pycache__" in name or name.startswith(("tests/", "examples/", "benchmarks/"))]


def test_the_licence_travels_with_it(names: list[str]) -> None:
    assert [name for name in names if name.endswith(".dist-info/licenses/LICENSE")]
