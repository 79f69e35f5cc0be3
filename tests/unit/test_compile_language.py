"""Blocks, sub-workflows, loops, gates and last steps become graphs inside of graphs: what they see, whom they await, how long they take."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import pytest

from murakkab.catalog import Capability, Catalog, ExecutorCard, Quote
from murakkab.load import parse
from murakkab.plan import Body, Node, Stream, TaskGraph
from murakkab.planner.check import check
from murakkab.planner.compile import compile_workflow
from murakkab.planner.mentions import Mentions, work_of
from murakkab.references import refs_in
from murakkab.spec import Effect, Maybe, Need, OnError, Otherwise, Prefer, Ref, Rescue, Retry, Step
from murakkab.types import STR, list_of
from tests.catalogs import functions, small_catalog
from tests.fakes import WORK
from tests.unit.test_check_language import HEAD, RIGHT, SUB


def made(text: str, catalog: Catalog | None = None) -> TaskGraph:
    """Return the compiled graph of YAML *text*, in which nothing is wrong."""
    parsed = parse(HEAD + text)
    assert parsed.workflow is not None
    known = catalog or small_catalog()
    assert [str(d) for d in parsed.report(check(parsed.workflow, known, functions())) if not d.is_warning] == []
    return compile_workflow(parsed.workflow, known, functions())


def body_of(node: Node) -> Body:
    assert node.body is not None
    return node.body


# ---------------------------------------------------------------------------------------------------------------- everything


def unseen(nodes: Mapping[str, Node], known: frozenset[str], late: Mapping[str, Node] = MappingProxyType({})) -> set[str]:
    """Return the names that something in *nodes* mentions though it does not see them, those inside included. *late*: stand-ins."""
    found: set[str] = set()
    for node in nodes.values():
        inside = known | nodes.keys() | {name for loop in node.loops for name, _ in loop.lists()}
        inside |= {"loop"} if node.again else set()
        step = Step(node.name, with_=node.with_, knobs=node.knobs, approve=node.approve, wait=node.wait)
        found |= {ref.source for expr in work_of(step) for ref in refs_in(expr)} - inside
        found |= {need for need in node.needs if need not in nodes and need not in late}
        if (body := node.body) is not None:
            found |= body.captures - inside
            seen = body.captures if body.inputs is None else frozenset({"inputs", "secrets"})
            found |= unseen(body.nodes, seen | ({"loop"} if node.again and body.inputs is None else set()), body.late)
            outputs = Mentions()
            for expr in body.outputs.values():
                outputs.add(expr, {*body.nodes, *seen, "loop"})
            found |= outputs.names
    return found


@pytest.mark.parametrize("name", RIGHT)
def test_whatever_is_mentioned_is_seen_where_it_stands(name: str) -> None:
    graph = made(RIGHT[name])
    assert unseen(graph.nodes, frozenset({"inputs", "secrets"})) == set()
    if graph.finally_:
        assert unseen(graph.finally_.nodes, graph.finally_.captures) == set()


@pytest.mark.parametrize("name", RIGHT)
def test_every_plain_node_has_a_path_of_its_own(name: str) -> None:
    paths = [node.path for node in made(RIGHT[name]).every_node() if node.is_plain]
    assert len(set(paths)) == len(paths)


# ------------------------------------------------------------------------------------------------------------------- blocks

BLOCK = """
steps:
  a: {uses: text-summary, with: {text: "${inputs.s}"}}
  b: {uses: text-summary, with: {text: y}}
  c: {uses: text-summary, with: {text: x}}
  g:
    for_each: {v: "${inputs.xs}"}
    after: c
    timeout: 9s
    steps:
      d: {uses: text-summary, with: {text: {$template: "${a} ${v}"}}, when: inputs.n > 1}
      e: {uses: note, with: {text: {$first: ["${d}", "${b}"]}}}
    outputs: {x: "${d}", y: {value: "${e}", optional: true}}
