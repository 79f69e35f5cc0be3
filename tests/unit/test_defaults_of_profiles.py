"""A profile changes defaults wherever it is chosen: when the file is read, later, and in workflows made in Python."""

import time
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from murakkab import Repeat, block, fallback_to, finally_, load_workflow, step, workflow
from murakkab.document import to_document, with_profile
from murakkab.load import parse
from murakkab.planner.check import check
from murakkab.planner.check_profiles import check_profiles
from murakkab.spec import CachePolicy, Effect, Retry
from tests.catalogs import functions, small_catalog


@step
def plain(text: str) -> str:
    return text


@step(retry=1, cache=False, on_error="fail", effect="pure")
def stubborn(text: str) -> str:
    return text


DEFAULTS: dict[str, Any] = {
    "retry": 3,
    "timeout": 9.0,
    "cache": 60.0,
    "on_error": fallback_to("python"),
    "effect": "read",
    "max_parallel": 4,
}
PROFILES: dict[str, Any] = {
    "dev": {"defaults": {"retry": 1, "timeout": None, "cache": True}},
    "patient": {"defaults": {"retry": {"delay": 2.0}, "max_parallel": 1}, "timeout": 99},
    "own": {"steps": {"plain": {"retry": None, "timeout": 1.0}, "group": {"steps": {"inner": {"cache": 1}}}}},
    "more": {"steps": {"added": {"call": "murakkab:new", "with": {"text": "x"}}, "plain": None, "stubborn": {"after": None}}},
    "other": {"inputs": {"n": {"default": 2}}},
}


@workflow(defaults=DEFAULTS, profiles=PROFILES)  # type: ignore[typeddict-item]
def made(texts: list[str], n: int = 1) -> list[str]:
    plain("x")
    stubborn.with_options(after="plain")("x")
    with block(name="group", repeat=Repeat(2)):
        plain.with_options(name="inner", retry=2)("x")
    with finally_():
        plain.with_options(name="last", on_error="skip")("x")
    return plain.with_options(name="each").map(texts)


#: The same, as a file has it.
WRITTEN: dict[str, Any] = {
    "workflow": "made",
    "inputs": {"texts": "list[str]", "n": {"type": "int", "default": 1}},
    "defaults": {**DEFAULTS, "cache": 60.0, "on_error": {"fallback": "python"}},
    "profiles": PROFILES,
    "steps": {
        "plain": {"with": {"text": "x"}},
        "stubborn": {"with": {"text": "x"}, "retry": None, "cache": None, "on_error": "fail", "effect": "pure", "after": "plain"},
        "group": {"repeat": 2, "steps": {"inner": {"with": {"text": "x"}, "retry": 2}}},
        "each": {"with": {"text": "${item}"}, "for_each": "${inputs.texts}"},
    },
    "finally": {"last": {"with": {"text": "x"}, "on_error": "skip"}},
    "outputs": {"result": "${each}"},
}


def as_text(document: dict[str, Any]) -> str:
    return yaml.safe_dump(document, sort_keys=False)


def steps_of(workflow: Any) -> Any:
    """Return how every step is done, without who does it."""
    document = to_document(workflow)
    return {key: _without_work(document.get(key, {})) for key in ("steps", "finally")}


def _without_work(steps: dict[str, Any]) -> Any:
    kept = {name: {key: value for key, value in one.items() if key not in ("call", "repeat")} for name, one in steps.items()}
    return {name: {**one, "steps": _without_work(one["steps"])} if "steps" in one else one for name, one in kept.items()}


def test_defaults_in_python_are_those_of_a_file() -> None:
    read = parse(as_text(WRITTEN)).workflow
    assert read is not None
    assert steps_of(made.definition) == steps_of(read)
    done = made.definition.steps
    assert (done["plain"].retry, done["plain"].cache, done["plain"].effect) == (Retry(3), CachePolicy(60.0), Effect.READ)
    assert (done["stubborn"].retry, done["stubborn"].cache, done["stubborn"].effect) == (Retry(), None, Effect.PURE)
    assert (done["plain"].max_parallel, done["each"].max_parallel) == (None, 4)


@pytest.mark.parametrize("name", PROFILES)
def test_a_profile_changes_the_defaults_of_a_workflow_made_in_python_as_it_does_those_of_a_file(name: str) -> None:
    chosen = parse(as_text(WRITTEN), profile=name)
    assert chosen.workflow is not None
    assert chosen.diagnostics == []
    assert steps_of(with_profile(made.definition, name)) == steps_of(chosen.workflow)
    again = parse(made.to_yaml(), profile=name).workflow
    assert again is not None
    assert steps_of(again) == steps_of(chosen.workflow)


