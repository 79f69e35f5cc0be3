"""policy: when each task of a job did what - from its events, told once more - and which tasks decided how long it took."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from murakkab.errors import InvalidTransition
from murakkab.plan import Node, TaskGraph
from murakkab.runtime.messages import Event, JobResumed, TaskCancelled, TaskFailed, TaskSucceeded
from murakkab.runtime.records import Status, path_of
from murakkab.runtime.state import JobState

#: What happens in the same millisecond happens at once.
_AT_ONCE: Final = 0.001
#: How long a gap is drawn, as a part of all the time in which the job went on.
_GAP: Final = 0.06
_ENDS: Final = (TaskSucceeded, TaskFailed, TaskCancelled)
_OPEN: Final[Mapping[Status, str]] = {Status.RUNNING: "run", Status.BACKOFF: "backoff", Status.AWAITING: "awaiting", Status.DOUBT: "doubt"}


class Span(NamedTuple):
    """What a task did for a while: run, failed (an attempt), queued, backoff, awaiting, doubt - or inside, when it holds others."""

    kind: str
    begin: float
    end: float


@dataclass(slots=True)
class Track:
    """The spans of one task, in order of time; `status` is the last, `is_leaf` false when other tasks are a part of it."""

    task: str
    path: str
    spans: list[Span] = field(default_factory=list)
    status: str = ""
    is_leaf: bool = True
    is_critical: bool = False

    @property
    def begin(self) -> float:
        """When it began."""
        return self.spans[0].begin

    @property
    def end(self) -> float:
        """When it ended, as far as it has."""
        return max(span.end for span in self.spans)


@dataclass(frozen=True, slots=True)
class Timeline:
    """A job in time. `gaps` are the times in which no process had it; tracks stand in the order in which they began."""

    begin: float
    end: float
    tracks: tuple[Track, ...] = ()
    gaps: tuple[tuple[float, float], ...] = ()

    def place(self, time: float) -> float:
        """Return where a time stands between the begin (0) and the end (1). Long gaps are drawn short: nothing happens in them."""
        idle = [end - begin for begin, end in self.gaps]
        busy = max(self.end - self.begin - sum(idle), 0.0)
        drawn = [min(one, busy * _GAP) for one in idle]
        length = busy + sum(drawn)
        if length <= 0:
            return 0.0
        passed = min(max(time, self.begin), self.end) - self.begin
        for (begin, end), one in zip(self.gaps, drawn, strict=True):
            inside = min(max(time - begin, 0.0), end - begin)
            passed -= inside - (one * inside / (end - begin) if end > begin else 0.0)
        return passed / length


def timeline_of(graph: TaskGraph, history: Sequence[Event], *, now: float | None = None) -> Timeline:
    """Return when what ran; what has not ended lasts until *now*, None for the last event."""
    if not history:
        return Timeline(0.0, 0.0)
    end = max(history[-1].time, now or 0.0)
    tracks = _Tracks(graph)
    for event in history:
        tracks.hear(event)
    found = sorted((one for one in tracks.finished(end) if one.spans), key=lambda one: (one.begin, one.task))
    _mark_critical(found, graph)
    return Timeline(history[0].time, end, tuple(found), tuple(tracks.gaps))


class _Tracks:
    """Every task that has begun, and since when it is where it is."""

    def __init__(self, graph: TaskGraph) -> None:
        self.gaps: list[tuple[float, float]] = []
        self._state = JobState(graph)
        self._state.log = []
        self._tracks: dict[str, Track] = {}
        self._since: dict[str, tuple[Status, float]] = {}
        self._last = 0.0
        self._broken = False
        #: The task of which an attempt fails at present.
        self._failing = ""

    def hear(self, event: Event) -> None:
        """Go on by one event."""
        if isinstance(event, JobResumed) and event.time - self._last > _AT_ONCE:
            self._interrupt(event.time)
        started = event.started if isinstance(event, _ENDS) else None
        self._failing = event.task if isinstance(event, TaskFailed) else ""
        if not self._broken:
            try:
                self._state.handle(event)
            except InvalidTransition:
                # The rest is not told: what is known until here is shown.
                self._broken = True
        log = self._state.log or []
        for time, task, status, _ in log:
            self._change(task, status, time, started if task == getattr(event, "task", "") else None)
        log.clear()
        self._last = max(self._last, event.time)

    def finished(self, end: float) -> list[Track]:
        """Return the tracks, what is under way lasting until *end*."""
        for task in list(self._since):
            self._close(task, end, None, failed=False)
        begins: dict[str, float] = {}
        for task, track in self._tracks.items():
            for holder in _holders(task) if track.spans else ():
                begins[holder] = min(track.spans[0].begin, begins.get(holder, end))
        for holder, begin in begins.items():
            if holder in self._tracks:
                self._tracks[holder].is_leaf = False
                self._tracks[holder].spans = list(_inside(self._tracks[holder].spans, begin))
        return list(self._tracks.values())

    def _interrupt(self, resumed: float) -> None:
        """Nothing ran while no process had the job; people may have been waited for all the same."""
        self.gaps.append((self._last, resumed))
        for task, (status, _) in list(self._since.items()):
            if status is not Status.AWAITING:
                self._close(task, self._last, None, failed=False)
                self._since[task] = status, resumed

    def _change(self, task: str, status: Status, time: float, started: float | None) -> None:
        track = self._tracks.setdefault(task, Track(task, path_of(task)))
        if task in self._since and self._since[task][0] is status:
            track.status = str(status)
            return
        # Where others make up for it, what fails is skipped or takes its default, and failed all the same.
        self._close(task, time, started, failed=task == self._failing or status in (Status.FAILED, Status.BACKOFF))
        track.status = str(status)
        if status in _OPEN:
            self._since[task] = status, time

    def _close(self, task: str, time: float, started: float | None, *, failed: bool) -> None:
        if task not in self._since:
            return
        status, since = self._since.pop(task)
        kind = "failed" if failed and status is Status.RUNNING else _OPEN[status]
        spans = self._tracks[task].spans
        if started is not None and status is Status.RUNNING and since + _AT_ONCE < started <= time:
            spans.append(Span("queued", since, started))
            since = started
        spans.append(Span(kind, since, max(time, since)))


def _inside(spans: Iterable[Span], begin: float) -> Iterator[Span]:
    """Yield what a task did that holds others, the first of which began at *begin*: it may have been open before, with nothing in it."""
    for span in spans:
        if span.kind not in ("run", "failed"):
            yield span
        elif span.end > begin or span.begin == span.end:
            yield span._replace(kind="inside", begin=max(span.begin, min(begin, span.end)))


def _holders(task: str) -> Iterator[str]:
    """Yield the tasks that *task* is a part of, or a round of."""
    cut = max(task.rfind("/"), task.rfind("#"), task.rfind("~"))
    while cut > 0:
        task = task[:cut]
        yield task
        cut = max(task.rfind("/"), task.rfind("#"), task.rfind("~"))


# ------------------------------------------------------------------------------------------------------- the critical path


def _mark_critical(tracks: Sequence[Track], graph: TaskGraph) -> None:
    """Mark the tasks that the end waited for: the last to end, the one that this waited for, and so on to the beginning."""
    # Of those that end at once, nobody waited for what was cancelled then.
    leaves = sorted((track for track in tracks if track.is_leaf), key=lambda one: (one.end, one.status != str(Status.CANCELLED)))
    if not leaves:
        return
    nodes: dict[str, Node] = {}
    for node in graph.every_node():
        # The step of a loop and its round have one path; what they wait for is known of the first.
        nodes.setdefault(node.path, node)
    ended: dict[str, list[Track]] = {}
    for leaf in leaves:
        path = leaf.path
        while path:
            ended.setdefault(path, []).append(leaf)
            path = path.rpartition("/")[0]
    current: Track | None = leaves[-1]
    while current is not None and not current.is_critical:
        current.is_critical = True
        current = _waited_for(current, ended, nodes)


def _waited_for(track: Track, ended: Mapping[str, Sequence[Track]], nodes: Mapping[str, Node]) -> Track | None:
    """Return the task whose end let *track* begin: of those that it may have waited for the one that ended last."""
    best: Track | None = None
    limit = track.begin + _AT_ONCE
    for path in _sources(track.path, nodes):
        found = ended.get(path, ())
        place = bisect_right(found, limit, key=lambda one: one.end)
        last = next((found[i] for i in range(place - 1, -1, -1) if found[i] is not track), None)
        if last is not None and (best is None or last.end > best.end):
            best = last
    return best


def _sources(path: str, nodes: Mapping[str, Node]) -> Iterator[str]:
    """Yield the paths of all that a task of *path* may wait for: its needs and those around it, and what is done before it in its place."""
    while path:
        node = nodes.get(path)
        frame = path.rpartition("/")[0]
        yield path
        if node is not None:
            source = (node.stream.source,) if node.stream is not None else ()
            yield from (f"{frame}/{name}" if frame else name for name in (*node.needs, *source))
        elif path == "finally":
            yield from (name for name in nodes if "/" not in name)
        path = frame
