"""policy: a picture of a workflow or job for a terminal - rails at the left, then what each step does."""

from collections.abc import Iterator

from rich.table import Table
from rich.text import Text

from murakkab.cli.tables import STATUS_STYLES
from murakkab.drawing import Picture, Rail, rails
from murakkab.drawing.picture import Box
from murakkab.drawing.words import cells, short

_KINDS = {"approve": "yellow", "wait": "yellow", "workflow": "cyan", "plain": "magenta", "finally": "dim"}
_BADGES = {"each": "blue", "repeat": "magenta", "when": "cyan", "need": "cyan", "effect": "red"}
_BETWEEN = " · "


def sketch(picture: Picture, *, width: int) -> Table:
    """Return the picture in lines of at most *width* columns, with the status of each step where they have one."""
    lines = rails(picture.frame, most=max(3, width // 12))
    columns = [
        min(max((len(line.lead.rstrip()) for line in lines), default=1), width // 3),
        min(max((cells(_name(line)) for line in lines), default=4), max(12, width // 4)),
        min(max((cells(_work(line.box)) for line in lines), default=0), max(16, width // 3)),
        max((len(line.box.status) for line in lines), default=0),
    ]
    room = max(width - sum(columns) - 2 * sum(map(bool, columns)) - 2, 12)
    table = Table.grid(padding=(0, 2, 0, 0))
    for column in columns:
        if column:
            table.add_column(no_wrap=True, overflow="ellipsis", width=column)
    table.add_column(no_wrap=True, overflow="ellipsis", width=room)
    for line in lines:
        first, *rest = list(_remarks(line, room)) or [Text()]
        words = [Text(line.lead.rstrip(), _style(line.box)), Text(_name(line), f"bold {_style(line.box)}".strip())]
        if columns[2]:
            words.append(Text(_work(line.box), "dim" if line.box.kind == "finally" else ""))
        if columns[3]:
            words.append(Text(line.box.status, STATUS_STYLES.get(line.box.status, "")))
        table.add_row(*words, first)
        for more in rest:
            table.add_row(Text(line.below.rstrip()), *("" for _ in words[1:]), more)
    return table


def _name(line: Rail) -> str:
    return f"{'  ' * line.depth}{line.box.name}"


def _work(box: Box) -> str:
    return _BETWEEN.join(part for part in (box.work, box.way) if part)


def _style(box: Box) -> str:
    return STATUS_STYLES.get(box.status) or _KINDS.get(box.kind, "")


def _remarks(line: Rail, room: int) -> Iterator[Text]:
    """Yield what is worth knowing of a step, in lines of *room* columns."""
    parts = [Text(short(badge.text, room), _BADGES.get(badge.kind, "dim")) for badge in line.box.badges]
    if line.box.folded:
        parts.append(Text(short(f"{line.box.folded} steps inside", room), "dim"))
    if line.takes:
        parts.append(Text(short(f"after {', '.join(line.takes)}", room), "dim"))
    text = Text()
    for part in parts:
        if text and text.cell_len + len(_BETWEEN) + part.cell_len > room:
            yield text
            text = Text()
        text.append(_BETWEEN if text else "", "dim").append_text(part)
    if text:
        yield text
