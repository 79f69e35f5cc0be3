import subprocess
import sys
import time
from typing import Any

import pytest
from cel import compile as compile_cel
from hypothesis import given
from hypothesis import strategies as st

from murakkab.errors import ExecutorError, SpecError
from murakkab.expressions import check_condition, compile_condition, constant_of, names_in, reads_in
from murakkab.expressions.syntax import parse_condition
from murakkab.expressions.tokens import ConditionSyntaxError
from murakkab.types import ANY, parse_type

SCOPE = {
    "inputs": parse_type("{n: int, f: float, name: str, on: bool, tags: list[str], maybe: int?, m: map[int], a-b: str}"),
    "scenes": parse_type("list[{score: float, audio: file, note?: str}]"),
    "fast-step": parse_type("{x: int}"),
    "thing": ANY,
    "item": parse_type("{score: float, label: str}"),
}
ENV: dict[str, Any] = {
    "inputs": {"n": 4, "f": 1.5, "name": "cat", "on": True, "tags": ["a", "b"], "maybe": None, "m": {"k": 1}, "a-b": "x", "big": 1},
    "scenes": [{"score": 0.25, "audio": {"uri": "a.wav"}}, {"score": 0.75, "audio": {"uri": "b.wav"}, "note": "x"}],
    "thing": {"anything": [1]},
    "item": {"score": 0.5, "label": "dog"},
}


