"""What a machine has: cores within binding and quota, and GPUs only where a driver tells of them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from murakkab_cluster.machine import nvidia_gpus, usable_cores, visible_gpus

BOUND = float(len(os.sched_getaffinity(0))) if hasattr(os, "sched_getaffinity") else float(os.cpu_count() or 1)


def second(tmp_path: Path, quotas: dict[str, str], member: str) -> float:
    """Return the cores in a tree of control groups of the second version."""
    for folder, quota in quotas.items():
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        (tmp_path / folder / "cpu.max").write_text(quota)
    membership = tmp_path / "membership"
    membership.write_text(f"0::/{member}\n")
    return usable_cores(tmp_path, membership)


@pytest.mark.parametrize(
    ("quotas", "cores"),
    [
        ({"a/b": "max 100000"}, BOUND),
        ({"a/b": "50000 100000"}, 0.5),
        ({"a": "25000 100000", "a/b": "max 100000"}, 0.25),
        ({".": "75000 100000"}, min(BOUND, 0.75)),
        ({"a/b": "90000000 100000"}, BOUND),
        ({"a/b": "nonsense"}, BOUND),
        ({}, BOUND),
    ],
)
def test_the_least_quota_around_a_process_counts(tmp_path: Path, quotas: dict[str, str], cores: float) -> None:
    assert second(tmp_path, quotas, "a/b") == cores


def test_the_first_version_of_control_groups_counts_too(tmp_path: Path) -> None:
    folder = tmp_path / "cpu,cpuacct" / "a"
    folder.mkdir(parents=True)
    (folder / "cpu.cfs_quota_us").write_text("30000\n")
    (folder / "cpu.cfs_period_us").write_text("100000\n")
    membership = tmp_path / "membership"
    membership.write_text("3:memory:/a\n2:cpu,cpuacct:/a\n")
    assert usable_cores(tmp_path, membership) == 0.3
    (folder / "cpu.cfs_quota_us").write_text("-1\n")
    assert usable_cores(tmp_path, membership) == BOUND


def test_here_there_is_at_least_part_of_a_core() -> None:
    assert 0.0 < usable_cores() <= BOUND
    assert usable_cores("/nowhere", "/nowhere") == BOUND


def test_without_a_driver_nothing_is_imported() -> None:
    program = (
        "import sys\nfrom murakkab_cluster.machine import nvidia_gpus\n"
        "found = nvidia_gpus(('/nowhere',))\nprint(found.found, repr(found.remark), 'pynvml' in sys.modules, 'ctypes' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "() '' False False\n"


def test_a_driver_whose_library_is_missing_is_told_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert nvidia_gpus((os.devnull,)).remark.endswith("pip install 'murakkab[nvml]'")


@pytest.mark.skipif(Path("/dev/nvidiactl").exists(), reason="there is a driver")
def test_a_driver_that_does_not_answer_is_told() -> None:
    pytest.importorskip("pynvml")
    found = nvidia_gpus((os.devnull,))
    assert found.found == ()
    assert "does not answer" in found.remark


@pytest.mark.gpu
def test_a_gpu_is_found() -> None:
    found = nvidia_gpus()
    assert found.remark == ""
    assert found.found[0].memory > 1e9


@pytest.mark.parametrize(
    ("allowed", "seen"),
    [(None, [0, 1, 2]), ("", []), ("1", [1]), ("2,0", [2, 0]), ("0,7,1", [0]), ("-1", []), ("GPU-8932f937,GPU-1", [0, 1])],
)
def test_only_gpus_that_cuda_is_allowed_are_seen(allowed: str | None, seen: list[int]) -> None:
    assert visible_gpus(3, {} if allowed is None else {"CUDA_VISIBLE_DEVICES": allowed}) == seen
