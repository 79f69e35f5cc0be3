"""policy: Timeline -> SVG. A bar per step and task; what decided how long the job took is framed and joined by a line."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final
from xml.sax.saxutils import escape

from murakkab.drawing.svg_parts import head_of, style_of, text_of
from murakkab.drawing.timeline import Timeline
from murakkab.drawing.timeline_rows import Row, ticks_of, timeline_rows
from murakkab.drawing.words import fitted, pixels, shown, span_text

_WIDTH: Final = 960.0
_LABELS: Final = 230.0
_ROW: Final = 22.0
_BAR: Final = 12.0
_TOP: Final = 78.0
_MARGIN: Final = 24.0
_BOLD: Final = 'font-weight="620"'
_TICKS: Final = 8
#: Light and dark colour of each kind of span, and what it means.
_KINDS: Final[Mapping[str, tuple[str, str, str]]] = {
    "run": ("#2f9e5f", "#4fc07e", "ran"),
    "failed": ("#cf3a3a", "#f07474", "failed attempt"),
    "queued": ("#c5cdd7", "#4a5563", "waited for a place"),
    "backoff": ("#e2a93b", "#d9a441", "waited to try again"),
    "awaiting": ("#8fb2f7", "#5f86d6", "waited for a person, an event or a time"),
    "doubt": ("#9b6fe0", "#b394f2", "in doubt"),
    "inside": ("#d5dce5", "#3a4452", "steps inside"),
}


def timeline_svg(timeline: Timeline, title: str, *, most: int = 80) -> str:
    """Return the timeline as an SVG document with at most *most* lines."""
    rows = timeline_rows(timeline, most=most)
    height = _TOP + len(rows) * _ROW + _MARGIN
    used = [kind for kind in _KINDS if any(span.kind == kind for row in rows for span in row.spans)]
    return "\n".join(
        [
            head_of(title, _WIDTH, height),
            _style(),
            text_of(shown(title), (_MARGIN, _MARGIN + 8.0), size=16.0, look=_BOLD),
            *_legend(used),
            *_axis(timeline, height - _MARGIN + 6.0),
            *_gaps(timeline, height - _MARGIN + 6.0),
            *(part for i, row in enumerate(rows) for part in _row(row, timeline, _TOP + i * _ROW)),
            "</svg>\n",
        ]
    )


def _x(time: float, timeline: Timeline) -> float:
    return _LABELS + timeline.place(time) * (_WIDTH - _LABELS - _MARGIN - 60.0)


def _row(row: Row, timeline: Timeline, y: float) -> Iterator[str]:
    room = _LABELS - _MARGIN - 14.0 - row.depth * 12.0
    label = shown(row.label) + (f" · {row.tasks} tasks" if row.tasks > 1 else "")
    place = (_MARGIN + row.depth * 12.0, y + 14.0)
    yield text_of(fitted(label, room, 11.5), place, size=11.5, kind="ink" if row.spans else "dim", look=_BOLD * row.is_critical)
    layers = [span for kind in reversed(list(_KINDS)) for span in row.spans if span.kind == kind]
    opacity = max(0.3, 1.0 / max(row.peak, 1))
    for span in layers:
        begin, end = _x(span.begin, timeline), _x(span.end, timeline)
        at = f'x="{begin:.1f}" y="{y + 4.0:.1f}" width="{max(end - begin, 1.5):.1f}" height="{_BAR}" rx="2"'
        words = f"{shown(row.label)}: {_KINDS[span.kind][2]}, {span_text(span.end - span.begin)}"
        shade = f' fill-opacity="{opacity:.2f}"' if span.kind == "run" and opacity < 1.0 else ""
        yield f'<rect {at} class="bar-{span.kind}" fill="{_KINDS[span.kind][0]}"{shade}><title>{escape(words)}</title></rect>'
    if row.spans:
        begin, end = (_x(time, timeline) for time in (min(s.begin for s in row.spans), max(s.end for s in row.spans)))
        if row.is_critical:
            at = f'x="{begin - 1.5:.1f}" y="{y + 2.5:.1f}" width="{end - begin + 3.0:.1f}" height="{_BAR + 3.0}" rx="3.5"'
            yield f'<rect class="edge" {at} fill="none" stroke="#1c2430" stroke-width="1.2"/>'
        yield text_of(span_text(row.seconds), (end + 6.0, y + 13.5), size=10.0, kind="dim")


def _axis(timeline: Timeline, bottom: float) -> Iterator[str]:
    last = -100.0
    for seconds in ticks_of(timeline, _TICKS):
        x = _x(timeline.begin + seconds, timeline)
        if x - last < 44.0:
            continue
        last = x
        yield f'<path class="grid" d="M{x:.1f} {_TOP - 6.0:.1f}V{bottom:.1f}" stroke="#e3e8ee" stroke-width="1"/>'
        yield text_of(span_text(seconds), (x, _TOP - 11.0), size=10.0, kind="dim", look='text-anchor="middle"')


def _gaps(timeline: Timeline, bottom: float) -> Iterator[str]:
    for begin, end in timeline.gaps:
        x, width = _x(begin, timeline), _x(end, timeline) - _x(begin, timeline)
        at = f'x="{x:.1f}" y="{_TOP - 6.0}" width="{max(width, 1.0):.1f}" height="{bottom - _TOP + 6.0:.1f}"'
        yield f'<rect class="gap" {at} fill="#f3f5f7"><title>no process had the job, {span_text(end - begin)}</title></rect>'


def _legend(used: Sequence[str]) -> Iterator[str]:
    x = _MARGIN
    for kind in used:
        words = _KINDS[kind][2]
        yield f'<rect class="bar-{kind}" x="{x:.1f}" y="{_MARGIN + 16.0}" width="11" height="11" rx="2" fill="{_KINDS[kind][0]}"/>'
        yield text_of(words, (x + 16.0, _MARGIN + 25.5), size=10.5, kind="dim")
        x += 16.0 + pixels(words, 10.5) + 14.0
    at = f'x="{x:.1f}" y="{_MARGIN + 16.0}" width="11" height="11" rx="3"'
    yield f'<rect class="edge" {at} fill="none" stroke="#1c2430" stroke-width="1.2"/>'
    yield text_of("critical path", (x + 16.0, _MARGIN + 25.5), size=10.5, kind="dim")


def _style() -> str:
    bars = "".join(f".bar-{kind}{{fill:{dark}}}" for kind, (_, dark, _) in _KINDS.items())
    return style_of(f".grid{{stroke:#26303b}}.gap{{fill:#1a212a}}.edge{{stroke:#e7ecf3}}{bars}")