def codes(text: str) -> list[str]:
    return [d.code for d in check_condition(text, SCOPE)]


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("inputs.n > 3", True),
        ("inputs.n > 3 && inputs.name == 'dog'", False),
        ("inputs.n < 3 || inputs.on", True),
        ("!inputs.on", False),
        ("inputs.n == 4.0", True),
        ("inputs.n + 1 == 5 && inputs.n * 2 - 1 >= 7 && -inputs.n < 0 && inputs.n % 3 == 1", True),
        ("inputs.f / 2.0 < 1.0", True),
        ("inputs.name + 's' == \"cats\"", True),
        ("size(scenes) == 2 && scenes.size() == 2 && inputs.name.size() == 3", True),
        ("scenes.exists(s, s.score > 0.5)", True),
        ("scenes.all(s, s.score > 0.5)", False),
        ("scenes.exists_one(s, s.score > 0.5)", True),
        ("scenes.filter(s, s.score > 0.5).size() == 1", True),
        ("scenes.map(s, s.score) == [0.25, 0.75]", True),
        ("scenes.map(s, s.score > 0.5, s.score)[0] > 0.5", True),
        ("scenes.exists(s, inputs.tags.exists(t, t == 'a' && s.score > 0.1))", True),
        ("scenes[0].score < scenes[1].score", True),
        ("inputs['a-b'] == 'x'", True),
        ("inputs.m['k'] == 1 && inputs.m.k == 1", True),
        ("'a' in inputs.tags && 'k' in inputs.m", True),
        ("inputs.name.startsWith('c') && inputs.name.endsWith('t') && inputs.name.contains('a')", True),
        ("inputs.name.matches('^c.t$')", True),
        ("inputs.maybe == null", True),
        ("has(scenes[0].note)", False),
        ("inputs.on ? inputs.n > 3 : inputs.n < 3", True),
        ("int('4') == inputs.n && double(inputs.n) > inputs.f && string(inputs.n) == '4'", True),
        ("timestamp('2030-01-01T00:00:00Z') > timestamp('2020-01-01T00:00:00Z')", True),
        ("timestamp('2030-01-01T00:00:00Z').getFullYear() == 2030", True),
        ("duration('90s') > duration('1m')", True),
        ("thing.anything[0] == 1 // a comment", True),
        ("item.score > 0.1 &&\n  item.label == r'dog'", True),
        ("{'a': 1, 'b': 2}.a == 1 && [1, 2,].size() == 2", True),
        ("0x1F == 31 && 1e3 == 1000.0 && .5 < 1.0 && 2u == 2u", True),
    ],
)
def test_conditions_are_checked_and_decided(text: str, holds: bool) -> None:
    assert check_condition(text, SCOPE) == []
    assert compile_condition(text).evaluate(ENV) is holds


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        ("inputs.n >", "bad-condition", "column 11"),
        ("inputs.n > 3 and inputs.on", "bad-condition", "'and' is written &&"),
        ("not inputs.on", "bad-condition", "'not' is written !"),
        ("inputs.n = 3", "bad-condition", "equality is written =="),
        ("inputs.on & inputs.on", "bad-condition", "'and' is written &&"),
        ("${inputs.n} > 3", "bad-condition", "names stand bare here"),
        ("inputs.name == 'x", "bad-condition", "not closed"),
        ("(inputs.on", "bad-condition", "')' is missing"),
        ("inputs.", "bad-condition", "the name of a field"),
        ("has(inputs)", "bad-condition", "has(step.field)"),
        ("scenes.exists(s.score > 1)", "bad-condition", "exists(x,"),
        ("if.x", "bad-condition", "reserved word"),
        ("b'x' == b'x'", "bad-condition", "column 2"),
        ("size(scenes,) > 1", "bad-condition", "missing behind ','"),
        ("", "bad-condition", "a value is missing"),
        (r"inputs.name == 'a\d'", "bad-condition", "column 18: the escape"),
        (r"inputs.name == '\ud800'", "bad-condition", "column 17: the escape"),
        ("inputs.n == 9223372036854775808", "bad-condition", "too large"),
        ("inputs.f == 1e999", "bad-condition", "too large"),
        ("!-inputs.n", "bad-condition", "parentheses"),
        ("inptus.n > 3", "unknown-name", "did you mean 'inputs'?"),
        ("fast-step.x > 3", "unknown-name", "call the step or variable 'fast_step'"),
        ("inputs.nn > 3", "no-such-field", "did you mean 'n'?"),
        ("inputs['nn'] > 3", "no-such-field", "did you mean 'n'?"),
        ("scenes.score > 3", "no-such-field", ".exists(x, x.score"),
        ("scenes.exists(s, s.scor > 1.0)", "no-such-field", "did you mean 'score'?"),
        ("has(inputs.nn)", "no-such-field", "'nn'"),
        ("len(scenes) > 3", "unknown-condition-function", "called 'size'"),
        ("inputs.name.startWith('a')", "unknown-condition-function", "'startsWith'"),
        ("__import__('os') == 1", "unknown-condition-function", "__import__"),
        ("inputs.n", "condition-type", "gives int, not true or false"),
        ("inputs.n && inputs.on", "condition-type", "joins true and false"),
        ("inputs.n == 'x'", "condition-type", "always false"),
        ("inputs.name != 1", "condition-type", "always true"),
        ("inputs.n == null", "condition-type", "always false"),
        ("inputs.name > 1", "condition-type", "cannot be compared"),
        ("scenes > 1", "condition-type", "size(...)"),
        ("inputs.n + 1.0 > 2.0", "condition-type", "double(x)"),
        ("inputs.name + inputs.n == 'x'", "condition-type", "string(x)"),
        ("-inputs.name == 'x'", "condition-type", "'-'"),
        ("'a' in inputs.name", "condition-type", "contains('x')"),
        ("inputs.n[0] == 1", "condition-type", "no element"),
        ("inputs.n.exists(x, x)", "condition-type", "goes over a list"),
        ("scenes.all(s, s.score)", "condition-type", "asks for true or false"),
        ("inputs.n ? true : false", "condition-type", "'?'"),
        ("size(inputs.n) > 1", "condition-type", "does not take int"),
        ("matches(inputs.name, 'x')", "condition-type", "text.matches"),
        ("inputs.name.contains() ", "condition-type", "text.contains"),
    ],
)
def test_mistakes_are_found_before_anything_runs(text: str, code: str, words: str) -> None:
    found = check_condition(text, SCOPE)
    assert [d.code for d in found] == [code]
    assert words in f"{found[0].message}; {found[0].hint}"


def test_every_mistake_of_a_condition_is_named() -> None:
    assert codes("inptus.n > 3 && scenes.score > 1 && inputs.nn") == ["unknown-name", "no-such-field", "no-such-field"]


@pytest.mark.parametrize(
    "text",
    [
        "(" * 50 + "true" + ")" * 50,
        "[" * 900 + "]" * 900,
        "!" * 1000 + "true",
        "-" * 1000 + "1 == 1",
        "a" + ".b" * 500,
        "a" + "[0]" * 500,
        "1" + "+1" * 900 + " == 1",
        "true ? " * 200 + "true" + " : true" * 200,
        "x" * 5000,
        "a.exists(x, x.exists(y, y.exists(z, z)))",
    ],
)
def test_conditions_that_could_take_long_are_refused(text: str) -> None:
    start = time.perf_counter()
    assert codes(text) == ["bad-condition"]
    with pytest.raises(SpecError):
        compile_condition(text)
    assert time.perf_counter() - start < 1


