"""The crash test in short: jobs are killed at random moments and resumed; `python -m benchmarks.crash` does the same a hundred times."""

from pathlib import Path

import pytest

pytestmark = [pytest.mark.checkout, pytest.mark.timeout(120)]


@pytest.mark.parametrize("seed", [1, 2])
def test_a_killed_job_is_resumed_and_no_step_is_lost_or_completed_twice(tmp_path: Path, seed: int) -> None:
    from benchmarks.crash import crash_test  # not there beside a built wheel

    report = crash_test(3, seed, 100, tmp_path, say=lambda text: None)

    assert report.wrong == []
    assert report.kills == 3
    assert report.executions >= report.jobs * 100


@pytest.mark.parametrize("verdict", ["done", "retry"])
def test_an_irreversible_step_that_was_killed_on_the_way_is_held_until_somebody_says_what_happened(tmp_path: Path, verdict: str) -> None:
    from benchmarks.crash import doubt_test

    assert doubt_test(verdict, tmp_path) == []
