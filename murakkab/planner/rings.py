"""policy: who leads to whom in a graph of names - in which order they can be met, and where they go round in a ring. Nothing recurses."""

from collections.abc import Mapping, Sequence


def rings(edges: Mapping[str, Sequence[str]]) -> list[list[str]]:
    """Return one ring of names for each group of names that lead to each other. Linear in the size of *edges*."""
    return [_ring(group, edges) for group in groups(edges) if len(group) > 1]


def groups(edges: Mapping[str, Sequence[str]]) -> list[set[str]]:
    """Return the groups of names that lead to each other (Tarjan), each behind all that it leads to."""
    number: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    on_stack: set[str] = set()
    found: list[set[str]] = []
    for root in edges:
        agenda = [] if root in number else [(root, iter(edges[root]))]
        while agenda:
            name, rest = agenda[-1]
            if name not in number:
                number[name] = low[name] = len(number)
                stack.append(name)
                on_stack.add(name)
            for next_ in rest:
                if next_ not in number:
                    agenda.append((next_, iter(edges[next_])))
                    break
                if next_ in on_stack:
                    low[name] = min(low[name], number[next_])
            else:
                agenda.pop()
                if agenda:
                    low[agenda[-1][0]] = min(low[agenda[-1][0]], low[name])
                if low[name] == number[name]:
                    found.append(_popped(stack, on_stack, name))
    return found


def _popped(stack: list[str], on_stack: set[str], last: str) -> set[str]:
    group: set[str] = set()
    while last not in group:
        group.add(stack.pop())
    on_stack -= group
    return group


def _ring(group: set[str], edges: Mapping[str, Sequence[str]]) -> list[str]:
    """Return a ring within *group*, closed: its first name stands at its end again."""
    first = next(name for name in edges if name in group)
    path, seen = [first], {first: 0}
    while True:
        next_ = next(n for n in edges[path[-1]] if n in group)
        if next_ in seen:
            return [*path[seen[next_] :], next_]
        seen[next_] = len(path)
        path.append(next_)
