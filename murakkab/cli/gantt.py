"""policy: a timeline for a terminal - a bar per step and task, with what it did when, and a mark at what decided the time."""

from collections.abc import Mapping
from typing import Final

from rich.table import Table
from rich.text import Text

from murakkab.cli.tables import STATUS_STYLES, seconds_text
from murakkab.drawing.timeline import Timeline
from murakkab.drawing.timeline_rows import Cell, Row, cells_of, ticks_of, timeline_rows
from murakkab.drawing.words import shown, span_text

#: How each kind of span is drawn: the sign, its colour, and what it means.
_SIGNS: Final[Mapping[str, tuple[str, str, str]]] = {
    "run": ("█", "green", "ran"),
    "failed": ("✗", "red", "failed"),
    "queued": ("░", "dim", "waited for a place"),
    "backoff": ("┄", "yellow", "waited to try again"),
    "awaiting": ("▒", "blue", "waited for a person, an event or a time"),
    "doubt": ("?", "magenta", "in doubt"),
    "inside": ("─", "dim", "steps inside"),
}
#: Of several tasks at once, how many ran, as parts of the most that did.
_LEVELS: Final = "▁▂▃▄▅▆▇█"


def gantt(timeline: Timeline, *, width: int, most: int) -> Table:
    """Return the timeline in at most *most* lines of *width* columns."""
    rows = timeline_rows(timeline, most=most)
    names = min(max((len(_label(row)) for row in rows), default=8), max(12, width // 3))
    room = max(width - names - 14, 10)
    table = Table.grid(padding=(0, 1, 0, 0))
    table.add_column(no_wrap=True, width=1)
    table.add_column(no_wrap=True, overflow="ellipsis", width=names)
    table.add_column(no_wrap=True, width=room)
    table.add_column(no_wrap=True, justify="right", width=8)
    table.add_row("", "", _axis(timeline, room), "")
    for row in rows:
        style = STATUS_STYLES.get(row.status, "") if row.status not in ("succeeded", "waiting") else ""
        label = Text(_label(row), style if row.spans else "dim")
        table.add_row(Text("▸", "bold") if row.is_critical else "", label, _bar(row, timeline, room), _took(row))
    return table


def legend(timeline: Timeline) -> Text:
    """Return what the signs mean that are used."""
    used = {span.kind for track in timeline.tracks for span in track.spans}
    words = [Text.assemble((sign, style), f" {text}") for kind, (sign, style, text) in _SIGNS.items() if kind in used]
    words.append(Text.assemble(("▸", "bold"), " critical path"))
    if timeline.gaps:
        words.append(Text.assemble(("⋯", "dim"), " no process had the job"))
    return Text("  ").join(words)


def _label(row: Row) -> str:
    return f"{'  ' * row.depth}{shown(row.label)}{f' ({row.tasks})' if row.tasks > 1 else ''}"


def _took(row: Row) -> Text:
    return Text(seconds_text(row.seconds) if row.spans else "", "dim")


def _bar(row: Row, timeline: Timeline, width: int) -> Text:
    text = Text()
    if not row.spans:
        return text
    peak = max(row.peak, 1)
    for cell in cells_of(row, timeline, width):
        text.append(_sign(cell, peak) if cell.kind else " ", _SIGNS[cell.kind][1] if cell.kind else "")
    return text


def _sign(cell: Cell, peak: int) -> str:
    if cell.kind != "run" or peak == 1:
        return _SIGNS[cell.kind][0]
    return _LEVELS[min(max(round(cell.load / peak * len(_LEVELS)) - 1, 0), len(_LEVELS) - 1)]


def _axis(timeline: Timeline, width: int) -> Text:
    """Return the line of times, and of the gaps between them."""
    line = [" "] * width
    free = 0
    for seconds in ticks_of(timeline, max(width // 14, 2)):
        at, words = int(timeline.place(timeline.begin + seconds) * width), span_text(seconds)
        if at >= free and at + len(words) <= width:
            line[at : at + len(words)] = words
            free = at + len(words) + 2
    for begin, end in timeline.gaps:
        for i in range(int(timeline.place(begin) * width), min(int(timeline.place(end) * width) + 1, width)):
            line[i] = "⋯" if line[i] == " " else line[i]
    return Text("".join(line), "dim")