def test_long_chains_of_and_are_fine() -> None:
    text = " && ".join(["inputs.n > 3"] * 120)
    assert codes(text) == []
    assert compile_condition(text).evaluate(ENV)


def test_names_are_those_of_the_environment() -> None:
    text = "inputs.n > 3 && scenes.exists(s, s.score > item.score) && has(thing.x) && [1].all(scenes, scenes > 0)"
    assert compile_condition(text).names == names_in(text) == {"inputs", "scenes", "item", "thing"}
    assert names_in("scenes.exists(s, s > 0) || s") == {"scenes", "s"}
    assert names_in("a &&") == frozenset()


def test_only_what_is_read_is_handed_over() -> None:
    condition = compile_condition("inputs.n > 3 && inputs['name'] == 'cat' || size(scenes) > 9")
    assert condition.reads == {"inputs": None, "scenes": None}
    assert compile_condition("inputs.n > 3 && has(inputs.f)").reads == {"inputs": frozenset({"n", "f"})}
    huge = ENV | {"inputs": ENV["inputs"] | {"object": object()}}
    assert compile_condition("inputs.n > 3").evaluate(huge)


@pytest.mark.parametrize(
    ("text", "env", "words"),
    [
        ("thing.x > 1", {"thing": {}}, "there is no field 'x'"),
        ("thing.x > 1", {"thing": {"x": "a"}}, "No such overload"),
        ("thing.x > 1", {"thing": None}, "No such overload"),
        ("thing > 1", {}, "thing"),
        ("thing", {"thing": 3}, "gives 3, not true or false"),
        ("thing[5]", {"thing": [True]}, "out of bounds"),
        ("1 / thing == 1", {"thing": 0}, "division by zero"),
        ("int(thing) == 1", {"thing": "x"}, "int"),
        ("thing == 1", {"thing": object()}, ""),
    ],
)
def test_what_cannot_be_decided_is_a_failure_that_no_retry_helps(text: str, env: dict[str, Any], words: str) -> None:
    with pytest.raises(ExecutorError) as caught:
        compile_condition(text).evaluate(env)
    assert caught.value.reason == "bad-condition"
    assert not caught.value.retryable
    assert words in caught.value.message


def test_a_wrong_condition_does_not_compile() -> None:
    with pytest.raises(SpecError) as caught:
        compile_condition("a &&")
    assert [d.code for d in caught.value.diagnostics] == ["bad-condition"]


def test_a_pattern_cannot_take_exponential_time() -> None:
    start = time.perf_counter()
    assert not compile_condition("thing.matches('^(a+)+$')").evaluate({"thing": "a" * 5000 + "b"})
    assert time.perf_counter() - start < 2


_values = st.sampled_from(
    ["inputs.n", "3", "-1", "inputs.n + 2", "size(scenes)", "inputs.tags.size()", "inputs.m['k']", "int(inputs.name.size())"]
)
_reals = st.sampled_from(["inputs.f", "1.5", "scenes[1].score", "double(inputs.n)", "inputs.f * 2.0", "item.score"])
_texts = st.sampled_from(["inputs.name", "'cat'", '"x"', "inputs['a-b']", "inputs.tags[0]", "string(inputs.n)", "item.label"])
_orders = st.sampled_from(["==", "!=", "<", "<=", ">", ">="])
_facts = st.one_of(
    st.builds("{} {} {}".format, _values, _orders, st.one_of(_values, _reals)),
    st.builds("{} {} {}".format, _texts, _orders, _texts),
    st.builds("{} in inputs.tags".format, _texts),
    st.builds("{}.contains({})".format, _texts, _texts),
    st.builds("scenes.{}(s, s.score {} {})".format, st.sampled_from(["all", "exists", "exists_one"]), _orders, _reals),
    st.sampled_from(["inputs.on", "true", "has(scenes[0].note)", "inputs.maybe == null", "thing.anything.size() > 0"]),
)
conditions = st.recursive(
    _facts,
    lambda inner: st.one_of(
        st.builds("({}) && {}".format, inner, inner),
        st.builds("{} || {}".format, inner, inner),
        st.builds("!({})".format, inner),
        st.builds("({} ? {} : {})".format, inner, inner, inner),
    ),
    max_leaves=5,
)


