"""A declaration becomes a graph: who waits for whom, what streams, what is most critical."""

from typing import Any

import pytest

from murakkab.catalog import Capability, Catalog, ExecutorCard, Quote
from murakkab.plan import Stream
from murakkab.planner.compile import compile_workflow
from murakkab.planner.links import ASSUMED_SECONDS
from murakkab.planner.providers import effect_of
from murakkab.spec import WILD, Effect, Maybe, Ref, Step, Template
from murakkab.types import ANY, INT, STR, parse_type
from tests.catalogs import functions, small_catalog
from tests.effort import effort
from tests.fakes import CATALOG, FALLBACK, WORK, default, expr, graph, step, workflow

# -------------------------------------------------------------------------------------------------------------- who waits


@pytest.mark.parametrize(
    ("parts", "needs", "tolerant"),
    [
        ({"x": "${a}"}, ("a",), ()),
        ({"x": {"deep": [1, "${b.y[0]}"]}, "y": "${a[*].z}"}, ("a", "b"), ()),
        ({"x": {"$template": "${a} and ${b.c}"}}, ("a", "b"), ()),
        ({"knobs": {"speed": "${a}"}}, ("a",), ()),
        ({"when": "a.size > 2 && inputs.flag"}, ("a",), ()),
        ({"after": ("b", "a")}, ("a", "b"), ("a", "b")),
        ({"x": {"$first": ["${a}", "${b}"]}}, ("a", "b"), ("a", "b")),
        ({"x": [{"$first": ["${a}", {"y": ["${b}"]}, 3]}]}, ("a", "b"), ("a", "b")),
        ({"x": {"$first": [{"$template": "${a}"}, "${b}"]}, "y": "${b}"}, ("a", "b"), ("a",)),
        ({"x": {"$first": ["${a}", "${b}"]}, "after": ("a",), "when": "b > 1"}, ("a", "b"), ("a",)),
        ({"x": "${a}", "after": ("a",)}, ("a",), ()),
        ({"on_error": default({"y": ["${a.z}"]})}, ("a",), ("a",)),
        ({"on_error": default("${a}"), "x": "${a}"}, ("a",), ()),
        ({"each": "${a.items}", "x": "${item.b}"}, ("a",), ()),
        ({"each": {"one": "${a.items}", "two": "${one.more}", "three": "${b}"}, "x": "${two}"}, ("a", "b"), ()),
        ({"each": {"one": {"$first": ["${a}", "${b}"]}}, "x": "${one}"}, ("a", "b"), ("a", "b")),
        ({"each": "${inputs.xs}", "when": "item.n > 1"}, (), ()),
        ({"x": "${inputs.xs}", "y": "$${a}"}, (), ()),
    ],
)
def test_a_step_needs_what_it_mentions(parts: dict[str, Any], needs: tuple[str, ...], tolerant: tuple[str, ...]) -> None:
    made = graph(step("a"), step("b"), step("s", **parts))
    node = made.nodes["s"]

    assert (node.needs, node.tolerant, node.stream) == (needs, frozenset(tolerant), None)
    for name in ("a", "b"):
        assert made.nodes[name].consumers == (("s",) if name in needs else ())
        assert made.nodes[name].feeds == ()


def test_needs_come_in_the_order_of_the_declaration_and_once() -> None:
    made = graph(step("b"), step("a"), step("s", x=["${a}", "${b}", "${a.y}"]), step("t", x="${b}"))

    assert made.nodes["s"].needs == ("b", "a")
    assert made.nodes["b"].consumers == ("s", "t")


def test_nodes_are_in_topological_order() -> None:
    made = graph(step("c", x="${b}"), step("b", after=("a",)), step("d", each="${m}", x="${item}"), step("m", each="${a}"), step("a"))
    order = list(made.nodes)

    for name, node in made.nodes.items():
        before = (*node.needs, *([node.stream.source] if node.stream else ()))
        assert all(order.index(one) < order.index(name) for one in before)


# --------------------------------------------------------------------------------------------------------------- streaming


@pytest.mark.parametrize(
    ("over", "stream"),
    [
        ("${m}", Stream("m")),
        ("${m[*]}", Stream("m")),
        ("${m[*][*]}", Stream("m", (WILD,))),
        ("${m[*].parts[*].x}", Stream("m", ("parts", WILD, "x"))),
        ("${m[0]}", None),
        ("${m[0][*]}", None),
        ("${one}", None),
        ("${one[*]}", None),
        ("${deep}", None),
        ("${deep[*][*]}", None),
        (["${m}"], None),
        ({"$first": ["${m}", []]}, None),
        ("${inputs.xs}", None),
    ],
)
def test_a_loop_over_the_results_of_a_loop_takes_them_one_by_one(over: Any, stream: Stream | None) -> None:
    levels = {"p": "${inputs.xs}", "q": "${p}"}
    made = graph(step("m", each="${inputs.xs}"), step("one"), step("deep", each=levels), step("s", each={"item": over}, x="${item}"))
    node = made.nodes["s"]

    assert node.stream == stream
    assert made.nodes["m"].feeds == (("s",) if stream else ())
    if stream:
        assert node.needs == ()
        assert made.nodes["m"].consumers == ()


