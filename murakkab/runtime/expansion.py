"""policy: how a list becomes the tasks of a `for_each` step, and how their results become a list again."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Any

from murakkab.runtime.records import Key
from murakkab.runtime.resolution import Known, ReferenceFailed, matches, shown, value_of
from murakkab.spec import Expr, Loop, PathItem, Ref


def elements_of(loops: Sequence[Loop], known: Known) -> Iterator[tuple[Key, Mapping[str, Any]]]:
    """Yield key and loop variables of every task of *loops*, when all the lists are known.

    A key shorter than *loops* is a branch: an outer element, said before its inner ones so that an empty inner list is not lost.
    """
    yield from _deeper((), {}, loops, known)


def elements_arrived(
    loops: Sequence[Loop], rest: Sequence[PathItem], arrival: tuple[tuple[int, ...], Any], known: Known
) -> Iterator[tuple[Key, Mapping[str, Any]]]:
    """Yield the tasks that one result of the streamed source gives: its elements below *rest*, or itself."""
    place, value = arrival
    name, deeper = loops[0].name, loops[1:]
    for inner, element in matches(value, rest):
        if deeper:
            yield from _deeper(((*place, *inner),), {name: element}, deeper, known)
        else:
            yield ((*place, *inner),), {name: element}


def _deeper(key: Key, scope: Mapping[str, Any], loops: Sequence[Loop], known: Known) -> Iterator[tuple[Key, Mapping[str, Any]]]:
    if key:
        yield key, scope
    loop, deeper = loops[0], loops[1:]
    for place, variables in _listed(loop, scope, known):
        if deeper:
            yield from _deeper((*key, place), {**scope, **variables}, deeper, known)
        else:
            yield (*key, place), {**scope, **variables}


def _listed(loop: Loop, scope: Mapping[str, Any], known: Known) -> Iterator[tuple[tuple[int, ...], dict[str, Any]]]:
    listed = _list_of(loop.over, scope, known)
    if not loop.beside:
        for i, element in enumerate(listed):
            yield (i,), {loop.name: element}
        return
    lists = {loop.name: listed, **{name: _list_of(over, scope, known) for name, over in loop.beside.items()}}
    if len({len(one) for one in lists.values()}) > 1:
        lengths = ", ".join(f"{name} has {len(one)}" for name, one in lists.items())
        raise ReferenceFailed(f"lists that are gone through side by side are equally long: {lengths}")
    for i, elements in enumerate(zip(*lists.values(), strict=True)):
        yield (i,), dict(zip(lists, elements, strict=True))


def _list_of(over: Expr, scope: Mapping[str, Any], known: Known) -> Sequence[Any]:
    listed = value_of(over, scope, known)
    if not isinstance(listed, list | tuple):
        raise ReferenceFailed(f"a list is needed; {over if isinstance(over, Ref) else 'its value'} is {shown(listed)}")
    return listed


def task_id(step: str, key: Key) -> str:
    """Return `frames[0.2][1]`: a place per loop level, dots where a list was flattened."""
    if len(key) == 1 and len(key[0]) == 1:
        return f"{step}[{key[0][0]}]"
    return step + "".join("[" + ".".join(map(str, place)) + "]" for place in key)


def nested(results: Iterable[tuple[Key, Any]], branches: Iterable[Key], levels: int) -> list[Any]:
    """Return the results in the order of their keys, nested *levels* deep; a branch without results is an empty list."""
    if levels == 1:
        return [value for _, value in sorted(results, key=itemgetter(0))]
    tree: dict[tuple[int, ...], Any] = {}
    for branch in branches:
        _descend(tree, branch)
    for key, value in results:
        _descend(tree, key[:-1])[key[-1]] = value
    return _listed_in_order(tree, levels)


def _descend(tree: dict[tuple[int, ...], Any], key: Key) -> dict[tuple[int, ...], Any]:
    for place in key:
        tree = tree.setdefault(place, {})
    return tree


def _listed_in_order(tree: Mapping[tuple[int, ...], Any], levels: int) -> list[Any]:
    ordered = [tree[place] for place in sorted(tree)]
    return ordered if levels == 1 else [_listed_in_order(inner, levels - 1) for inner in ordered]
