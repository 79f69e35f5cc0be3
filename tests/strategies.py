"""Hypothesis strategies for the data of workflows."""

from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from murakkab.spec import (
    TIERS,
    WILD,
    Approve,
    Block,
    CachePolicy,
    Effect,
    First,
    Goal,
    Input,
    Loop,
    Need,
    OnError,
    Otherwise,
    Output,
    Prefer,
    Ref,
    Repeat,
    Rescue,
    Retry,
    Step,
    Template,
    Wait,
    Workflow,
    limited,
)
from murakkab.types import ANY, BOOL, FILE, FLOAT, INT, NULL, STR, Field, Type, list_of, optional

names = st.from_regex(r"[A-Za-z_][A-Za-z0-9_-]{0,8}", fullmatch=True)
texts = st.text(st.characters(codec="utf-8", exclude_categories=("Cs",)), max_size=12)
#: Text that is likely to be mistaken for a reference.
tricky = st.text("${}ab.[*]~/\\'\" :#-\n", max_size=12)
numbers = st.floats(min_value=0, max_value=1e9, allow_nan=False)
scalars: st.SearchStrategy[Any] = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(allow_nan=False, allow_infinity=False), texts, tricky
)


def _is_field(text: str) -> bool:
    """A field that is all digits or `*` cannot be told from an index in a JSON pointer."""
    return text != "*" and not (text.isascii() and text.isdigit())


paths = st.lists(st.one_of(names, st.integers(0, 10**8), st.just(WILD), tricky.filter(_is_field)), max_size=4).map(tuple)
refs = st.builds(Ref, names, paths)
hole_refs = st.builds(Ref, names, st.lists(st.one_of(names, st.integers(0, 99), st.just(WILD)), max_size=3).map(tuple))


def _merged(parts: list[Any]) -> Template:
    """Neighbouring texts are one text, and empty ones are none: only so is a template written in one way."""
    merged: list[Any] = []
    for part in parts:
        if isinstance(part, str) and merged and isinstance(merged[-1], str):
            merged[-1] += part
        elif part != "":
            merged.append(part)
    return Template(tuple(merged))


templates = st.lists(st.one_of(tricky, texts, hole_refs), max_size=5).map(_merged)
exprs: st.SearchStrategy[Any] = st.recursive(
    st.one_of(scalars, refs, templates),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.one_of(texts, tricky), inner, max_size=3),
        st.lists(inner, min_size=1, max_size=3).map(lambda options: First(tuple(options))),
    ),
    max_leaves=6,
)


def _record(fields: dict[str, tuple[Type, bool]]) -> Type:
    return Type("record", fields=tuple(Field(name, of, may_miss) for name, (of, may_miss) in fields.items()))


types: st.SearchStrategy[Type] = st.recursive(
    st.sampled_from([ANY, NULL, BOOL, INT, FLOAT, STR, FILE]),
    lambda inner: st.one_of(
        inner.map(list_of),
        inner.map(lambda of: Type("map", of)),
        inner.map(optional),
        st.dictionaries(names, st.tuples(inner, st.booleans()), max_size=3).map(_record),
    ),
    max_leaves=6,
)

retries = st.builds(Retry, attempts=st.integers(1, 9), delay=numbers, backoff=st.floats(1, 10), max_delay=numbers, jitter=st.floats(0, 1))
on_errors = st.one_of(
    st.sampled_from([OnError(), OnError(Rescue.SKIP)]),
    exprs.map(lambda value: OnError(Rescue.DEFAULT, default=value)),
    names.map(lambda name: OnError(Rescue.FALLBACK, fallback=name)),
)


def _loops(found: list[tuple[str, Any]], zipped: bool) -> tuple[Loop, ...]:
    if not zipped or len(found) < 2:
        return tuple(Loop(name, over) for name, over in found)
    (name, over), (other, along), *rest = found
    return (Loop(name, over, {other: along}), *(Loop(name, over) for name, over in rest))


loops = st.builds(_loops, st.lists(st.tuples(names, exprs), max_size=3, unique_by=lambda pair: pair[0]), st.booleans())
with_ = st.dictionaries(names, exprs, max_size=2)
inputs = st.one_of(
    st.builds(Input, types, description=texts),
    st.builds(Input, types, exprs, st.just(False), texts),
)
outputs = st.dictionaries(names, st.builds(Output, exprs, types, st.booleans(), texts), max_size=2)
repeats = st.builds(
    Repeat, st.integers(1, 99), st.sampled_from(["", "result.score > 0.8"]), st.sampled_from(list(Otherwise)), st.sampled_from([0.0, 2.5])
)
needs = st.one_of(
    st.integers(0, 9).map(Need),
    st.floats(0.01, 1).map(lambda share: Need(share=share)),
    st.builds(Need, st.integers(1, 3), of=st.integers(3, 9)),
)
values = refs | templates
approvals = st.builds(Approve, exprs, st.dictionaries(names, inputs, max_size=2))
waits = st.one_of(
    st.builds(Wait, seconds=numbers | values),
    st.builds(Wait, until=st.sampled_from(["2030-01-31T09:00:00Z", "2030-01-31"]) | numbers | values),
    st.builds(Wait, event=names | values, type=types),
)
_plain_work: st.SearchStrategy[dict[str, Any]] = st.one_of(
    st.fixed_dictionaries({"uses": names}, optional={"does": texts}),
    st.fixed_dictionaries({"call": names.map(lambda name: f"m:{name}")}),
    st.fixed_dictionaries({"does": texts.filter(bool)}),
    st.fixed_dictionaries({"workflow": names}),
    st.fixed_dictionaries({"approve": approvals}),
    st.fixed_dictionaries({"wait": waits}),
)
_ways: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {},
    optional={
        "with_": with_,
        "for_each": loops,
        "max_parallel": st.integers(1, 99),
        "repeat": repeats,
        "need": needs,
        "when": st.just("inputs.n > 3"),
        "after": st.lists(names, max_size=2).map(tuple),
        "retry": retries,
        "timeout": numbers,
        "on_error": on_errors,
        "cache": st.builds(CachePolicy, st.none() | numbers),
        "effect": st.sampled_from(list(Effect)),
        "executor": names,
        "prefer": st.builds(Prefer, st.sampled_from(["", "gpu"]), st.just("") | names),
        "knobs": with_,
        "description": texts,
    },
)