"""


def test_a_block_captures_what_its_steps_mention_and_waits_for_it() -> None:
    graph = made(BLOCK)
    node = graph.nodes["g"]
    body = body_of(node)

    assert (node.is_plain, node.uses, node.path, node.timeout) == (False, "", "g", 9.0)
    assert body.captures == {"a", "b", "v", "inputs"}
    assert (node.needs, node.tolerant, node.late) == (("a", "b", "c"), {"a", "b", "c"}, set())
    assert {inner.path: inner.needs for inner in body.nodes.values()} == {"g/d": ("a",), "g/e": ("b", "d")}
    assert body.nodes["e"].tolerant == {"b", "d"}
    assert body.nodes["d"].consumers == ("e",)
    assert (body.outputs, body.optional_outputs) == ({"x": Ref("d"), "y": Ref("e")}, {"y"})
    assert (body.inputs, body.only, body.need, body.sinks) == (None, "", None, ("e",))
    assert node.effect is Effect.WRITE


def test_a_block_without_outputs_gives_its_sinks_none_of_which_must_be_there() -> None:
    body = body_of(made("steps: {g: {steps: {a: {wait: 1s}, b: {uses: note, with: {text: x}, after: a}, c: {wait: 1s}}}}").nodes["g"])

    assert (body.outputs, body.optional_outputs) == ({"b": Ref("b"), "c": Ref("c")}, {"b", "c"})
    assert body.sinks == ("b", "c")


def test_a_need_of_a_block_is_about_its_sinks_and_that_of_a_map_about_its_tasks() -> None:
    graph = made(
        "steps:\n"
        "  g: {need: 1, steps: {a: {wait: 1s}, b: {wait: 2s}}}\n"
        "  m: {need: 50%, for_each: [1, 2], steps: {a: {wait: 1s}}, outputs: {x: 1}}\n"
    )
    g, m = graph.nodes["g"], graph.nodes["m"]

    assert (g.need, body_of(g).need, body_of(g).outputs, body_of(g).sinks) == (None, Need(1), {}, ("a", "b"))
    assert (m.need, body_of(m).need, body_of(m).outputs) == (Need(share=0.5), None, {"x": 1})


def test_what_is_deep_inside_is_captured_all_the_way() -> None:
    graph = made(
        "steps:\n  a: {uses: text-summary, with: {text: x}}\n"
        "  g: {for_each: ['u'], steps: {h: {steps: {i: {uses: note, with: {text: {$template: '${a} ${item}'}}}}}}}\n"
    )
    g = graph.nodes["g"]
    h = body_of(g).nodes["h"]

    assert (g.needs, body_of(g).captures, h.needs, body_of(h).captures) == (("a",), {"a", "item"}, ("a",), {"a", "item"})
    assert (g.late, list(body_of(g).late), h.late, list(body_of(h).late)) == ({"a"}, ["a"], {"a"}, ["a"])
    assert body_of(h).nodes["i"].path == "g/h/i"


def test_a_loop_variable_that_hides_another_is_the_one_of_its_own_list_inside_alone() -> None:
    graph = made("steps: {g: {for_each: [['a']], steps: {a: {uses: note, for_each: '${item}', with: {text: '${item}'}}}}}")
    assert body_of(graph.nodes["g"]).captures == {"item"}

    alone = made("steps: {g: {steps: {a: {uses: note, for_each: '${inputs.xs}', with: {text: '${item}'}}}}}")
    assert body_of(alone.nodes["g"]).captures == {"inputs"}


def test_paths_below_what_may_be_missing_are_marked_in_blocks_too() -> None:
    graph = made(
        "steps:\n  g: {steps: {a: {call: 'jobs:anything'}}}\n"
        "  h: {steps: {b: {call: 'jobs:anything', with: {x: '${g.a.deep.er}'}}}, outputs: {o: '${g.a.x}'}}\n"
        "  w: {approve: '${g.a.y}'}\n"
    )
    body = body_of(graph.nodes["h"])

    assert body.nodes["b"].with_ == {"x": Ref("g", ("a", Maybe("deep"), Maybe("er")))}
    assert body.outputs == {"o": Ref("g", ("a", Maybe("x")))}
    assert graph.nodes["w"].approve is not None
    assert graph.nodes["w"].approve.message == Ref("g", ("a", Maybe("y")))


# ------------------------------------------------------------------------------------------------------------ sub-workflows


def test_a_sub_workflow_sees_its_inputs_alone() -> None:
    text = SUB.replace("  sub:\n", "  sub:\n    timeout: 5s\n    secrets: {k: 'env:K'}\n")
    graph = made(text + "steps:\n  x: {uses: text-summary, with: {text: x}}\n  p: {workflow: sub, with: {q: '${x}'}, timeout: 9s}\n")
    node, body = graph.nodes["p"], body_of(graph.nodes["p"])

    assert (node.needs, node.with_, node.timeout, node.effect) == (("x",), {"q": Ref("x")}, 5.0, Effect.PURE)
    assert (list(body.inputs or {}), body.secrets, body.captures) == (["q", "k"], {"k": "env:K"}, frozenset())
    assert body.nodes["a"].path == "p/a"
    assert body.outputs == {"t": Ref("a")}


def test_every_use_of_a_definition_has_nodes_of_its_own() -> None:
    graph = made(SUB + "steps: {p: {workflow: sub, with: {q: x}}, q: {workflow: sub, with: {q: y}, for_each: [1]}}")
    assert [body_of(graph.nodes[name]).nodes["a"].path for name in "pq"] == ["p/a", "q/a"]


# -------------------------------------------------------------------------------------------------------------------- loops

REFINE = """
secrets: {k: env:K}
steps:
  x: {uses: text-summary, with: {text: a}}
  y: {uses: text-summary, with: {text: b}}
  r:
    call: "jobs:anything"
    with: {x: "${x}", v: "${v}", last: "${loop.last.text.deep}", key: "${secrets.k}"}
    for_each: {v: "${inputs.xs}"}
    when: v != ""
    repeat: {at_most: 4, until: "result == y && loop.index > 0", otherwise: last, delay: 2s}
    retry: 3
    timeout: 7s
    executor: python
    max_parallel: 2
    on_error: skip