def test_jobs_run_with_the_defaults_of_the_profile(tmp_path: Any) -> None:
    tries: list[int] = []

    @step
    def fails() -> int:
        tries.append(1)
        raise ValueError("never")

    @workflow(defaults={"retry": Retry(3, delay=0.0)}, profiles={"dev": {"defaults": {"retry": 1}}})
    def trying() -> int:
        return fails()

    assert trying.options(profile="dev").run_job().status == "failed"
    assert len(tries) == 1
    assert trying.run_job().status == "failed"
    assert len(tries) == 4


# --------------------------------------------------------------------------------------------- chosen at once, or later

_RETRIES = st.sampled_from([1, 3, {"delay": 2.0}, {"attempts": 2}, None])
_FIELDS = {
    "retry": _RETRIES,
    "timeout": st.sampled_from([1.0, "5s", None]),
    "cache": st.sampled_from([True, 1, "1h", None]),
    "effect": st.sampled_from(["pure", "read", None]),
    "on_error": st.sampled_from(["skip", {"default": {"a": 1}}, {"default": {"b": True}}, {"fallback": "x"}, None]),
    "prefer": st.sampled_from([{"device": "cpu"}, {"model": "m"}, None]),
    "max_parallel": st.sampled_from([1, 2, None]),
}
_OPTIONS = st.fixed_dictionaries({}, optional=_FIELDS)
_GIVEN = st.fixed_dictionaries({}, optional={key: values.filter(lambda value: value is not None) for key, values in _FIELDS.items()})


@st.composite
def _documents(draw: st.DrawFn) -> dict[str, Any]:
    own = {name: draw(_OPTIONS) for name in ("a", "b", "c")}
    defaults = draw(_GIVEN)
    # Null says of a step that it is to have none of the defaults; there has to be one.
    own = {name: {key: value for key, value in one.items() if value is not None or key in defaults} for name, one in own.items()}
    for one in (own["a"], own["c"]):
        one.pop("max_parallel", None)
    changes = draw(st.dictionaries(st.sampled_from(["a", "b"]), _OPTIONS | st.none(), max_size=2))
    return {
        "workflow": "w",
        "defaults": defaults,
        "steps": {
            "a": {"uses": "note", "with": {"text": "x"}, **own["a"]},
            "b": {"uses": "note", "with": {"text": "x"}, "for_each": [1], **own["b"]},
            "g": {"steps": {"c": {"uses": "note", "with": {"text": "x"}, **own["c"]}}},
        },
        "profiles": {"p": {"defaults": draw(_OPTIONS), "steps": changes}},
    }


@given(_documents())
def test_a_profile_means_the_same_chosen_at_once_or_later(document: dict[str, Any]) -> None:
    at_once, later = parse(as_text(document), profile="p"), parse(as_text(document))
    if at_once.diagnostics:
        return
    assert later.workflow is not None
    assert with_profile(later.workflow, "p") == at_once.workflow


def test_the_profile_of_a_loaded_file_is_chosen_later_too(tmp_path: Any) -> None:
    file = tmp_path / "w.yaml"
    file.write_text(
        "workflow: w\ndefaults: {retry: 3}\nprofiles: {dev: {defaults: {retry: 1}}}\n"
        "steps: {a: {call: 'statistics:fmean', with: {data: [1.0]}}}\noutputs: {a: '${a}'}\n"
    )
    handle = load_workflow(file)
    assert handle.definition.steps["a"].retry == Retry(3)
    assert with_profile(handle.definition, "dev").steps["a"].retry == Retry()


def test_a_mistake_in_the_defaults_of_a_profile_is_told_where_it_stands() -> None:
    parsed = parse(
        "workflow: w\ndefaults: {retry: 3}\nprofiles:\n  dev: {defaults: {retry: 0}}\n  bad: {defaults: {retrry: 1}}\n"
        "  late: {defaults: {executor: nope}}\nsteps: {a: {uses: note, with: {text: x}}}\n",
        "w.yaml",
    )
    assert parsed.workflow is not None
    found = check(parsed.workflow, small_catalog(), functions()) + check_profiles(parsed.workflow, small_catalog(), functions())
    assert [(str(d.place), d.code) for d in parsed.report(found)] == [
        ("w.yaml:4:27", "out-of-range"),
        ("w.yaml:5:20", "unknown-field"),
        ("w.yaml:6:31", "unknown-executor"),
    ]


def test_very_many_profiles_of_very_many_steps_are_refused() -> None:
    steps = {f"s{i}": {"wait": "1s"} for i in range(2_500)}
    document = {"workflow": "w", "defaults": {"retry": 2}, "steps": steps, "profiles": {f"p{i}": {"defaults": {}} for i in range(2_500)}}
    text = as_text(document)
    began = time.process_time()
    (found,) = parse(text, "w.yaml").diagnostics
    assert time.process_time() - began < 2.0
    assert found.code == "too-large"
