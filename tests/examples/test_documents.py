"""The shipped workflows over documents: questions answered, and a folder summed up, on the shipped samples."""

import json
from pathlib import Path
from typing import Any

import pytest

from murakkab import app
from murakkab.metrics import contains, rouge_1, token_f1


@pytest.fixture(autouse=True)
def _no_endpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MURAKKAB_LLM_URL", "MURAKKAB_LLM_MODEL", "MURAKKAB_EMBEDDING_MODEL"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def labels(root: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((root / "workflows/documents/labels.json").read_text())
    return found


async def outputs_of(name: str, root: Path, home: Path, **inputs: Any) -> Any:
    work = app.load_file(root / "workflows" / name)
    given = {"folder": str(root / "workflows/documents/island"), **inputs}
    result = await app.run_work(work, given, settings=app.Settings(home=home))
    assert result.failures == ()
    return result.outputs


async def test_questions_are_answered_from_the_right_documents(root: Path, tmp_path: Path, labels: dict[str, Any]) -> None:
    asked = labels["questions"]

    outputs = await outputs_of("document_qa.yaml", root, tmp_path, questions=[one["question"] for one in asked])

    answers = outputs["answers"]
    assert [one["question"] for one in answers] == [one["question"] for one in asked]
    scores = [token_f1(answer["text"], known["answers"]) for answer, known in zip(answers, asked, strict=True)]
    assert sum(scores) / len(scores) >= 0.5
    right = [set(answer["documents"]) <= set(known["documents"]) for answer, known in zip(answers, asked, strict=True)]
    assert sum(right) / len(right) >= 0.8
    assert answers[5] == {"question": "When was Skarn Light first lit?", "text": "12 November 1868", "documents": ["lighthouse.md"]}


async def test_a_folder_is_summed_up_one_by_one_and_together(root: Path, tmp_path: Path, labels: dict[str, Any]) -> None:
    outputs = await outputs_of("summarize_folder.yaml", root, tmp_path, sentences=6, each=2)

    known = [labels["summaries"][name] for name in sorted(labels["summaries"])]
    scores = [rouge_1(summary, label) for summary, label in zip(outputs["summaries"], known, strict=True)]
    assert sum(scores) / len(scores) >= 0.35
    assert all(contains(" ".join(outputs["summaries"]), sentence) for sentence in outputs["summary"].split(". "))


def test_the_labels_fit_the_samples(root: Path, labels: dict[str, Any]) -> None:
    texts = {path.name: path.read_text() for path in (root / "workflows/documents/island").iterdir()}
    assert set(labels["summaries"]) == set(texts)
    for one in labels["questions"]:
        [document] = one["documents"]
        plain = texts[document].lower().replace("**", "")
        assert any(answer.lower() in " ".join(plain.replace("| ", "").split()) for answer in one["answers"]), one["question"]
    media = json.loads((root / "workflows/media/labels.json").read_text())
    for clip, known in media.items():
        assert (root / "workflows/media" / clip).is_file()
        assert len(known["scenes"]) == len(known["speech"]) == len(known["shown"])
        assert [end for _, end in known["scenes"][:-1]] == [start for start, _ in known["scenes"][1:]]
