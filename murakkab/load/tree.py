"""policy: YAML text -> JSON data and the place of everything in it.

Built from the stream of events rather than by a loader: nothing recurses, and text that is made to exhaust memory or time is refused at
the event that goes too far.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import yaml
from yaml.events import AliasEvent, CollectionEndEvent, DocumentStartEvent, MappingStartEvent, NodeEvent, ScalarEvent

from murakkab.diagnostics import MAX_TOLD
from murakkab.errors import Diagnostic, Path
from murakkab.load.places import Places, Position
from murakkab.load.scalars import plain_value
from murakkab.load.text import Source
from murakkab.references import MAX_DEPTH

#: How many values aliases may stand for, all together.
MAX_ALIASED: Final = 10_000
#: How many values a text may have.
MAX_VALUES: Final = 50_000
#: A scalar counts once more for every so many characters, a value once more for every so many levels that it lies deep.
_LONG: Final = 100
_DEEP: Final = 10

_Loader: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Refused(Exception):
    """The text cannot be read any further."""

    def __init__(self, code: str, message: str, hint: str = "", at: Position = (0, 0)) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint
        self.at = at


@dataclass(slots=True)
class _Anchored:
    """What an anchor stands for: its value and how many values that holds; `size` is zero until it is complete."""

    value: Any = None
    size: int = 0


@dataclass(slots=True)
class _Open:
    """A mapping or list that has begun. `path` is None where nothing of it is kept: the second of two equal keys."""

    value: dict[str, Any] | list[Any]
    path: Path | None
    anchor: _Anchored | None = None
    key: str | None = None
    is_repeated: bool = False
    size: int = 1


@dataclass(slots=True)
class _Tree:
    source: Source
    places: Places
    problems: list[Diagnostic] = field(default_factory=list)
    open: list[_Open] = field(default_factory=list)
    anchors: dict[str, _Anchored] = field(default_factory=dict)
    aliased: int = 0
    room: int = MAX_VALUES
    root: Any = None


def read_tree(source: Source, file: str, *, most: int = MAX_VALUES) -> tuple[Any, Places, list[Diagnostic]]:
    """Return the data of *source*, where everything is, and what is wrong. What is refused ends the list, with no data.

    *most*: how many values it may have.
    """
    tree = _Tree(source, Places(file), room=most)
    try:
        for event in _events(source):
            _take(tree, event)
    except Refused as refused:
        problem = Diagnostic(refused.code, refused.message, refused.hint, place=tree.places.at(refused.at))
        return None, tree.places, [*tree.problems, problem]
    return tree.root, tree.places, tree.problems


def _events(source: Source) -> Iterator[Any]:
    """Yield the events of the only document. Raises `Refused`."""
    documents = 0
    try:
        for event in yaml.parse(source.text, Loader=_Loader):
            if isinstance(event, DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise Refused("syntax", "a second document begins here", "write one workflow in one file", _at(event))
            yield event
    except yaml.MarkedYAMLError as error:
        raise _syntax_error(source, error) from None
    except yaml.YAMLError as error:
        raise _unreadable(source.text, error) from None


def _syntax_error(source: Source, error: yaml.MarkedYAMLError) -> Refused:
    lines = source.text.splitlines()
    mark = error.problem_mark or error.context_mark
    if mark and error.context_mark and mark.line >= len(lines):
        mark = error.context_mark  # it was never closed: show where it begins
    at = (mark.line, mark.column) if mark else (0, 0)
    line = source.written(lines[at[0]]) if at[0] < len(lines) else ""
    problem, context = error.problem or "this is not YAML", error.context or ""
    if "nesting depth" in problem:
        return _too_deep(at)
    if "\t" in line[: at[1] + 1]:
        return Refused("syntax", "a tab stands where only spaces may", "indent with spaces", at)
    return Refused("syntax", f"{problem} {context}".rstrip(), _syntax_hint(line, context), at)


def _syntax_hint(line: str, context: str) -> str:
    if "{" in line and "${" in line:
        return 'inside of {...} and [...] a reference is written in quotes: "${step.field}"'
    quoted = "text with : # { [ or quotes in it is written in quotes"
    if "flow" in context:
        return f"end it with its bracket, with a comma behind every entry but the last; {quoted}"
    return f"what belongs together begins in the same column; {quoted}" if "block" in context else quoted


def _too_deep(at: Position) -> Refused:
    return Refused("too-deep", f"mappings and lists are nested more than {MAX_DEPTH} deep", "put the data into a file and pass that", at)


def _unreadable(text: str, error: yaml.YAMLError) -> Refused:
    offset = getattr(error, "position", None)
    start = offset if isinstance(offset, int) and 0 <= offset <= len(text) else 0
    at = (text.count("\n", 0, start), start - text.rfind("\n", 0, start) - 1)
    return Refused("syntax", "this character may not stand in a YAML text", "remove it, or write it as \\x.. inside of quotes", at)


def _at(event: Any) -> Position:
    mark = event.start_mark
    return (mark.line, mark.column)


def _take(tree: _Tree, event: Any) -> None:
    """Add one event to the tree."""
    if isinstance(event, NodeEvent):
        _begin(tree, event)
    elif isinstance(event, CollectionEndEvent):
        _end(tree)


def _begin(tree: _Tree, event: Any) -> None:
    tree.room -= 1 + len(tree.open) // _DEEP
    if tree.room < 0:
        raise Refused("too-large", f"there are more than {MAX_VALUES:,} values", "put large lists into files and pass those", _at(event))
    if isinstance(event, AliasEvent):
        _alias(tree, event)
        return
    if event.tag is not None:
        raise Refused("syntax", f"the tag {event.tag[:60]!r} is not allowed", "write plain values; workflows have no tags", _at(event))
    anchor = None
    if event.anchor is not None:
        anchor = tree.anchors[event.anchor] = _Anchored()
    if isinstance(event, ScalarEvent):
        _scalar(tree, event, anchor)
        return
    if len(tree.open) >= MAX_DEPTH:
        raise _too_deep(_at(event))
    if _wants_key(tree):
        raise Refused("syntax", "a list or mapping stands where a key must", "a key is text", _at(event))
    path = _child_path(tree)
    if path is not None:
        tree.places.values[path] = tree.places.keys.get(path) or _at(event)
    tree.open.append(_Open({} if isinstance(event, MappingStartEvent) else [], path, anchor))


def _wants_key(tree: _Tree) -> bool:
    return bool(tree.open) and isinstance(tree.open[-1].value, dict) and tree.open[-1].key is None


def _child_path(tree: _Tree) -> Path | None:
    """Return the path of the value that comes next."""
    if not tree.open:
        return ()
    parent = tree.open[-1]
    if parent.path is None or parent.is_repeated:
        return None
    return (*parent.path, len(parent.value) if isinstance(parent.value, list) else parent.key or "")


def _scalar(tree: _Tree, event: Any, anchor: _Anchored | None) -> None:
    text = tree.source.written(event.value)
    if _wants_key(tree):
        _key(tree, text, _at(event))
        value: Any = text
    else:
        path = _child_path(tree)
        if path is not None:
            tree.places.values[path] = _at(event)
        value = plain_value(text) if event.implicit[0] else text
        _put(tree, value, 1)
    if anchor is not None:
        anchor.value, anchor.size = value, 1 + len(text) // _LONG


def _key(tree: _Tree, key: str, at: Position) -> None:
    parent = tree.open[-1]
    parent.key = key
    parent.is_repeated = key in parent.value
    if parent.path is None:
        return
    path = (*parent.path, key)
    if not parent.is_repeated:
        tree.places.keys[path] = at
        return
    if len(tree.problems) >= MAX_TOLD:
        raise Refused("too-many", f"{MAX_TOLD:,} keys stand more than once", "take all but one of each away", at)
    first = tree.places.keys[path][0] + 1
    message = f"the key {key[:60]!r} stands here for the second time"
    tree.problems.append(Diagnostic("duplicate-key", message, f"the first is in line {first}", path, tree.places.at(at)))


def _put(tree: _Tree, value: Any, size: int) -> None:
    """Add a complete value to the mapping or list that is open."""
    if not tree.open:
        tree.root = value
        return
    parent = tree.open[-1]
    parent.size += size
    if isinstance(parent.value, list):
        parent.value.append(value)
        return
    if not parent.is_repeated:
        parent.value[parent.key or ""] = value
    parent.key = None


def _end(tree: _Tree) -> None:
    done = tree.open.pop()
    if done.anchor is not None:
        done.anchor.value, done.anchor.size = done.value, done.size
    _put(tree, done.value, done.size)


def _alias(tree: _Tree, event: Any) -> None:
    anchored = tree.anchors.get(event.anchor)
    if anchored is None:
        raise Refused("syntax", f"there is no anchor {event.anchor[:60]!r} above", "quote text that begins with *", _at(event))
    if not anchored.size:
        raise Refused("too-many-aliases", f"the alias {event.anchor[:60]!r} stands inside of what it stands for", "", _at(event))
    tree.aliased += anchored.size
    if tree.aliased > MAX_ALIASED:
        raise Refused("too-many-aliases", f"aliases stand for more than {MAX_ALIASED:,} values", "write fewer aliases", _at(event))
    if not _wants_key(tree):
        path = _child_path(tree)
        if path is not None:
            tree.places.values[path] = _at(event)
        _put(tree, anchored.value, anchored.size)
    elif isinstance(anchored.value, str):
        _key(tree, anchored.value, _at(event))
    else:
        raise Refused("syntax", "a value that is not text stands where a key must", "a key is text", _at(event))