def test_a_stream_that_is_also_an_input_is_awaited_whole() -> None:
    made = graph(step("m", each="${inputs.xs}"), step("s", each="${m}", x="${item}", all="${m}"))

    assert made.nodes["s"].stream == Stream("m")
    assert made.nodes["s"].needs == ("m",)
    assert (made.nodes["m"].consumers, made.nodes["m"].feeds) == (("s",), ("s",))


def test_only_the_first_level_streams() -> None:
    made = graph(step("m", each="${inputs.xs}"), step("n", each="${inputs.xs}"), step("s", each={"a": "${m}", "b": "${n}"}, x="${b}"))

    assert made.nodes["s"].stream == Stream("m")
    assert made.nodes["s"].needs == ("n",)


# ------------------------------------------------------------------------------------------------------------------- ranks


def timed(*seconds: float) -> Catalog:
    cards = {f"takes-{one:g}": ExecutorCard(f"takes-{one:g}", "work", "", quote=Quote(seconds=one)) for one in seconds}
    return Catalog({"work": WORK}, cards)


def test_the_rank_is_the_longest_path_of_work_to_the_end() -> None:
    made = graph(
        step("a", executor="takes-2"),
        step("b", executor="takes-10", x="${a}"),
        step("c", executor="takes-1", x="${a}"),
        step("d", executor="takes-3", x=["${b}", "${c}"]),
        step("alone", executor="takes-10"),
        catalog=timed(1, 2, 3, 10),
    )

    assert {name: node.rank for name, node in made.nodes.items()} == {"a": 15, "b": 13, "c": 4, "d": 3, "alone": 10}


def test_streams_and_order_count_for_ranks_and_the_quickest_executor_is_assumed() -> None:
    made = graph(step("m", each="${inputs.xs}"), step("s", each="${m}", x="${item}"), step("t", after=("s",)), catalog=timed(5, 2))

    assert [made.nodes[name].rank for name in "mst"] == [6, 4, 2]


def test_what_nothing_is_known_of_is_assumed_to_take_a_second() -> None:
    assert graph(step("a"), catalog=Catalog({"work": WORK})).nodes["a"].rank == ASSUMED_SECONDS


# ----------------------------------------------------------------------------------------------------------------- outputs


def test_without_declared_outputs_what_nobody_consumes_is_one_and_may_be_skipped() -> None:
    made = graph(
        step("m", each="${inputs.xs}"), step("s", each="${m}", x="${item}"), step("a"), step("b", after=("a",)), step("c", when="b > 1")
    )

    assert made.outputs == {"s": Ref("s"), "c": Ref("c")}
    assert made.optional_outputs == {"s", "c"}


def test_declared_outputs_are_taken_as_they_are() -> None:
    made = graph(step("a"), step("b"), outputs={"x": ["${b.y}", "${inputs.xs}"], "z": 3}, optional=["z"])

    assert made.outputs == {"x": [Ref("b", ("y",)), Ref("inputs", ("xs",))], "z": 3}
    assert made.optional_outputs == {"z"}


# ------------------------------------------------------------------------------------------------------------- types, effects


def test_the_type_of_a_task_is_that_of_an_element() -> None:
    steps = [
        Step("one", call="jobs:double", with_={"x": 1}),
        Step("many", call="jobs:double", with_={"x": 1}, for_each=step("_", each={"a": "${inputs.xs}", "b": "${a}"}).for_each),
        Step("whatever", call="jobs:anything", for_each=step("_", each="${inputs.xs}").for_each),
        Step("text", uses="text-summary", with_={"text": "x"}),
    ]
    made = compile_workflow(workflow(*steps), small_catalog(), functions())

    assert [made.nodes[one.name].result for one in steps] == [INT, INT, ANY, STR]
    assert made.nodes["one"].uses == "python"


@pytest.mark.parametrize(
    ("parts", "effect"),
    [
        ({"uses": "text-summary"}, Effect.PURE),
        ({"uses": "payment"}, Effect.IRREVERSIBLE),
        ({"uses": "payment", "effect": Effect.READ}, Effect.READ),
        ({"uses": "text-summary", "on_error": FALLBACK}, Effect.PURE),
        ({"uses": "mixed"}, Effect.WRITE),
        ({"uses": "mixed", "executor": "mild"}, Effect.READ),
        ({"uses": "unknown"}, Effect.WRITE),
        ({"call": "jobs:double"}, Effect.READ),
        ({"call": "jobs:double", "effect": Effect.IRREVERSIBLE}, Effect.IRREVERSIBLE),
    ],
)
def test_the_effect_is_what_is_declared_else_the_worst_that_may_happen(parts: dict[str, Any], effect: Effect) -> None:
    known = small_catalog()
    more = {
        "mild": ExecutorCard("mild", "mixed", "", effect=Effect.READ),
        "harsh": ExecutorCard("harsh", "mixed", "", effect=Effect.WRITE),
        "python": ExecutorCard("python", "python", "", effect=Effect.READ),
    }

    assert effect_of(Step("s", **parts), Catalog(known.capabilities, {**known.executors, **more})) is effect


