"""Steps may have the names that the parts of a composition usually have."""

from pathlib import Path
from typing import Any

import pytest

from murakkab import WorkflowHandle, app, load_workflow

TAKEN = """\
workflow: taken
steps:
  best: {call: "taken_steps:said", with: {of: ["a"]}}
  candidates: {call: "taken_steps:said", with: {of: ["${best}", "b"]}}
  voted: {call: "taken_steps:said", with: {of: ["${best}", "${candidates}"]}, best_of: 2}
  rated:
    best_of: {n: 3, score: {call: "taken_steps:length", with: {of: ["${candidate.scores}", "${best}"]}}}
    steps:
      scores: {call: "taken_steps:said", with: {of: ["${candidates}", "${attempt}"]}}
      judge: {call: "taken_steps:said", with: {of: ["${scores}"]}}
    outputs: {scores: "${judge}"}
  judged:
    call: "taken_steps:said"
    with: {of: ["${candidates}", "${attempt}"]}
    best_of: {n: 3, judge: {call: "taken_steps:last", with: {of: "${candidates}", than: "${best}"}}}
  talked:
    debate: {participants: 2, rounds: 1}
    steps:
      views: {call: "taken_steps:said", with: {of: ["${best}"]}}
      answers: {call: "taken_steps:said", with: {of: ["${views}", "c"]}}
    outputs: {answers: "${answers}"}
  plain: {call: "taken_steps:said", with: {of: ["d"]}, best_of: 2}
outputs: {voted: "${voted}", rated: "${rated.scores}", judged: "${judged}", talked: "${talked.answers}", plain: "${plain}"}
"""
TAKEN_STEPS = """\
from typing import Any

def said(of: list[Any]) -> str:
    return "".join(map(str, of))

def length(of: list[str]) -> float:
    return float(of[0][-1])

def last(of: list[str], than: str) -> Any:
    return of[-1]
"""


def test_steps_may_have_the_names_of_the_parts_of_a_composition(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is written means what is written; a part is called otherwise then, and in no other composition."""
    (tmp_path / "taken_steps.py").write_text(TAKEN_STEPS)
    (file := tmp_path / "taken.yaml").write_text(TAKEN)
    monkeypatch.syspath_prepend(str(tmp_path))
    handle: WorkflowHandle[..., Any] = load_workflow(file)
    assert handle.run() == {"voted": "aab", "rated": "ab2", "judged": "ab2", "talked": "ac", "plain": "d"}
    inside = {node.path for node in app.load_file(file).graph.every_node()}
    assert {"voted/candidates_", "voted/best_", "rated/candidates_/scores", "rated/scores_", "rated/best_", "judged/judge"} <= inside
    assert {"talked/candidates/views_", "talked/candidates/answers_/views", "plain/candidates", "plain/best"} <= inside
