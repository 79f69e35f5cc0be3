"""A way of doing a step that is gone when its turn comes: the job goes on in another way, and says so everywhere."""

from pathlib import Path

import pytest

from tests.shells import Shell, shell

__all__ = ["shell"]

ASKS = """
workflow: asks
steps:
  answer:
    uses: answering
    with:
      question: When was Skarn Light first lit?
      passages:
        - {document: lighthouse.md, text: "Skarn Light was first lit in 1868.", start: 0, score: 1.0}
outputs: {text: "${answer.text}"}
goal: {minimize: quality}
"""


@pytest.fixture(autouse=True)
def asks(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("asks.yaml").write_text(ASKS)
    # Nobody listens there.
    for name, value in (("MURAKKAB_LLM_URL", "http://127.0.0.1:9/v1"), ("MURAKKAB_LLM_MODEL", "gone")):
        monkeypatch.setenv(name, value)


def test_a_backend_that_is_gone_is_a_choice_made_again_and_no_crash(shell: Shell) -> None:
    assert shell.json("plan", "asks.yaml")["steps"][0]["executor"] == "llm-answer"
    done = shell("run", "asks.yaml")
    assert done.status == 0
    assert "1868" in done.out
    assert "chosen again: answer by span-answer (llm-answer failed (unreachable))" in done.err
    assert "llm-answer, span-answer" in done.err

    (job,) = (one["job"] for one in shell.json("jobs"))
    assert "chosen again: answer by span-answer" in shell("logs", job).out
    assert shell("show", job).status == 0


def test_a_job_that_goes_on_is_done_as_it_was_chosen_again(shell: Shell) -> None:
    """Its first way is not tried once more, by a job that branches off from it neither."""
    Path("asks.yaml").write_text(ASKS.replace("outputs:", "  sure: {approve: {message: Is it right?}, after: [answer]}\noutputs:"))
    assert shell("run", "asks.yaml").status == 8
    (job,) = (one["job"] for one in shell.json("jobs"))
    assert shell("approve", job, "sure").status == 0
    forked = shell("fork", job, "--from", "answer")
    assert forked.status == 8
    assert "span-answer" in forked.err
    assert "llm-answer" not in forked.err


def test_where_the_step_asks_for_it_the_failure_stands(shell: Shell) -> None:
    Path("asks.yaml").write_text(ASKS.replace("    uses: answering\n", "    uses: answering\n    executor: llm-answer\n"))
    done = shell("run", "asks.yaml")
    assert done.status == 1
    assert "unreachable" in done.err
    assert "chosen again" not in done.err
