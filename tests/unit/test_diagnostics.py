import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import murakkab.diagnostics
from murakkab.api import workflow
from murakkab.blocks import when
from murakkab.composition import each
from murakkab.declaring import declare
from murakkab.diagnostics import CODES, Vocabulary, did_you_mean
from murakkab.document import from_document
from murakkab.dsl import step
from murakkab.errors import SpecError
from murakkab.load import parse
from murakkab.planner.check import check
from murakkab.spec import Ref, Step, Workflow
from tests.catalogs import functions, small_catalog

#: A step, where what is shown is about something else.
_SOME = "steps: {a: {call: 'jobs:names'}}"

#: code -> a text that shows it, or the steps of a workflow that do
EXAMPLES: dict[str, str | bytes] = {
    "too-large": "x" * 1_000_001,
    "too-deep": "[" * 100,
    "not-text": b"\xff",
    "syntax": "a: [",
    "too-many-aliases": "a: &a [*a]",
    "duplicate-key": "workflow: w\nworkflow: v",
    "unknown-field": "workflow: w\nstep: {}",
    "missing-field": f"description: x\n{_SOME}",
    "wrong-form": "[]",
    "bad-type": f"workflow: w\ninputs: {{a: strin}}\n{_SOME}",
    "bad-quantity": "a: {timeout: soon}",
    "bad-choice": "a: {effect: none}",
    "unsafe-attempts": (
        "a: {uses: payment, with: {amount: 1.0}, effect: irreversible, "
        'best_of: {n: 3, judge: {call: "jobs:anything", with: {all: "${candidates}"}}}}'
    ),
    "misplaced": "a: {approve: Go?, retry: 2}",
    "not-json": "a: {with: {x: .nan}}",
    "bad-reference": "a: {with: {x: 'a ${b}'}}",
    "unknown-operator": "a: {with: {x: {$frist: []}}}",
    "unknown-workflow": "a: {workflow: nope}",
    "wrong-version": "workflow: w\nworkflows: {v: {version: '2.1', steps: {a: {call: 'jobs:names'}}}}\nsteps: {a: {workflow: v@3}}",
    "bad-name": "1a: {call: 'jobs:names'}",
    "shadowed-name": "a: {uses: note, for_each: {a: [x]}, with: {text: x}}",
    "unknown-capability": "a: {uses: nope}",
    "unknown-executor": "a: {call: 'jobs:names', executor: nope}",
    "unknown-function": "a: {call: 'jobs:nope'}",
    "unknown-knob": "a: {uses: note, with: {text: x}, executor: notebook, knobs: {nope: 1}}",
    "unknown-input": "a: {call: 'jobs:names', with: {x: 1}}",
    "unknown-step": "a: {call: 'jobs:names', after: b}",
    "unknown-name": "a: {uses: note, with: {text: '${b}'}}",
    "no-work": "a: {}",
    "unmapped": "a: {does: write a summary}",
    "missing-input": "a: {uses: note}",
    "wrong-executor": "a: {call: 'jobs:names', executor: bank}",
    "same-fallback": "a: {call: 'jobs:names', executor: python, on_error: {fallback: python}}",
    "unmet-preference": "a: {call: 'jobs:names', prefer: {device: gpu}}",
    "unbounded-loop": "a: {call: 'jobs:names', repeat: {until: 'true'}}",
    "contradiction": "workflow: w\ntimeout: 5s\nsteps: {a: {call: 'jobs:names', timeout: 9s}}",
    "not-a-loop": "a: {call: 'jobs:names', max_parallel: 2}",
    "out-of-range": "a: {call: 'jobs:names', retry: 0}",
    "unsafe-cache": "a: {uses: note, with: {text: x}, cache: true}",
    "unsafe-retry": "a: {uses: payment, with: {amount: 1}, retry: 2}",
    "unsafe-race": "a: {uses: payment, with: {amount: 1}, for_each: [1, 2], need: 1}",
    "may-misalign": "a: {uses: note, with: {text: x}, for_each: [1, 2], on_error: skip}\n"
    "  b: {uses: note, for_each: {$zip: {x: '${a}', y: [1, 2]}}, with: {text: x}}",
    "ungated": "a: {approve: Go?, on_error: skip}\n  b: {call: 'jobs:names', after: a}",
    "secret-leak": f"workflow: w\nsecrets: {{k: 'env:K'}}\noutputs: {{o: '${{secrets.k}}'}}\n{_SOME}",
    "unreachable": "a: {call: 'jobs:names', when: '1 > 2'}",
    "unused-input": f"workflow: w\ninputs: {{n: int}}\n{_SOME}",
    "unused": f"workflow: w\nsecrets: {{k: 'env:K'}}\n{_SOME}",
    "unknown-goal": f"workflow: w\ngoal: {{minimize: speed}}\n{_SOME}",
    "type-mismatch": "a: {uses: note, with: {text: 1}}",
    "no-such-field": "a: {uses: note, with: {text: '${inputs.x}'}}",
    "not-a-list": "a: {uses: note, for_each: '${inputs}', with: {text: x}}",
    "not-a-literal": f"workflow: w\ninputs: {{a: {{default: '${{inputs}}'}}}}\n{_SOME}",
    "self-reference": "a: {uses: note, with: {text: '${a}'}}",
    "cycle": "a: {call: 'jobs:names', after: b}\n  b: {call: 'jobs:names', after: a}",
    "bad-condition": "a: {call: 'jobs:names', when: 'x >'}",
    "unknown-condition-function": "a: {call: 'jobs:names', when: 'len(inputs) > 1'}",
    "condition-type": "a: {call: 'jobs:names', when: '1'}",
}


