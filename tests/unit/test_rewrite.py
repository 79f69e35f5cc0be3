"""Rewrites change how often something runs, never what comes out of it or what is done to the world."""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from murakkab.plan import Node, TaskGraph
from murakkab.planner import compile as planner
from murakkab.planner.rewrite import simplify
from murakkab.runtime.messages import FinishJob, JobSubmitted, StartTask, TaskFailed, TaskSucceeded
from murakkab.runtime.state import JobState
from murakkab.spec import (
    CachePolicy,
    Effect,
    First,
    Loop,
    Need,
    OnError,
    Output,
    Prefer,
    Ref,
    Repeat,
    Rescue,
    Retry,
    Step,
    Template,
    Workflow,
)
from tests.fakes import CATALOG, FALLBACK, SKIP, default, graph, step, workflow

PURE, READ, WRITE, IRREVERSIBLE = Effect


# --------------------------------------------------------------------------------------------------- nothing changes outside


def ran(of: TaskGraph, inputs: Mapping[str, Any], failing: frozenset[str] = frozenset()) -> tuple[str, Mapping[str, Any], Counter[str]]:
    """Return status, outputs, and what was done to the world, when every call gives a hash of all that it is given.

    Calls whose hash ends in one of *failing* fail, whichever step makes them.
    """
    state, now = JobState(of), 0.0
    commands, agenda = state.handle(JobSubmitted(now, inputs)), []
    effects: Counter[str] = Counter()
    while True:
        for command in commands:
            if isinstance(command, FinishJob):
                return command.status, command.outputs, effects
            if isinstance(command, StartTask):
                agenda.append(command)
        now += 1.0
        start = agenda.pop()
        given_ = json.dumps([start.node.call, start.node.uses, start.inputs, start.knobs], sort_keys=True)
        value = hashlib.sha256(given_.encode()).hexdigest()[:6]
        if value[-1] in failing:
            commands = state.handle(TaskFailed(now, start.task, "broken", "as told", retryable=True, started=now))
            continue
        if not start.node.effect.is_free:
            effects[f"{start.node.effect} {given_}"] += 1
        result = {"v": value, "xs": [value[:i] for i in range(int(value[0], 16) % 4)], "b": int(value[1], 16) > 4}
        commands = state.handle(TaskSucceeded(now, start.task, result, now))


def one_of(before: list[tuple[str, bool]]) -> st.SearchStrategy[Any]:
    """Return expressions over earlier steps; (name, is a loop)."""
    values: list[Any] = [1, 2, Ref("inputs", ("xs",))]
    for name, loops in before:
        values += [Ref(name), Template(("<", Ref(name), ">"))]
        values += [] if loops else [Ref(name, ("v",)), {"deep": [Ref(name, ("b",))]}]
    simple = st.sampled_from(values)
    return st.one_of(simple, simple, st.lists(simple, min_size=1, max_size=2).map(lambda found: First(tuple(found))))


@st.composite
def workflows(draw: st.DrawFn) -> Workflow:
    """Return small workflows that have many steps alike."""
    steps: dict[str, Step] = {}
    before: list[tuple[str, bool]] = []
    for i in range(draw(st.integers(2, 10))):
        name = f"s{i}"
        if before and draw(st.integers(0, 2)) == 0:
            like, loops = draw(st.sampled_from(before))
            steps[name] = replace(steps[like], name=name)
            before.append((name, loops))
            continue
        plain = [one for one, loops in before if not loops]
        lists: list[Any] = [Ref("inputs", ("xs",)), *(Ref(one, ("xs",)) for one in plain), *(Ref(one) for one, loops in before if loops)]
        over = draw(st.none() | st.sampled_from(lists))
        with_: dict[str, Any] = {"item": Ref("item")} if over is not None and draw(st.booleans()) else {}
        with_ |= draw(st.dictionaries(st.just("x"), one_of(before)))
        steps[name] = Step(
            name,
            uses="work",
            with_=with_,
            for_each=() if over is None else (Loop("item", over),),
            effect=draw(st.sampled_from([PURE, PURE, READ, WRITE])),
            when=draw(st.sampled_from(["", "", *(f"{one}.b" for one in plain)])),
            after=draw(st.sampled_from([(), (), *((one,) for one, _ in before)])),
            on_error=draw(
                st.sampled_from(
                    [OnError(Rescue.SKIP), OnError(Rescue.SKIP), OnError(Rescue.DEFAULT, default={"v": 0, "xs": [], "b": False})]
                )
            ),
            max_parallel=draw(st.sampled_from([None, None, 1])) if over is not None else None,
        )
        before.append((name, over is not None))
    outputs = draw(st.dictionaries(st.sampled_from("abc"), one_of(before).map(lambda value: Output(value, optional=True)), max_size=3))
    return Workflow("test", inputs=workflow().inputs, steps=steps, outputs=outputs)


