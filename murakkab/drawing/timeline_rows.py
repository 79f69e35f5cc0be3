"""policy: a timeline in as many lines as there is room for - one per step, those inside of a step below it, then single tasks."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Final, NamedTuple

from murakkab.drawing.timeline import Span, Timeline, Track

#: The worst status of its tasks is that of a step.
_WORST: Final = (
    "failed",
    "doubt",
    "awaiting",
    "running",
    "backoff",
    "interrupted",
    "cancelled",
    "waiting",
    "succeeded",
    "skipped",
)
_LAST: Final = "finally"
#: Of what happens in one cell, what is shown: the first of these.
_FIRST: Final = ("failed", "run", "doubt", "awaiting", "backoff", "queued", "inside")


#: Ticks are so many times a power of ten apart.
_STEPS: Final = (1.0, 2.0, 5.0)


class Row(NamedTuple):
    """A line: a step (`tasks` of them), one task of it (`depth` one more), or how many more there are (no spans)."""

    label: str
    depth: int
    spans: tuple[Span, ...] = ()
    tasks: int = 1
    status: str = ""
    is_critical: bool = False

    @property
    def seconds(self) -> float:
        """How long it was, from its first begin to its last end, pauses included."""
        return max(span.end for span in self.spans) - min(span.begin for span in self.spans) if self.spans else 0.0

    @property
    def peak(self) -> int:
        """How many of its tasks ran at once, at most."""
        turns = sorted(turn for span in self.spans if span.kind in ("run", "failed") for turn in ((span.begin, 1), (span.end, -1)))
        return max(accumulate(turn for _, turn in turns), default=0)


class Cell(NamedTuple):
    """What is shown in one place of a line: the kind of span, and how many spans of it are there at once (a mean, at least some)."""

    kind: str = ""
    load: float = 0.0


def timeline_rows(timeline: Timeline, *, most: int) -> list[Row]:
    """Return at most *most* lines."""
    groups: dict[str, list[Track]] = {}
    for track in timeline.tracks:
        groups.setdefault(track.path, []).append(track)
    began = _began(groups)
    paths = sorted(groups, key=lambda path: [began[above] for above in _above(path)])
    shown = paths if len(paths) <= most else paths[: most - 1]
    room = most - len(shown)
    rows: list[Row] = []
    critical = {above for track in timeline.tracks if track.is_critical for above in _above(track.path)}
    many = [path for path in shown if len(_leaves(groups[path])) > 1]
    for path in shown:
        rows.append(_step(path, groups[path], is_critical=path in critical))
        if path in many:
            # What one step does not use of its share is for those after it.
            share = room // (len(many) - many.index(path))
            tasks = list(_tasks(path, _leaves(groups[path]), share))
            room -= len(tasks)
            rows += tasks
    if len(shown) < len(paths):
        rows.append(Row(f"{len(paths) - len(shown)} more steps", 0))
    return rows


def _began(groups: Mapping[str, Sequence[Track]]) -> dict[str, tuple[float, str]]:
    """Return when each step began, and those around it; two that began at once are told apart by name."""
    began: dict[str, tuple[float, str]] = {}
    for path, tracks in groups.items():
        first = min(track.begin for track in tracks)
        for above in _above(path):
            began[above] = min(began.get(above, (first, above)), (first, above))
    return began


def _above(path: str) -> Iterator[str]:
    """Yield the steps that a step lies in, from outside, and itself."""
    parts = path.split("/")
    for i in range(1, len(parts) + 1):
        yield "/".join(parts[:i])


def named(path: str) -> tuple[str, int]:
    """Return what a step is called on its line, and how deep it lies inside of others; the last steps lie in nothing."""
    above, _, name = path.rpartition("/")
    if above == _LAST:
        return path, 0
    return name, path.count("/") - path.startswith(f"{_LAST}/")


def _leaves(tracks: Sequence[Track]) -> list[Track]:
    return [track for track in tracks if track.is_leaf] or list(tracks)


def _step(path: str, tracks: Sequence[Track], *, is_critical: bool) -> Row:
    leaves = _leaves(tracks)
    statuses = {track.status for track in leaves}
    label, depth = named(path)
    return Row(
        # The only task of a map has a name of its own.
        label=leaves[0].task.rpartition("/")[2] if len(leaves) == 1 and depth == path.count("/") else label,
        depth=depth,
        spans=tuple(span for track in leaves for span in track.spans),
        tasks=len(leaves),
        status=next((status for status in _WORST if status in statuses), ""),
        is_critical=is_critical,
    )


def _tasks(path: str, tracks: Sequence[Track], room: int) -> Iterator[Row]:
    """Yield single tasks of a step: what went wrong and what decided the time first, then the longest; in the order of time."""
    if room < 2:
        return
    count = len(tracks) if len(tracks) <= room else room - 1
    listed = sorted(tracks, key=lambda one: (one.status == "succeeded", not one.is_critical, one.begin - one.end))[:count]
    depth = named(path)[1] + 1
    for track in sorted(listed, key=lambda one: (one.begin, one.task)):
        yield Row(track.task, depth, tuple(track.spans), status=track.status, is_critical=track.is_critical)
    if count < len(tracks):
        yield Row(f"{len(tracks) - count} more tasks", depth)


def cells_of(row: Row, timeline: Timeline, width: int) -> list[Cell]:
    """Return a line in *width* places; whatever happened is seen in one at least."""
    loads: list[dict[str, float]] = [{} for _ in range(width)]
    for span in row.spans:
        begin, end = timeline.place(span.begin) * width, timeline.place(span.end) * width
        first, last = min(int(begin), width - 1), min(int(end), width - 1)
        for i in range(first, last + 1):
            share = min(end, i + 1) - max(begin, i)
            if share > 0.12 or i == first:
                loads[i][span.kind] = loads[i].get(span.kind, 0.0) + max(share, 0.05)
    return [Cell(*max(((kind, load) for kind, load in one.items()), key=_weight)) if one else Cell() for one in loads]


def _weight(one: tuple[str, float]) -> tuple[bool, int]:
    """A failure is never hidden; else what matters most of all that fills a good part of the place."""
    kind, load = one
    return load > 0.3 or kind == "failed", -_FIRST.index(kind)


def ticks_of(timeline: Timeline, most: int) -> list[float]:
    """Return round times, in seconds since the begin, about *most* of them: in each stretch between two gaps those that fall into it."""
    length = timeline.end - timeline.begin - sum(end - begin for begin, end in timeline.gaps)
    unit = _unit(length, most)
    found = [0.0]
    begin = timeline.begin
    for stop, resume in (*timeline.gaps, (timeline.end, timeline.end)):
        first = int((begin - timeline.begin) / unit) + 1
        found += [i * unit for i in range(first, int((stop - timeline.begin) / unit) + 1)]
        begin = resume
    return found


def _unit(length: float, most: int) -> float:
    """Return a round number of seconds of which *length* holds at most *most*."""
    if length <= 0:
        return 1.0
    unit = 10.0**-9
    while True:
        for step in _STEPS:
            if length / (unit * step) <= most:
                return unit * step
        unit *= 10.0