@step
def pair(a: str, b: str) -> list[str]:
    return [a, b]


@workflow
def inner(a: str) -> list[str]:
    return pair(a, a)


def _decides(a: str) -> list[str]:
    return pair(a, a) if a else []


def _misses_an_argument(a: str) -> list[str]:
    return pair(a)  # type: ignore[call-arg]


def _misspells_an_option(a: str) -> list[str]:
    return pair.with_options(retries=3)(a, a)  # type: ignore[call-arg]


def _indexes_parts(a: str) -> Any:
    return each(pair(a, a), lambda one: one)[0].x  # type: ignore[attr-defined]


def _decides_a_condition(a: str) -> None:
    with when(a is None):
        pair(a, a)


def _nests(a: str) -> list[str]:
    return inner.run(a)


#: code -> a workflow that is right as a document and has the mistake all the same
MADE: dict[str, Workflow] = {
    "bad-secret": Workflow("w", secrets={"k": "s3cret"}, steps={"a": Step("a", call="jobs:anything", with_={"k": Ref("secrets", ("k",))})}),
}

#: code -> a Python function that is no workflow for that reason
IN_PYTHON: dict[str, Callable[..., Any]] = {
    "bad-function": lambda *a: pair(*a),
    "wrong-arguments": _misses_an_argument,
    "unknown-option": _misspells_an_option,
    "not-there-yet": _decides,
    "part-of-many": _indexes_parts,
    "condition-decided": _decides_a_condition,
    "nested-workflow": _nests,
}
_WHOLE = ("too-large", "too-deep", "not-text", "syntax", "too-many-aliases", "wrong-form", "missing-field")


def _codes(code: str, text: str | bytes) -> set[str]:
    if isinstance(text, str) and code not in _WHOLE and not text.startswith("workflow:"):
        text = f"workflow: w\nsteps:\n  {text}\n"
    parsed = parse(text)
    more = check(parsed.workflow, small_catalog(), functions()) if parsed.workflow else []
    return {d.code for d in parsed.report(more)}


def test_there_is_an_example_of_every_code() -> None:
    assert {*EXAMPLES, *MADE, *IN_PYTHON, "outside-workflow", "unknown-profile", "too-many"} == CODES.keys()


