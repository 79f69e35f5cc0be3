"""Hypothesis strategies for the data of workflows."""

from typing import Any

from hypothesis import strategies as st

from murakkab.spec import (
    WILD,
    CachePolicy,
    Effect,
    First,
    Goal,
    Input,
    Loop,
    OnError,
    Output,
    Ref,
    Rescue,
    Retry,
    Step,
    Template,
    Workflow,
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
loops = st.lists(st.builds(Loop, names, exprs), max_size=3, unique_by=lambda loop: loop.name).map(tuple)
with_ = st.dictionaries(names, exprs, max_size=3)


def steps(name: str) -> st.SearchStrategy[Step]:
    """Return steps called *name*."""
    return st.builds(
        Step,
        name=st.just(name),
        uses=names,
        with_=with_,
        for_each=loops,
        max_parallel=st.none() | st.integers(1, 99),
        when=st.sampled_from(["", "inputs.n > 3"]),
        after=st.lists(names, max_size=2).map(tuple),
        retry=retries,
        timeout=st.none() | numbers,
        on_error=on_errors,
        cache=st.none() | st.builds(CachePolicy, st.none() | numbers),
        effect=st.none() | st.sampled_from(list(Effect)),
        executor=st.just("") | names,
        knobs=with_,
        description=texts,
    )


step_maps = st.lists(names, max_size=3, unique=True).flatmap(lambda found: st.fixed_dictionaries({name: steps(name) for name in found}))
inputs = st.one_of(
    st.builds(Input, types, description=texts),
    st.builds(Input, types, exprs, st.just(False), texts),
)
goals = st.builds(
    Goal,
    st.lists(st.sampled_from(["latency", "energy", "cost", "quality"]), max_size=4).map(tuple),
    st.fixed_dictionaries({}, optional={"latency": numbers, "energy": numbers, "cost": numbers, "quality": st.floats(0, 1)}),
)
workflows = st.builds(
    Workflow,
    texts.filter(bool),
    texts,
    st.dictionaries(names, inputs, max_size=2),
    step_maps,
    st.dictionaries(names, st.builds(Output, exprs, types, st.booleans(), texts), max_size=2),
    goals,
)
