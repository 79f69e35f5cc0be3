"""policy: how a list becomes the tasks of a `for_each` step, and how their results become a list again."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from murakkab.runtime.records import Key
from murakkab.runtime.resolution import Known, ReferenceFailed, matches, shown, value_of
from murakkab.spec import Loop, PathItem, Ref


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
    for inner, element in matches(value, rest):
        yield from _deeper(((*place, *inner),), {loops[0].name: element}, loops[1:], known)


def _deeper(key: Key, scope: Mapping[str, Any], loops: Sequence[Loop], known: Known) -> Iterator[tuple[Key, Mapping[str, Any]]]:
    if not loops:
        yield key, scope
        return
    if key:
        yield key, scope
    loop = loops[0]
    for place, element in _listed(loop, scope, known):
        yield from _deeper((*key, place), {**scope, loop.name: element}, loops[1:], known)


def _listed(loop: Loop, scope: Mapping[str, Any], known: Known) -> Iterator[tuple[tuple[int, ...], Any]]:
    listed = value_of(loop.over, scope, known)
    if not isinstance(listed, list | tuple):
        over = loop.over if isinstance(loop.over, Ref) else "its value"
        raise ReferenceFailed(f"for_each needs a list; {over} is {shown(listed)}")
    for i, element in enumerate(listed):
        yield (i,), element


def task_id(step: str, key: Key) -> str:
    """Return `frames[0.2][1]`: a place per loop level, dots where a list was flattened."""
    return step + "".join("[" + ".".join(map(str, place)) + "]" for place in key)


def nested(results: Iterable[tuple[Key, Any]], branches: Iterable[Key], levels: int) -> list[Any]:
    """Return the results in the order of their keys, nested *levels* deep; a branch without results is an empty list."""
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
