"""The shipped workflow that needs no extra."""

from pathlib import Path

from murakkab import app


async def test_texts_are_summed_up(root: Path, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("Rain fell. The cat sat on the mat. A dog barks! The cat and the dog saw the mat.")
    (tmp_path / "b.json").write_text("One. Two.")
    work = app.load_file(root / "workflows/summarize_texts.yaml")
    texts = [app.file_input(str(tmp_path / name)) for name in ("a.txt", "b.json")]

    result = await app.run_work(work, {"texts": texts, "sentences": 1}, settings=app.Settings(home=tmp_path))

    assert result.failures == ()
    assert result.outputs == {"summaries": ["The cat and the dog saw the mat.", "One."]}
