"""policy: the longest path of a selection, in plain lists - how soon tasks can start, how much follows them, and which path is critical."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from murakkab.optimizer.form import Array, Columns, Form, Graph, Line


@dataclass(frozen=True, slots=True)
class Times:
    """Of every task the earliest start and end, and the seconds that must follow its start and its end."""

    start: list[float]
    end: list[float]
    after_start: list[float]
    after_end: list[float]
    length: float


def chosen(table: Array, columns: Columns) -> list[float]:
    """Return a table's entry in the given column of each row."""
    return table[np.arange(len(columns)), columns].tolist()  # type: ignore[no-any-return]


def times_of(form: Form, line: Line, columns: Columns) -> Times:
    """Return the times of a selection."""
    whole, graph = chosen(line.whole, columns), form.graph
    if not graph.has_streams:
        return _plain_times(form, whole)
    first, last = chosen(line.first, columns), chosen(line.last, columns)
    start, end = _forward(graph, whole, first, last)
    count = len(whole)
    after_start, after_end = [0.0] * count, [0.0] * count
    for task in reversed(range(count)):
        after = max((after_start[child] for child in graph.children[task]), default=0.0)
        after_end[task] = max([after, *(last[child] + after_end[child] for child in graph.streamed[task])])
        after_start[task] = max([whole[task] + after_end[task], *(first[task] + after_start[child] for child in graph.streamed[task])])
    return Times(start, end, after_start, after_end, max(end, default=0.0))


def length_of(form: Form, line: Line, columns: Columns) -> float:
    """Return the length of the longest path of a selection; half the work of its times."""
    graph = form.graph
    if not graph.has_streams:
        return longest(graph, chosen(line.whole, columns))
    return longest(graph, chosen(line.whole, columns), chosen(line.first, columns), chosen(line.last, columns))


def longest(graph: Graph, whole: Sequence[float], first: Sequence[float] = (), last: Sequence[float] = ()) -> float:
    """Return the length of the longest path where tasks take so long; *first* and *last* matter where there are streams."""
    if graph.has_streams:
        return max(_forward(graph, whole, first, last)[1], default=0.0)
    end: list[float] = []
    for begun, taken, parents in zip(graph.ready, whole, graph.parents, strict=True):
        for parent in parents:
            if end[parent] > begun:
                begun = end[parent]
        end.append(begun + taken)
    return max(end, default=0.0)


def _plain_times(form: Form, whole: Sequence[float]) -> Times:
    graph = form.graph
    start, end = list(graph.ready), list(whole)
    for task, parents in enumerate(graph.parents):
        begun = start[task]
        for parent in parents:
            if end[parent] > begun:
                begun = end[parent]
        start[task] = begun
        end[task] = begun + whole[task]
    count = len(end)
    after_start, after_end = [0.0] * count, [0.0] * count
    for task in range(count - 1, -1, -1):
        most = 0.0
        for child in graph.children[task]:
            if after_start[child] > most:
                most = after_start[child]
        after_end[task] = most
        after_start[task] = most + whole[task]
    return Times(start, end, after_start, after_end, max(end, default=0.0))


def _forward(graph: Graph, whole: Sequence[float], first: Sequence[float], last: Sequence[float]) -> tuple[list[float], list[float]]:
    start: list[float] = []
    end: list[float] = []
    for task, parents in enumerate(graph.parents):
        begun = max([graph.ready[task], *(end[parent] for parent in parents), *(start[s] + first[s] for s in graph.streams[task])])
        start.append(begun)
        end.append(max([begun + whole[task], *(end[source] + last[task] for source in graph.streams[task])]))
    return start, end


def critical(form: Form, line: Line, columns: Columns, times: Times) -> tuple[float, Array]:
    """Return what a critical path waits for at its beginning, and the table whose entries at any selection sum to that path's length."""
    table = np.zeros_like(line.whole)
    graph = form.graph
    if not times.end:
        return 0.0, table
    first, last = chosen(line.first, columns), chosen(line.last, columns)
    task, at_end = max(range(len(times.end)), key=times.end.__getitem__), True
    while True:
        if at_end:
            source = next((s for s in graph.streams[task] if times.end[s] + last[task] >= times.end[task]), None)
            if source is not None:
                table[task] += line.last[task]
                task = source
                continue
            table[task] += line.whole[task]
        before = next((parent for parent in graph.parents[task] if times.end[parent] >= times.start[task]), None)
        if before is not None:
            task, at_end = before, True
            continue
        source = next((s for s in graph.streams[task] if times.start[s] + first[s] >= times.start[task]), None)
        if source is None:
            return graph.ready[task], table
        table[source] += line.first[source]
        task, at_end = source, False