"""


def test_a_plain_step_that_is_repeated_is_the_only_one_of_a_body() -> None:
    node = made(REFINE).nodes["r"]
    body = body_of(node)
    inner = body.nodes["r"]

    assert (body.only, list(body.nodes), body.captures) == ("r", ["r"], {"x", "y", "v", "secrets"})
    assert (node.needs, node.max_parallel, node.on_error, node.condition_source) == (("x", "y"), 2, OnError(Rescue.SKIP), 'v != ""')
    assert (node.retry, node.timeout, node.executor, node.with_, node.uses) == (Retry(), None, "", {}, "")
    assert (inner.retry.attempts, inner.timeout, inner.executor, inner.uses) == (3, 7.0, "python", "python")
    assert (inner.loops, inner.needs, inner.condition, inner.on_error, inner.path, node.path) == ((), (), None, OnError(), "r", "r")
    assert inner.with_["last"] == Ref("loop", ("last", Maybe("text"), Maybe("deep")))
    assert (inner.has_secrets, node.has_secrets) == (True, False)
    assert node.again is not None
    assert (node.again.at_most, node.again.otherwise, node.again.delay) == (4, Otherwise.LAST, 2.0)
    assert node.again.until is not None
    assert node.again.until({"result": 1, "y": 1, "loop": {"index": 1}})
    assert not node.again.until({"result": 1, "y": 1, "loop": {"index": 0}})


def test_a_fallback_belongs_to_the_attempts_of_each_round() -> None:
    node = made("steps: {r: {uses: text-summary, with: {text: x}, repeat: 2, executor: textrank, on_error: {default: x}}}").nodes["r"]
    assert (node.on_error.action, body_of(node).nodes["r"].on_error.action) == (Rescue.DEFAULT, Rescue.FAIL)

    node = made(
        "steps: {r: {uses: speech-to-text, with: {audio: {source: {uri: x}, start: 0, end: 1}}, repeat: 2, executor: whisper, "
        "on_error: {fallback: pocketsphinx}}}"
    ).nodes["r"]
    assert (node.on_error.action, body_of(node).nodes["r"].on_error.action) == (Rescue.FAIL, Rescue.FALLBACK)


def test_the_loop_of_a_block_is_its_own_and_that_around_it_is_captured() -> None:
    graph = made(
        'steps:\n  g:\n    repeat: {at_most: 2, until: "result.o == inputs.n"}\n'
        "    steps:\n      a: {steps: {b: {call: 'jobs:anything', with: {i: '${loop.index}'}}}}\n"
        "    outputs: {o: '${loop.index}'}\n"
    )
    node = graph.nodes["g"]
    inner = body_of(node).nodes["a"]

    assert (node.again and node.again.until_source, body_of(node).captures) == ("result.o == inputs.n", {"inputs"})
    assert body_of(inner).captures == {"loop"}


def test_zipped_lists_are_all_awaited_and_never_stream() -> None:
    graph = made(
        "steps:\n  m: {uses: text-summary, for_each: '${inputs.xs}', with: {text: '${item}'}}\n"
        "  n: {uses: text-summary, for_each: '${inputs.xs}', with: {text: x}}\n"
        "  z: {uses: note, for_each: {$zip: {a: '${m}', b: '${n[*]}'}}, with: {text: {$template: '${a} ${b}'}}}\n"
        "outputs: {m: '${m}', n: '${n}'}"
    )
    node = graph.nodes["z"]

    assert (node.stream, node.needs) == (None, ("m", "n"))
    assert [name for name, _ in node.loops[0].lists()] == ["a", "b"]


# ------------------------------------------------------------------------------------------------------------------ streams

GENERATOR = {**functions(), "jobs:words": Capability("words", "One by one.", (), list_of(STR), streams=True)}


def streamed(source: str, over: str = "${s}", more: str = "") -> Node:
    text = f"steps:\n  s: {{call: 'jobs:words'{source}}}\n  t: {{uses: note, for_each: '{over}', with: {{text: '${{item}}'}}{more}}}\n"
    parsed = parse("workflow: w\n" + text)
    assert parsed.workflow is not None
    graph = compile_workflow(parsed.workflow, small_catalog(), GENERATOR)
    source_node = graph.nodes["s"]
    assert (source_node.streams or source_node.body is not None) is (not source_node.loops)
    return graph.nodes["t"]


@pytest.mark.parametrize("over", ["${s}", "${s[*]}"])
def test_elements_that_come_one_by_one_are_taken_one_by_one(over: str) -> None:
    node = streamed("", over)
    assert (node.stream, node.needs) == (Stream("s"), ())
    assert streamed(", on_error: skip", over).stream == Stream("s")


@pytest.mark.parametrize(
    ("source", "more"),
    [
        (", on_error: {default: []}", ""),
        (", repeat: 2", ""),
        (", for_each: {i: [1], j: [2]}", ""),
        (", for_each: [1, 2], need: 1", ""),
        ("", ", need: 1"),
    ],
)
def test_what_may_turn_out_otherwise_is_awaited(source: str, more: str) -> None:
    node = streamed(source, more=more)
    assert (node.stream, node.needs) == (None, ("s",))


# ------------------------------------------------------------------------------------------------------ gates and last steps


def test_gates_are_never_merged_or_dropped() -> None:
    graph = made(
        "steps:\n  a: {approve: Go?, timeout: 2d}\n  b: {approve: Go?, timeout: 2d}\n  c: {wait: 1s}\n  d: {wait: 1s}\n"
        "  e: {steps: {w: {wait: 1s}}}\noutputs: {o: 1}"
    )

    assert list(graph.nodes) == ["a", "b", "c", "d", "e"]
    assert {graph.nodes[name].effect for name in "abcde"} == {Effect.WRITE}
    assert (graph.nodes["a"].timeout, graph.nodes["a"].approve and graph.nodes["a"].approve.message) == (172800.0, "Go?")
    assert graph.nodes["c"].wait is not None
    assert not graph.nodes["c"].is_plain


def test_last_steps_see_every_step_and_keep_what_they_see() -> None:
    graph = made(
        "steps:\n  a: {uses: text-summary, with: {text: x}}\n  b: {uses: text-summary, with: {text: x}}\n"
        "finally:\n  y: {call: 'jobs:anything', with: {b: '${b}', s: '${job.status}', n: '${inputs.n}'}}\n"
        "  z: {steps: {q: {uses: note, with: {text: x}}}, after: y}\noutputs: {o: '${a}'}"
    )
    last = graph.finally_

    assert last is not None
    assert list(graph.nodes) == ["a", "b"]
    assert last.captures == {"b", "job", "inputs"}
    assert [node.path for node in last.nodes.values()] == ["finally/y", "finally/z"]
    assert body_of(last.nodes["z"]).nodes["q"].path == "finally/z/q"
    assert (last.nodes["z"].needs, last.nodes["y"].consumers) == (("y",), ("z",))


def test_captured_steps_keep_their_names_and_others_are_merged() -> None:
    graph = made(
        "steps:\n"
        + "".join(f"  {name}: {{uses: text-summary, with: {{text: x}}}}\n" for name in "abc")
        + "  g: {steps: {n: {uses: note, with: {text: '${b}'}}}}\n  w: {approve: '${c}'}\noutputs: {o: '${c}'}"
    )

    assert sorted(graph.nodes) == ["a", "b", "g", "w"]
    assert graph.outputs == {"o": Ref("a")}
    assert graph.nodes["w"].approve is not None
    assert (graph.nodes["w"].approve.message, graph.nodes["w"].needs) == (Ref("a"), ("a",))
    assert graph.nodes["g"].needs == ("b",)


def test_free_blocks_are_dropped_when_nobody_uses_them_and_never_merged() -> None:
    block = "{steps: {a: {uses: text-summary, with: {text: x}}}, outputs: {x: '${a}'}}"
    graph = made(f"steps: {{g: {block}, h: {block}, i: {block}}}\noutputs: {{o: '${{g.x}}', p: '${{h.x}}'}}")

    assert list(graph.nodes) == ["g", "h"]
    assert graph.rewrites == ("i is dropped: nothing uses its result and it has no effect",)


# ------------------------------------------------------------------------------------------------------- preferences, ranks


def test_what_a_step_prefers_is_carried_over() -> None:
    graph = made(
        "steps: {a: {uses: speech-to-text, with: {audio: {source: {uri: x}, start: 0, end: 1}}, prefer: {device: cpu, model: base}}}"
    )
    assert graph.nodes["a"].prefer == Prefer("cpu", "base")


def ranks(graph: TaskGraph) -> dict[str, float]:
    return {node.path: node.rank for node in graph.every_node() if node.is_plain or node.wait or node.approve}


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ("  g: {steps: {a: {uses: work}, b: {uses: work, after: a}}}\n  z: {uses: work, after: g}\n", {"g/a": 6, "g/b": 4, "z": 2}),
        ("  r: {uses: work, repeat: 5}\n  z: {uses: work, after: r}\n", {"r": 4, "z": 2}),
        ("  g: {repeat: 4, steps: {a: {uses: work}}}\n  y: {uses: work}\n  z: {uses: work, after: [g]}\n", {"g/a": 4, "y": 2, "z": 2}),
        ("  w: {wait: 30s}\n  q: {approve: x, after: w}\n", {"w": 31, "q": 1}),
        ("  w: {wait: {event: x}}\n", {"w": 1}),
    ],
)
def test_the_rank_of_a_step_inside_counts_what_comes_after_the_one_around_it(steps: str, expected: dict[str, float]) -> None:
    known = Catalog({"work": WORK}, {"two": ExecutorCard("two", "work", "", quote=Quote(seconds=2))})
    assert ranks(made("steps:\n" + steps, known)) == expected


def test_a_step_before_a_loop_counts_half_of_its_rounds() -> None:
    known = Catalog({"work": WORK}, {"two": ExecutorCard("two", "work", "", quote=Quote(seconds=2))})
    graph = made("steps:\n  a: {uses: work}\n  g: {repeat: 5, after: a, steps: {b: {uses: work}, c: {uses: work, after: b}}}\n", known)
    # 2 + (2 + 2) * 3
    assert graph.nodes["a"].rank == 14


def test_a_deep_workflow_compiles() -> None:
    text: Any = "{uses: note, with: {text: x}}"
    for i in range(20):
        text = f"{{steps: {{s{i}: {text}}}}}"
    assert len(list(made(f"steps: {{s: {text}}}").every_node())) == 21
