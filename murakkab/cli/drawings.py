"""driver: draws workflow files and jobs."""

from pathlib import Path
from typing import Any, Final

from murakkab import app, journalled
from murakkab.cli.history import full_id, has_journal, looked_at
from murakkab.cli.places import ended, statuses_of
from murakkab.cli.printing import answer, console_of, tell, write_to
from murakkab.cli.sketch import sketch
from murakkab.diagnostics import did_you_mean
from murakkab.drawing import Picture, dot_text, mermaid_text, svg_text, workflow_picture
from murakkab.drawing.picture import Box, Frame
from murakkab.drawing.workflow import Told
from murakkab.errors import InputError, NotFoundError
from murakkab.runtime.driver import Work

_FORMS: Final = {"mermaid": mermaid_text, "dot": dot_text, "svg": svg_text}
_ENDINGS: Final = {".svg": "svg", ".dot": "dot", ".gv": "dot", ".mmd": "mermaid", ".mermaid": "mermaid"}


def graph(what: str, form: tuple[str, Path | None], *, depth: int, profile: str, home: Path, as_json: bool) -> None:
    """Draw the workflow of a file, or a job. *form* is text, mermaid, dot or svg, and the file to write it to."""
    words, output = form
    if words == "text" and output is not None:
        words = _ENDINGS.get(output.suffix.lower(), words)
    if words != "text" and words not in _FORMS:
        raise InputError(f"nothing is drawn as {words!r}", hint=did_you_mean(words, ("text", *_FORMS), others="there are"))
    picture = _picture_of(what, depth=depth, profile=profile, home=home)
    if as_json:
        answer(picture_json(picture), plain=True)
    elif words != "text":
        write_to(output, _FORMS[words](picture))
    elif output is not None:
        console = console_of()
        with console.capture() as captured:
            _print(picture, console)
        write_to(output, captured.get())
    else:
        _print(picture, console_of())


def _print(picture: Picture, console: Any) -> None:
    console.print(picture.title, style="bold", markup=False, highlight=False)
    console.print(sketch(picture, width=console.width))
    for remark in picture.remarks:
        console.print(remark, style="dim", markup=False, highlight=False)


def _picture_of(what: str, *, depth: int, profile: str, home: Path) -> Picture:
    """Return the picture of a file where there is one of that name, else of a job."""
    if Path(what).exists() or "." in what or "/" in what:
        work = app.load_file(what, profile=profile, is_drawn=True)
        tell(*(str(one) for one in work.warnings if one.code == "unknown-function"))
        return _of_work(work, depth)
    if not has_journal(home):
        hint = "give the path of a workflow file, or name the folder of the job with --journal"
        raise NotFoundError(f"there is neither a file {what!r} nor a journal in {str(home)!r}", hint=hint)
    with looked_at(home) as records:
        job = full_id(records, what)
        work, state, result = journalled.state_of(records, job)
    statuses = statuses_of(state)
    told = Told(work.deployment.choices, statuses if result.status == "running" else ended(statuses, result.status), depth)
    picture = workflow_picture(work.graph.workflow, told, remarks=work.graph.rewrites, status=result.status)
    return Picture(f"{picture.title}  job {job}", picture.frame, picture.remarks, picture.status)


def _of_work(work: Work, depth: int) -> Picture:
    return workflow_picture(work.graph.workflow, Told(work.deployment.choices, depth=depth), remarks=work.graph.rewrites)


def picture_json(picture: Picture) -> dict[str, Any]:
    """Return the boxes and edges of a picture as plain data."""
    return {"title": picture.title, "status": picture.status, **_frame_json(picture.frame), "remarks": list(picture.remarks)}


def _frame_json(frame: Frame) -> dict[str, Any]:
    return {
        "boxes": [_box_json(box) for box in frame.boxes],
        "edges": [{"from": edge.source, "to": edge.target, "kind": edge.kind} for edge in frame.edges],
    }


def _box_json(box: Box) -> dict[str, Any]:
    found: dict[str, Any] = {
        "path": box.key,
        "name": box.name,
        "kind": box.kind,
        "work": box.work,
        "way": box.way,
        "badges": [badge.text for badge in box.badges],
        "status": box.status,
    }
    return found if box.inside is None else {**found, **_frame_json(box.inside)}