def untouched(declared: Workflow) -> TaskGraph:
    """Return the graph of *declared* with nothing rewritten."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(planner, "simplify", lambda nodes, outputs, **_: (dict(nodes), dict(outputs), []))
        return planner.compile_workflow(declared, CATALOG)


@settings(max_examples=200)
@given(workflows(), st.lists(st.integers(0, 2), max_size=3), st.frozensets(st.sampled_from("0123456789abcdef"), max_size=5))
def test_outputs_and_effects_stay_as_they_were(declared: Workflow, xs: list[int], failing: frozenset[str]) -> None:
    rewritten = planner.compile_workflow(declared, CATALOG)

    assert ran(rewritten, {"xs": xs}, failing) == ran(untouched(declared), {"xs": xs}, failing)


@given(workflows())
def test_what_has_an_effect_stays_and_every_change_is_told(declared: Workflow) -> None:
    rewritten = planner.compile_workflow(declared, CATALOG)
    gone = [name for name in declared.steps if name not in rewritten.nodes]

    assert not [name for name in gone if declared.steps[name].effect is WRITE]
    assert sorted(said.split()[0] for said in rewritten.rewrites) == sorted(gone)
    for node in rewritten.nodes.values():
        assert set(node.needs) <= set(rewritten.nodes)


# ------------------------------------------------------------------------------------------------------------------ merging


def left(*steps: Step, **parts: Any) -> list[str]:
    """Return the names of the steps that are left."""
    return list(graph(*steps, **parts).nodes)


@pytest.mark.parametrize("effect", [PURE, READ])
def test_identical_free_steps_run_once_whatever_they_are_called(effect: Effect) -> None:
    made = graph(
        step("a", x=1, effect=effect, description="one"),
        step("b", x=1, effect=effect, description="other"),
        step("c", y=["${b.z}"], t={"$template": "${b}"}, f={"$first": ["${a}", "${b}"]}, d={"k": "${b}"}),
        outputs={"a": "${a}", "b": {"$template": "${b.v}"}, "c": "${c}"},
    )

    assert list(made.nodes) == ["a", "c"]
    assert made.rewrites == ("b is the same call as a: runs once",)
    both = First((Ref("a"), Ref("a")))
    assert made.nodes["c"].with_ == {"y": [Ref("a", ("z",))], "t": Template((Ref("a"),)), "f": both, "d": {"k": Ref("a")}}
    assert made.nodes["c"].needs == ("a",)
    assert made.nodes["c"].tolerant == frozenset()
    assert made.nodes["a"].consumers == ("c",)
    assert made.outputs == {"a": Ref("a"), "b": Template((Ref("a", ("v",)),)), "c": Ref("c")}


@pytest.mark.parametrize("effect", [WRITE, IRREVERSIBLE])
def test_steps_with_an_effect_are_never_merged(effect: Effect) -> None:
    assert left(step("a", x=1, effect=effect), step("b", x=1, effect=effect)) == ["a", "b"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"x": 1}, {"x": 2}),
        ({"x": 1}, {"x": True}),
        ({"x": 1}, {"x": 1.0}),
        ({"x": 1}, {"x": "1"}),
        ({"x": "a"}, {"x": ["a"]}),
        ({"x": "$${first}"}, {"x": "${first}"}),
        ({"x": "${first.a}"}, {"x": "${first.b}"}),
        ({"x": "${first.a}"}, {"x": {"$template": "${first.a}"}}),
        ({"x": "${first[0]}"}, {"x": {"$ref": "first", "path": "/0x"}}),
        ({"x": 1}, {"y": 1}),
        ({}, {"after": ("first",)}),
        ({}, {"retry": 2}),
        ({}, {"timeout": 5.0}),
        ({}, {"cache": CachePolicy()}),
        ({"cache": CachePolicy(1.0)}, {"cache": CachePolicy(2.0)}),
        ({}, {"when": "inputs.flag"}),
        ({"when": "inputs.flag"}, {"when": "!inputs.flag"}),
        ({}, {"executor": "fake"}),
        ({}, {"knobs": {"speed": 1}}),
        ({"knobs": {"speed": 2}}, {"knobs": {"speed": 1}}),
        ({}, {"on_error": SKIP}),
        ({"on_error": default(1)}, {"on_error": default(2)}),
        ({"on_error": FALLBACK}, {"on_error": SKIP}),
        ({}, {"each": "${inputs.xs}"}),
        ({"each": "${inputs.xs}"}, {"each": "${inputs.flag}"}),
        ({"each": "${inputs.xs}"}, {"each": "${inputs.xs}", "max_parallel": 2}),
        ({"effect": PURE}, {"effect": READ}),
        ({"each": "${inputs.xs}"}, {"each": "${inputs.xs}", "need": Need(2)}),
        ({}, {"prefer": Prefer("gpu")}),
        ({"prefer": Prefer(model="a")}, {"prefer": Prefer(model="b")}),
        ({}, {"repeat": Repeat(2)}),
        ({"repeat": Repeat(2)}, {"repeat": Repeat(2)}),
        ({"uses": "work"}, {"uses": "", "call": "m:f"}),
        ({"uses": "", "call": "m:g"}, {"uses": "", "call": "m:f"}),
    ],
)
def test_steps_that_differ_in_what_they_do_are_not_merged(one: dict[str, Any], other: dict[str, Any]) -> None:
    steps = [step("first"), step("a", **{"effect": PURE, **one}), step("b", **{"effect": PURE, **other})]

    assert sorted(left(*steps)) == ["a", "b", "first"]


@pytest.mark.parametrize(
    "same",
    [
        {"retry": Retry(3, 1.0)},
        {"timeout": 5.0},
        {"cache": CachePolicy(5.0)},
        {"when": "inputs.flag && first.x"},
        {"executor": "fake", "knobs": {"speed": 1}},
        {"on_error": default({"a": "${first}"})},
        {"each": {"p": "${inputs.xs}", "q": "${p}"}, "x": "${q}", "max_parallel": 3},
        {"after": ("first",)},
        {"x": {"b": 1, "a": ["${first}"]}},
    ],
)
def test_steps_that_are_alike_in_everything_are_merged(same: dict[str, Any]) -> None:
    assert sorted(left(step("first"), step("a", effect=PURE, **same), step("b", effect=PURE, **same))) == ["a", "first"]


def test_the_order_of_keys_and_needs_does_not_matter() -> None:
    one = step("c", effect=PURE, x="${p}", y="${q}")
    other = step("d", effect=PURE, y="${q2}", x="${p2}")
    steps = [step(name, effect=PURE, n=name[0]) for name in ("p", "q", "q2", "p2")]

    assert sorted(left(*steps, one, other)) == ["c", "p", "q"]


def test_merging_goes_on_with_those_that_become_alike() -> None:
    steps = [step(f"{name}{i}", effect=PURE, **parts) for i in (1, 2) for name, parts in (("a", {"x": 1}), ("b", {"x": f"${{a{i}}}"}))]
    made = graph(*steps, step("c", x="${b1}", y="${b2}"))

    assert sorted(made.nodes) == ["a1", "b1", "c"]
    assert made.nodes["c"].with_ == {"x": Ref("b1"), "y": Ref("b1")}
    assert made.rewrites == ("a2 is the same call as a1: runs once", "b2 is the same call as b1: runs once")


def test_maps_are_merged_and_what_they_stream_to_is_fed_by_the_one_that_is_left() -> None:
    maps = [step(name, each="${inputs.xs}", x="${item}", effect=PURE) for name in ("m", "n")]
    made = graph(*maps, step("s", each="${n}", x="${item}", when="item.ok"), step("t", each="${n[*].parts[*]}", x="${item}"))

    assert made.nodes["m"].feeds == ("s", "t")
    assert [made.nodes[name].stream.source for name in "st"] == ["m", "m"]  # type: ignore[union-attr]


def test_a_step_that_a_condition_names_keeps_its_name() -> None:
    made = graph(step("a", effect=PURE), step("b", effect=PURE), step("c", x="${a}", when="b.ok"))

    assert sorted(made.nodes) == ["a", "b", "c"]
    assert made.rewrites == ()


def test_tolerance_of_one_twin_does_not_outlive_need_of_the_other() -> None:
    twins = [step(name, effect=PURE, when="inputs.flag") for name in "ab"]
    made = graph(*twins, step("soft", x={"$first": ["${a}", "${b}", 1]}), step("hard", x={"$first": ["${b}", 1]}, y="${a}"))

    assert made.nodes["soft"].tolerant == {"a"}
    assert made.nodes["hard"].tolerant == frozenset()
    assert made.nodes["hard"].needs == ("a",)


# ----------------------------------------------------------------------------------------------------------------- dropping


def test_what_nobody_uses_and_has_no_effect_is_dropped_with_all_that_only_it_used() -> None:
    made = graph(
        step("used", effect=PURE),
        step("a", effect=READ),
        step("b", effect=PURE, x="${a}"),
        step("w", effect=WRITE, x="${used.y}"),
        outputs={"o": 1},
    )

    assert list(made.nodes) == ["used", "w"]
    assert made.rewrites == (
        "a is dropped: nothing uses its result and it has no effect",
        "b is dropped: nothing uses its result and it has no effect",
    )
    assert made.nodes["used"].consumers == ("w",)


@pytest.mark.parametrize(
    "use",
    [
        {"x": "${a}"},
        {"x": {"$first": [1, "${a}"]}},
        {"x": {"$template": "${a}"}},
        {"after": ("a",)},
        {"when": "a.ok"},
        {"each": "${a.xs}"},
        {"knobs": {"speed": "${a}"}},
        {"on_error": default("${a}")},
    ],
)
def test_what_is_used_in_any_way_stays(use: dict[str, Any]) -> None:
    assert sorted(left(step("a", effect=PURE), step("b", effect=WRITE, **use), outputs={"o": 1})) == ["a", "b"]


def test_a_map_that_only_feeds_another_stays() -> None:
    made = graph(step("m", each="${inputs.xs}", effect=PURE), step("s", each="${m}", x="${item}"), outputs={"o": 1})

    assert list(made.nodes) == ["m", "s"]


def test_without_declared_outputs_nothing_is_dropped() -> None:
    assert left(step("a", effect=PURE), step("b", effect=PURE, x=1)) == ["a", "b"]


def test_lists_side_by_side_tell_maps_apart_and_are_renamed() -> None:
    def zipped(name: str, beside: str) -> Step:
        one = step(name, each="${inputs.xs}", x="${item}", effect=PURE)
        return replace(one, for_each=(replace(one.for_each[0], beside={"other": Ref(beside)}),))

    made = graph(
        *(step(name, effect=PURE, x=1) for name in "ab"), step("c", effect=PURE, x=2), *(zipped(f"z{name}", name) for name in "abc")
    )

    assert sorted(made.nodes) == ["a", "c", "za", "zc"]
    assert made.nodes["za"].loops[0].beside == {"other": Ref("a")}


def test_what_is_kept_for_others_stays_under_its_name() -> None:
    nodes = untouched(workflow(step("a", effect=PURE), step("b", effect=PURE))).nodes
    found = simplify(nodes, {"o": 1}, droppable=True, kept=frozenset("b"))

    assert list(found[0]) == ["b"]


def test_simplify_does_not_change_what_it_is_given() -> None:
    nodes = {name: replace(node) for name, node in untouched(workflow(step("a", effect=PURE), step("b", effect=PURE))).nodes.items()}
    before: dict[str, Node] = dict(nodes)
    outputs: dict[str, Any] = {"o": Ref("b")}
    found = simplify(nodes, outputs, droppable=True)

    assert (nodes, outputs) == (before, {"o": Ref("b")})
    assert (list(found[0]), found[1]) == (["a"], {"o": Ref("a")})