@given(conditions)
def test_what_is_found_right_can_be_decided(text: str) -> None:
    assert check_condition(text, SCOPE) == []
    assert compile_condition(text).evaluate(ENV) is compile_cel(text).execute({k: v for k, v in ENV.items() if k != "fast-step"})


_words = st.sampled_from(
    [
        *"()[]{}.,?:!-+*/%<>",
        "&&",
        "||",
        "==",
        "!=",
        "<=",
        "in",
        "a",
        "b",
        "1",
        "1.5",
        "'x'",
        "true",
        "null",
        "has",
        "size",
        ".a",
        "exists",
        "if",
    ]
)


@given(st.lists(_words, max_size=9).map(" ".join))
def test_what_is_read_here_is_read_by_the_library(text: str) -> None:
    try:
        parse_condition(text)
    except ConditionSyntaxError:
        return
    compile_cel(text)


@given(st.text("ab.()[]'\"\\&|=<>!-+ 019eExXuUrR\n/{}:,?é", max_size=14))
def test_literals_that_are_read_here_are_read_by_the_library(text: str) -> None:
    try:
        parse_condition(text)
    except ConditionSyntaxError:
        return
    compile_cel(text)


def test_checking_does_not_import_the_library() -> None:
    program = (
        "import sys; from murakkab.expressions import check_condition;"
        "check_condition('a > 1', {}); print([m for m in ('cel', 'celpy', 'typer') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_a_condition_is_decided_in_microseconds() -> None:
    condition = compile_condition("inputs.n > 3 && size(scenes) > 0")
    start = time.perf_counter()
    for _ in range(1000):
        condition.evaluate(ENV)
    assert time.perf_counter() - start < 0.5


# -------------------------------------------------------------------------------------------------------------- constants


@pytest.mark.parametrize(
    ("text", "always"),
    [
        ("true", True),
        ("false", False),
        ("!true", False),
        ("1 > 2", False),
        ("2 >= 1 && 1 < 2", True),
        ("0x10 == 16", True),
        ("1.5 * 2.0 == 3.0", True),
        ("1 + 2 * 3 == 7", True),
        ("-1 < 0", True),
        ("1 - 2 == -1", True),
        ("'a' + 'b' == 'ab'", True),
        ("'a' != 'b' && 'a' < 'b'", True),
        ("false && x", False),
        ("x.y > 3 && false", False),
        ("x || true", True),
        ("x || false", None),
        ("x && true", None),
        ("!x", None),
        ("x == x", None),
        ("true ? false : x", False),
        ("x ? true : true", None),
        ("2 in [1, 2]", True),
        ("'z' in ['a', 'b']", False),
        ("x in [1]", None),
        ("1 in ['1']", None),
        ("1 == 1.0", None),
        ("1 == '1'", None),
        ("true < 3", None),
        ("9223372036854775807 + 1 > 0", None),
        ("1 / 0 == 1", None),
        ("size('abc') == 3", None),
        ("[1].exists(x, x > 0)", None),
        ("'\\n' == 'x'", None),
        ("3u == 3u", None),
        ("null == null", None),
        ("1", None),
        ("1 >", None),
    ],
)
def test_conditions_that_always_give_the_same_are_known(text: str, always: bool | None) -> None:
    assert constant_of(text) is always


@pytest.mark.parametrize("text", ["1 > 2 || 'a' == 'a'", "!(1 + 1 == 2)", "-3 * -3 >= 9", "2 in [1, 2] && true", "'b' >= 'ab'"])
def test_a_constant_is_what_the_library_gives(text: str) -> None:
    assert compile_condition(text).evaluate({}) is constant_of(text)


def test_the_fields_that_a_condition_reads_are_known() -> None:
    assert reads_in("a.x > 1 && a.y && b[0] && c.exists(d, d.z)") == {"a": frozenset({"x", "y"}), "b": None, "c": None}
    assert reads_in("a.x > 1 || a == null") == {"a": None}
    assert reads_in("a >") == {}
