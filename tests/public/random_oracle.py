"""What a workflow gives in which nothing goes wrong, found by walking through its document once, step after step."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from tests.public.random_steps import made

#: What people answer, and what comes with events.
ANSWER = {"approved": True, "by": "Ada", "k": 4}
SIGNAL = 6
_REF = re.compile(r"\$\{([^}]*)\}")
_CONDITION = re.compile(r"(?P<no>!?)(?P<size>size\()?(?P<way>[\w.]+)\)?(?: (?:>|>=) (?P<low>\d+))?")


class Skipped(Exception):
    """A value that is not there, because what gives it was skipped."""


def outputs_of(document: Mapping[str, Any], inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the outputs of a workflow that is given these inputs."""
    given = {name: inputs[name] if name in inputs else one["default"] for name, one in document["inputs"].items()}
    return _outputs(_done(document["steps"], {"inputs": given}, document), document["outputs"])


def _outputs(known: Mapping[str, Any], outputs: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, output in outputs.items():
        try:
            found[name] = value(output["value"], known)
        except Skipped:
            found[name] = None
    return found


def _done(steps: Mapping[str, Any], around: Mapping[str, Any], document: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is known once the steps are done, in the order in which they are written: none needs a later one."""
    known = dict(around)
    for name, step in steps.items():
        try:
            for way in hard_mentions(step):
                if isinstance(known.get(way), Skipped):
                    raise Skipped(way)
            known[name] = _mapped(step, levels_of(step), known, document)
        except Skipped as skipped:
            known[name] = skipped
    return known


def levels_of(step: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the levels of a `for_each`, each with its variables and their lists."""
    each = step.get("for_each", {})
    return [one.get("$zip", one) for one in each.get("$levels", [each])] if each else []


def hard_mentions(step: Mapping[str, Any]) -> set[str]:
    """Return the names that a step cannot do without; what is inside of a block is about the steps there."""
    own = {name for level in levels_of(step) for name in level} | {"loop", "result"}
    found = {name for part in ("with", "for_each", "approve", "wait") for name in _heads(step.get(part))}
    for text in (step.get("when", ""), step.get("repeat", {}).get("until", "")):
        found |= set(re.findall(r"(?<![.\w])[a-z]\w*", text))
    return found - own


def _heads(expr: Any) -> Iterator[str]:
    if isinstance(expr, str):
        yield from (re.split(r"[.\[]", way)[0] for way in _REF.findall(expr.replace("$${", "")))
    elif isinstance(expr, dict):
        for key, inner in expr.items():
            yield from () if key == "$first" else _heads(inner)
    elif isinstance(expr, list):
        for inner in expr:
            yield from _heads(inner)


def _mapped(step: Mapping[str, Any], levels: list[dict[str, Any]], known: Mapping[str, Any], document: Mapping[str, Any]) -> Any:
    if not levels:
        return _once(step, known, document)
    found: list[Any] = []
    lists = {name: value(over, known) for name, over in levels[0].items()}
    for elements in zip(*lists.values(), strict=True):
        try:
            found.append(_mapped(step, levels[1:], {**known, **dict(zip(lists, elements, strict=True))}, document))
        except Skipped:
            continue
    return found


def _once(step: Mapping[str, Any], known: Mapping[str, Any], document: Mapping[str, Any]) -> Any:
    if "when" in step and not holds(step["when"], known):
        raise Skipped("when")
    repeat = step.get("repeat")
    if repeat is None:
        return _work(step, known, document)
    history: list[Any] = []
    for index in range(repeat["at_most"]):
        loop = {"index": index, "last": history[-1] if history else None, "history": [*history]}
        history.append(_work(step, {**known, "loop": loop}, document))
        if "until" in repeat and holds(repeat["until"], {"loop": loop}):
            break
    return history[-1]


def _work(step: Mapping[str, Any], known: Mapping[str, Any], document: Mapping[str, Any]) -> Any:
    if "approve" in step:
        value(step["approve"]["message"], known)
        return ANSWER
    if "wait" in step:
        return SIGNAL if isinstance(step["wait"], dict) and "event" in step["wait"] else None
    if "steps" in step:
        inner = _done(step["steps"], known, document)
        return _outputs(inner, step.get("outputs") or {name: {"value": f"${{{name}}}"} for name in _sinks(step["steps"])})
    given = value(step["with"], known)
    if "workflow" in step:
        return outputs_of(document["workflows"][step["workflow"]], given)
    return made(_kind(step), given["given"], given.get("n", 0))


def _kind(step: Mapping[str, Any]) -> str:
    _, _, kind = str(step.get("call", "")).partition(":")
    alike = {"thread": "number", "stream": "numbers", "lines": "numbers", "": "number"}
    return alike.get(kind, kind)


def _sinks(steps: Mapping[str, Any]) -> list[str]:
    used = {name for step in steps.values() for name in (*_all_heads(step), *step.get("after", ()))}
    return [name for name in steps if name not in used]


def _all_heads(step: Mapping[str, Any]) -> set[str]:
    """Return every name that a step mentions."""
    text = json.dumps({part: inner for part, inner in step.items() if part not in ("when", "repeat", "steps")})
    found = {re.split(r"[.\[]", way)[0] for way in _REF.findall(text.replace("$${", ""))}
    for condition in (step.get("when", ""), step.get("repeat", {}).get("until", "")):
        found |= set(re.findall(r"(?<![.\w])[a-z]\w*", condition))
    for inner in step.get("steps", {}).values():
        found |= _all_heads(inner)
    return found


# ------------------------------------------------------------------------------------------------------------------- values


def value(expr: Any, known: Mapping[str, Any]) -> Any:
    """Return the value of an expression. Raises `Skipped`."""
    if isinstance(expr, str) and (whole := _REF.fullmatch(expr)):
        return _at(whole[1], known)
    if isinstance(expr, list):
        return [value(inner, known) for inner in expr]
    if not isinstance(expr, dict):
        return expr
    if "$template" in expr:
        return _REF.sub(lambda hole: _text(_at(str(hole[1]), known)), expr["$template"].replace("$${no}", "\0")).replace("\0", "${no}")
    if "$first" in expr:
        for option in expr["$first"]:
            try:
                return value(option, known)
            except Skipped:
                continue
        raise Skipped("$first")
    return {name: value(inner, known) for name, inner in expr.items()}


def _text(found: Any) -> str:
    return found if isinstance(found, str) else json.dumps(found, ensure_ascii=False)


def _at(way: str, known: Mapping[str, Any]) -> Any:
    head, *path = re.findall(r"\[\*\]|\w+", way)
    found = known[head]
    if isinstance(found, Skipped):
        raise found
    return _into(found, path)


def _into(found: Any, path: list[str]) -> Any:
    for depth, part in enumerate(path):
        if part == "[*]":
            deeper = path[depth + 1 :]
            inner = [_into(element, deeper) for element in found or ()]
            return [one for many in inner for one in many] if "[*]" in deeper else inner
        found = None if found is None else found[part]
    return found


def holds(condition: str, known: Mapping[str, Any]) -> bool:
    """Return whether a condition holds, of the few that random workflows have."""
    found = _CONDITION.fullmatch(condition)
    assert found is not None
    got = _at(found["way"], known)
    if found["low"] is not None:
        got = len(got) if found["size"] else got
        return bool(got >= int(found["low"]) if ">=" in condition else got > int(found["low"]))
    return got is not (found["no"] == "!")