# As functions: Hypothesis writes out what strategies are made of, and stops where that is too long.


@st.composite
def plain_work(draw: st.DrawFn) -> dict[str, Any]:
    """The work of a step that is one thing, as the fields that say it."""
    return draw(_plain_work)


@st.composite
def ways(draw: st.DrawFn) -> dict[str, Any]:
    """How a step is done: everything but its work, each field there or not."""
    return draw(_ways)


_OF_EXECUTORS = ("retry", "cache", "effect", "executor", "prefer", "knobs")


def _fitting(work: dict[str, Any], way: dict[str, Any]) -> dict[str, Any]:
    """Leave out of *way* what means nothing for *work*."""
    without: set[str] = set()
    if {"workflow", "block", "approve", "wait"} & work.keys():
        without |= {*_OF_EXECUTORS, "on_error"}
    if {"block", "approve", "wait"} & work.keys():
        without.add("with_")
    if {"approve", "wait"} & work.keys():
        without.add("repeat")
    if not way.get("for_each"):
        without.add("max_parallel")
        if "block" not in work:
            without.add("need")
    return {field: value for field, value in way.items() if field not in without}


def _named(found: list[tuple[str, dict[str, Any], dict[str, Any]]]) -> dict[str, Step]:
    return {name: Step(name, **work, **_fitting(work, way)) for name, work, way in found}


def _step_maps(work: st.SearchStrategy[dict[str, Any]], *, most: int) -> st.SearchStrategy[dict[str, Step]]:
    return st.lists(st.tuples(names, work, ways()), max_size=most, unique_by=lambda one: one[0]).map(_named)


def _blocks(work: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    return st.builds(Block, _step_maps(work, most=2), outputs).map(lambda block: {"block": block})


@st.composite
def _deep_work(draw: st.DrawFn, *, depth: int) -> dict[str, Any]:
    return draw(_blocks(_deep_work(depth=depth - 1)) if depth and draw(st.integers(0, 3)) == 3 else plain_work())


step_maps = _step_maps(_deep_work(depth=2), most=3)
goals = st.builds(
    Goal,
    st.lists(st.sampled_from(["latency", "energy", "cost", "quality"]), max_size=4).map(tuple),
    st.fixed_dictionaries(
        {}, optional={**dict.fromkeys(("latency", "latency_p90", "energy", "cost"), numbers), "quality": st.floats(0, 1)}
    ),
    st.sampled_from(["mean", "product"]),
)
tiers = st.dictionaries(st.sampled_from(["latency", "energy", "cost", "quality"]), st.sampled_from(TIERS), max_size=2)
goals = st.builds(limited, goals, tiers)
#: What no reference is looked for in.
plain_data: st.SearchStrategy[Any] = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(texts | tricky, inner, max_size=2), max_leaves=3
)
profiles = st.dictionaries(
    texts, st.dictionaries(st.sampled_from(["steps", "inputs", "defaults", "budget", "goal"]), plain_data, max_size=2), max_size=2
)


def _closed(steps: dict[str, Step], definitions: dict[str, Workflow]) -> dict[str, Step]:
    """Make the steps that run a workflow run one that is there; where there is none they use a capability instead."""
    key = next(iter(definitions), "")
    found: dict[str, Step] = {}
    for name, step in steps.items():
        if step.workflow:
            step = replace(step, workflow=key) if key else replace(step, workflow="", uses=step.workflow)
        if step.block is not None:
            step = replace(step, block=replace(step.block, steps=_closed(dict(step.block.steps), definitions)))
        found[name] = step
    return found


_flat_workflows = st.builds(
    Workflow,
    texts.filter(bool),
    texts,
    st.sampled_from(["", "2", "2.1"]),
    st.dictionaries(names, inputs, max_size=2),
    step_maps,
    outputs,
    finally_=st.just({}) | _step_maps(plain_work(), most=1),
    goal=goals,
    timeout=st.none() | numbers,
    budget=st.fixed_dictionaries({}, optional={"cost": numbers, "energy": numbers, "tokens": numbers, "time": numbers}),
    secrets=st.dictionaries(names, st.sampled_from(["env:TOKEN", "file:/run/secrets/x y"]), max_size=1),
    profiles=st.just({}) | profiles,
)


@st.composite
def _workflows(draw: st.DrawFn, *, depth: int) -> Workflow:
    workflow = draw(_flat_workflows)
    definitions = {draw(names): draw(_workflows(depth=depth - 1))} if depth and draw(st.booleans()) else {}
    steps, last = (_closed(dict(some), definitions) for some in (workflow.steps, workflow.finally_))
    return replace(workflow, steps=steps, finally_=last, workflows=definitions)


workflows = _workflows(depth=2)