@pytest.mark.parametrize("code", IN_PYTHON)
def test_every_code_of_python_can_be_met(code: str) -> None:
    with pytest.raises(SpecError) as caught:
        declare(IN_PYTHON[code])
    assert {d.code for d in caught.value.diagnostics} == {code}


def test_what_only_a_workflow_can_do_says_so_outside() -> None:
    with pytest.raises(SpecError) as caught, when("true"):
        pass
    assert {d.code for d in caught.value.diagnostics} == {"outside-workflow"}


@pytest.mark.parametrize("code", EXAMPLES)
def test_every_code_of_the_table_can_be_met(code: str) -> None:
    assert _codes(code, EXAMPLES[code]) == {code}


@pytest.mark.parametrize("code", MADE)
def test_every_code_of_workflows_made_in_python_can_be_met(code: str) -> None:
    assert {d.code for d in check(MADE[code], small_catalog(), functions())} == {code}


def test_a_profile_that_is_chosen_must_be_there() -> None:
    assert {d.code for d in parse("workflow: w", profile="prod").diagnostics} == {"unknown-profile"}


def test_not_more_than_a_thousand_mistakes_are_told() -> None:
    steps = {f"s{i}": Step(f"s{i}", uses="nope") for i in range(3000)}
    found = check(Workflow("w", steps=steps), small_catalog(), functions())
    assert (len(found), found[0].code, {d.code for d in found[1:]}) == (1001, "too-many", {"unknown-capability"})


def test_every_code_that_is_written_down_is_in_the_table() -> None:
    package = Path(murakkab.diagnostics.__file__).parent
    files = [package / "references.py"]
    for folder in ("document", "load", "expressions", "planner"):
        files += (package / folder).rglob("*.py")
    call = re.compile(r'(?:Diagnostic|WrongField|Refused|\.add)\(\s*"([a-z-]+)"')
    used = {code for file in files for code in call.findall(file.read_text(encoding="utf-8"))}
    assert len(used) > 20
    assert used <= CODES.keys()


def test_deep_data_from_python_is_refused_too() -> None:
    data: Any = 1
    for _ in range(200):
        data = {"x": data}
    read = from_document({"workflow": "w", "steps": {"a": {"uses": "x", "with": data}}})
    assert [d.code for d in read.diagnostics] == ["too-deep"]


@pytest.mark.parametrize(
    ("name", "known", "hint"),
    [
        ("scnees", ["scenes", "frames"], "did you mean 'scenes'?"),
        ("zzz", ["scenes", "frames"], "there are frames, scenes"),
        ("zzz", [], ""),
        ("zzz", [f"a{i:02}" for i in range(20)], f"there are {', '.join(f'a{i:02}' for i in range(12))}, ..."),
    ],
)
def test_hints_name_what_is_close_else_what_there_is(name: str, known: list[str], hint: str) -> None:
    assert did_you_mean(name, known, others="there are") == hint


def test_hints_stay_cheap_among_many_names() -> None:
    known = [f"step{i}" for i in range(20_000)]
    start = time.perf_counter()
    for _ in range(20):
        did_you_mean("stepp1", known)
    assert time.perf_counter() - start < 3


def test_a_vocabulary_finds_the_neighbours_of_a_name_in_each_layer() -> None:
    words = Vocabulary(sorted(f"step{i}" for i in range(20_000)), ["inputs", "scenes"])
    start = time.perf_counter()
    assert did_you_mean("step1234x", words) == "did you mean 'step1234'?"
    assert did_you_mean("scnees", words) == "did you mean 'scenes'?"
    assert did_you_mean("zzz", words, others="there are").startswith("there are inputs, scenes, step0, step1, step10, ")
    assert time.perf_counter() - start < 0.1
    assert did_you_mean("zzz", Vocabulary(), others="there are") == ""