def test_a_fallback_counts_for_the_effect() -> None:
    cards = {
        "fake": ExecutorCard("fake", "work", "", effect=Effect.PURE),
        "other": ExecutorCard("other", "elsewhere", "", effect=Effect.WRITE),
    }
    assert effect_of(step("s", on_error=FALLBACK), Catalog({"work": WORK}, cards)) is Effect.WRITE
    assert effect_of(step("s"), Catalog({"work": WORK}, cards)) is Effect.PURE


def test_everything_else_is_carried_over() -> None:
    made = graph(step("s", retry=3, timeout=2.5, max_parallel=4, each="${inputs.xs}", x="${item}", when="item > 1", on_error=FALLBACK))
    node = made.nodes["s"]

    assert (node.retry.attempts, node.timeout, node.max_parallel, node.on_error) == (3, 2.5, 4, FALLBACK)
    assert node.condition_source == "item > 1"
    assert node.condition is not None
    assert node.condition({"item": 2})
    assert not node.condition({"item": 1})


def test_the_digest_tells_workflows_apart() -> None:
    assert graph(step("a", x=1)).digest == graph(step("a", x=1)).digest
    assert graph(step("a", x=1)).digest != graph(step("a", x=2)).digest


# ----------------------------------------------------------------------------------------------------------- optional fields


def optional_catalog() -> Catalog:
    result = parse_type("{note?: str, deep?: {words: list[{text?: str}], n: int}, must: str?, file: file, rest: any}")
    return Catalog({"work": WORK, "find": Capability("find", "", result=result, open_inputs=True)}, CATALOG.executors)


@pytest.mark.parametrize(
    ("written", "path"),
    [
        ("${a.note}", (Maybe("note"),)),
        ("${a.deep.n}", (Maybe("deep"), Maybe("n"))),
        ("${a.deep.words[*].text}", (Maybe("deep"), Maybe("words"), Maybe(WILD), Maybe("text"))),
        ("${a.deep.words[0].text}", (Maybe("deep"), Maybe("words"), Maybe(0), Maybe("text"))),
        ("${a.must}", ("must",)),
        ("${a.file.uri}", ("file", "uri")),
        ("${a.file.sha256}", ("file", Maybe("sha256"))),
        ("${a.rest.note.deep[0]}", ("rest", "note", "deep", 0)),
        ("${a}", ()),
    ],
)
def test_paths_below_optional_fields_may_lead_to_nothing(written: str, path: tuple[Any, ...]) -> None:
    steps = [step("a", uses="find"), step("b", x=[written], knobs={"speed": written}, on_error=default(written))]
    made = compile_workflow(workflow(*steps, outputs={"o": written, "b": "${b}"}), optional_catalog())
    node = made.nodes["b"]

    assert node.with_["x"] == [Ref("a", path)]
    assert node.knobs["speed"] == node.on_error.default == made.outputs["o"] == Ref("a", path)


def test_loop_variables_and_streams_know_what_may_be_missing() -> None:
    steps = [
        step("m", uses="find", each="${inputs.xs}"),
        step("s", each={"word": "${m[*].deep.words[*]}", "x": "${word.text}"}, a="${word.text}", b={"$template": "${word.text}"}),
    ]
    made = compile_workflow(workflow(*steps), optional_catalog())
    node = made.nodes["s"]

    assert node.stream == Stream("m", (Maybe("deep"), Maybe("words"), Maybe(WILD)))
    assert node.loops[1].over == node.with_["a"] == Ref("word", (Maybe("text"),))
    assert node.with_["b"] == Template((Ref("word", (Maybe("text"),)),))


def test_an_optional_path_is_shown_as_it_was_written() -> None:
    assert str(Ref("a", (Maybe("x"), Maybe(WILD), Maybe(2)))) == "${a.x[*][2]}"
    assert expr(str(Ref("a", (Maybe("x"), Maybe(WILD), Maybe(2))))) == Ref("a", ("x", WILD, 2))


# -------------------------------------------------------------------------------------------------------------------- size


def chain(length: int) -> int:
    steps = [step("s0"), *(step(f"s{i}", x=f"${{s{i - 1}.value}}") for i in range(1, length))]
    declared = workflow(*steps, outputs={"last": f"${{s{length - 1}}}"})
    made, calls = effort(lambda: compile_workflow(declared, CATALOG))
    assert len(made.nodes) == length
    assert made.nodes["s0"].rank == length
    return calls


@pytest.mark.timeout(60)
def test_a_long_chain_of_steps_compiles_in_linear_time_and_without_recursion() -> None:
    assert chain(8_000) < 8 * chain(1_000) * 1.3
