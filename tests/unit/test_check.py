from typing import Any

import pytest

from murakkab.errors import Diagnostic
from murakkab.load import parse
from murakkab.planner.check import check, result_types
from murakkab.planner.rings import rings
from murakkab.spec import Goal, Input, Loop, Output, Ref, Retry, Step, Workflow
from murakkab.types import ANY, INT, list_of
from tests.catalogs import DETECTION, SCENE, VIDEO_WORKFLOW, functions, small_catalog
from tests.effort import effort

INPUTS = "{n: int, s: str, videos: list[file], text: {type: str, default: hello}}"


def mistakes(steps: str, *, outputs: str = "{}", inputs: str = INPUTS, goal: str = "{}") -> list[Diagnostic]:
    """Return what is wrong with a workflow whose steps are YAML *steps*, warnings aside."""
    return [d for d in diagnostics(steps, outputs=outputs, inputs=inputs, goal=goal) if not d.is_warning]


def diagnostics(steps: str, *, outputs: str = "{}", inputs: str = INPUTS, goal: str = "{}") -> list[Diagnostic]:
    """Return all that `check` says of it."""
    parsed = parse(f"workflow: w\ninputs: {inputs}\nsteps:\n{steps}\noutputs: {outputs}\ngoal: {goal}\n", "f.yaml")
    assert parsed.diagnostics == []
    assert parsed.workflow is not None
    return check(parsed.workflow, small_catalog(), functions())


def one(steps: str, **more: str) -> Diagnostic:
    found = mistakes(steps, **more)
    assert len(found) == 1, [str(d) for d in found]
    return found[0]


def test_the_video_workflow_is_right() -> None:
    workflow = parse(VIDEO_WORKFLOW).workflow
    assert workflow is not None
    assert check(workflow, small_catalog(), {}) == []


def test_result_types_nest_a_list_per_level() -> None:
    workflow = parse(VIDEO_WORKFLOW).workflow
    assert workflow is not None
    found = result_types(workflow, small_catalog(), {})
    assert found["scenes"] == list_of(list_of(SCENE))
    assert found["objects"] == list_of(list_of(DETECTION))
    assert str(found["report"]) == "{objects: list[str], shown: list[str], mentioned: list[str]}"


def test_result_types_know_functions_and_admit_what_is_unknown() -> None:
    steps = {
        "a": Step("a", call="jobs:double", for_each=(Loop("i", [1]), Loop("j", [1]))),
        "b": Step("b", uses="nothing-known"),
    }
    assert result_types(Workflow("w", steps=steps), small_catalog(), functions()) == {"a": list_of(list_of(INT)), "b": ANY}


@pytest.mark.parametrize(
    ("steps", "code", "path", "words"),
    [
        ("  a: {uses: text-sumary, with: {text: x}}", "unknown-capability", ("uses",), "did you mean 'text-summary'?"),
        ("  a: {call: 'jobs:dubble', with: {x: 1}}", "unknown-function", ("call",), "did you mean 'jobs:double'?"),
        ("  a: {call: jobs.double}", "unknown-function", ("call",), "module:function"),
        ("  a: {description: x}", "no-work", (), "neither"),
        ("  a: {uses: text-summary, call: 'jobs:names'}", "no-work", (), "both"),
        ("  a: {uses: text-summary, with: {text: x}, executor: textrnk}", "unknown-executor", ("executor",), "'textrank'"),
        ("  a: {uses: text-summary, with: {text: x}, executor: haar}", "wrong-executor", ("executor",), "provided by textrank"),
        ("  a: {call: 'jobs:names', executor: haar}", "wrong-executor", ("executor",), "not python"),
        (
            "  a: {uses: text-summary, with: {text: x}, on_error: {fallback: haar}}",
            "wrong-executor",
            ("on_error", "fallback"),
            "object-detection",
        ),
        (
            "  a: {uses: text-summary, with: {text: x}, on_error: {fallback: nope}}",
            "unknown-executor",
            ("on_error", "fallback"),
            "nope",
        ),
        (
            "  a: {uses: text-summary, with: {text: x}, executor: textrank, on_error: {fallback: textrank}}",
            "same-fallback",
            ("on_error", "fallback"),
            "textrank",
        ),
        (
            "  a: {uses: speech-to-text, with: {audio: {source: {uri: x}, start: 0, end: 1.5}}, executor: whisper, knobs: {modl: base}}",
            "unknown-knob",
            ("knobs", "modl"),
            "did you mean 'model'?",
        ),
        (
            "  a: {uses: speech-to-text, with: {audio: {source: {uri: x}, start: 0, end: 1}}, executor: pocketsphinx, knobs: {model: x}}",
            "unknown-knob",
            ("knobs", "model"),
            "pocketsphinx",
        ),
        (
            "  a: {uses: speech-to-text, with: {audio: {source: {uri: x}, start: 0, end: 1}}, knobs: {model: bas}}",
            "out-of-range",
            ("knobs", "model"),
            "did you mean 'base'?",
        ),
        (
            "  a: {uses: speech-to-text, with: {audio: {source: {uri: x}, start: 0, end: 1}}, knobs: {beams: 17}}",
            "out-of-range",
            ("knobs", "beams"),
            "between 1 and 16",
        ),
        (
            "  a: {uses: speech-to-text, with: {audio: {source: {uri: x}, start: 0, end: 1}}, knobs: {pause: -1}}",
            "out-of-range",
            ("knobs", "pause"),
            "at least 0",
        ),
        (
            "  a: {uses: speech-to-text, with: {audio: {source: {uri: x}, start: 0, end: 1}}, knobs: {beams: '${inputs.s}'}}",
            "type-mismatch",
            ("knobs", "beams"),
            "wants int",
        ),
        ("  a: {uses: text-summary, with: {text: x, rato: 1}}", "unknown-input", ("with", "rato"), "did you mean 'ratio'?"),
        ("  a: {call: 'jobs:names', with: {x: 1}}", "unknown-input", ("with", "x"), "takes none"),
        ("  a: {uses: text-summary}", "missing-input", (), "'text' (str)"),
        ("  a: {uses: text-summary, with: {text: 3}}", "type-mismatch", ("with", "text"), "steps.a.with.text wants str, but int is given"),
        ("  a: {uses: text-summary, with: {text: '${inputs.n}'}}", "type-mismatch", ("with", "text"), "${inputs.n} gives int"),
        (
            "  a: {uses: scene-detection, with: {video: a.mp4}}",
            "type-mismatch",
            ("with", "video"),
            "{uri: ...}",
        ),
        (
            "  a: {uses: scene-detection, with: {video: {url: x}}}",
            "type-mismatch",
            ("with", "video"),
            "'uri' is missing",
        ),
        (
            "  a: {uses: scene-detection, with: {video: '${inputs.videos}'}}",
            "type-mismatch",
            ("with", "video"),
            "for_each",
        ),
        (
            "  a: {uses: object-detection, with: {images: '${inputs.videos[0]}'}}",
            "type-mismatch",
            ("with", "images"),
            "[...]",
        ),
        (
            "  a: {uses: object-detection, with: {images: [{uri: x}, 3]}}",
            "type-mismatch",
            ("with", "images", 1),
            "steps.a.with.images.1 wants file",
        ),
        (
            "  a: {uses: speech-to-text, with: {audio: {source: {uri: x}, start: now, end: 1}}}",
            "type-mismatch",
            ("with", "audio", "start"),
            "wants float, but str",
        ),
        (
            "  a: {uses: speech-to-text, with: {audio: {source: {uri: x}, start: 0}}}",
            "type-mismatch",
            ("with", "audio"),
            "'end' is missing",
        ),
        (
            "  a: {uses: text-summary, with: {text: {$first: ['${inputs.s}', '${inputs.n}']}}}",
            "type-mismatch",
            ("with", "text", "$first", 1),
            "gives int",
        ),
        ("  a: {uses: text-summary, with: {text: '${nope.x}'}}", "unknown-name", ("with", "text"), "no 'nope'"),
        ("  a: {uses: text-summary, with: {text: '${input.s}'}}", "unknown-name", ("with", "text"), "did you mean 'inputs'?"),
        ("  a: {uses: text-summary, with: {text: '${s}'}}", "unknown-name", ("with", "text"), "write ${inputs.s}"),
        ("  a: {uses: text-summary, with: {text: '${item}'}}", "unknown-name", ("with", "text"), "for_each"),
        ("  a: {uses: text-summary, with: {text: {$template: 'x ${nope}'}}}", "unknown-name", ("with", "text"), "nope"),
        ("  a: {uses: text-summary, with: {text: '${inputs.nn}'}}", "no-such-field", ("with", "text"), "'nn'"),
        ("  a: {uses: text-summary, with: {text: '${inputs.s[0]}'}}", "no-such-field", ("with", "text"), "not a list"),
        ("  a: {uses: text-summary, with: {text: '${a}'}}", "self-reference", ("with", "text"), "its own result"),
        ("  a: {uses: text-summary, with: {text: x}, after: a}", "self-reference", ("after", 0), "waits for itself"),
        ("  a: {uses: text-summary, with: {text: x}, when: a == 'x'}", "self-reference", ("when",), "its own result"),
        ("  a: {uses: text-summary, with: {text: x}, after: [aa]}", "unknown-step", ("after", 0), "did you mean 'a'?"),
        ("  a: {uses: text-summary, for_each: '${inputs.s}', with: {text: '${item}'}}", "not-a-list", ("for_each", "item"), "this is str"),
        (
            "  a: {uses: text-summary, for_each: {i: [x], j: '${i}'}, with: {text: '${j}'}}",
            "not-a-list",
            ("for_each", "j"),
            "this is str",
        ),
        (
            "  a: {uses: text-summary, for_each: ['x', '${inputs.n}', 1], max_parallel: 0, with: {text: '${item}'}}",
            "out-of-range",
            ("max_parallel",),
            "between 1",
        ),
        ("  a: {uses: text-summary, with: {text: x}, max_parallel: 3}", "not-a-loop", ("max_parallel",), "for_each"),
        ("  a: {uses: text-summary, with: {text: x}, timeout: 0}", "out-of-range", ("timeout",), "at least"),
        ("  a: {uses: text-summary, with: {text: x}, retry: 0}", "out-of-range", ("retry", "attempts"), "between 1 and 1,000"),
        ("  a: {uses: text-summary, with: {text: x}, retry: {delay: -1}}", "out-of-range", ("retry", "delay"), "at least 0"),
        ("  a: {uses: text-summary, with: {text: x}, retry: {backoff: 0.5}}", "out-of-range", ("retry", "backoff"), "between 1"),
        ("  a: {uses: text-summary, with: {text: x}, retry: {jitter: 1.5}}", "out-of-range", ("retry", "jitter"), "between 0 and 1"),
        ("  a: {uses: text-summary, with: {text: x}, cache: 0}", "out-of-range", ("cache",), "at least"),
        ("  a: {uses: note, with: {text: x}, cache: true}", "unsafe-cache", ("cache",), "effect write"),
        ("  a: {uses: text-summary, with: {text: x}, cache: true, effect: write}", "unsafe-cache", ("cache",), "as declared"),
        ("  a: {uses: payment, with: {amount: 1}, retry: 2}", "unsafe-retry", ("retry",), "tried again"),
        ("  a: {uses: payment, with: {amount: 1}, executor: bank, retry: 2}", "unsafe-retry", ("retry",), "'bank'"),
        (
            "  a: {uses: payment, with: {amount: 1}, executor: bank, on_error: {fallback: other-bank}}",
            "unsafe-retry",
            ("on_error",),
            "second time",
        ),
        (
            "  a: {uses: text-summary, with: {text: x}, on_error: {default: 3}}",
            "type-mismatch",
            ("on_error", "default"),
            "wants str, but int",
        ),
        ("  a: {uses: text-summary, with: {text: x}, when: 'inputs.n'}", "condition-type", ("when",), "column"),
        ("  a: {uses: text-summary, with: {text: x}, when: 'inputs.n >'}", "bad-condition", ("when",), "column"),
        ("  a: {uses: text-summary, with: {text: x}, when: 'item > 1'}", "unknown-name", ("when",), "item"),
    ],
)
def test_mistakes_in_a_step(steps: str, code: str, path: tuple[Any, ...], words: str) -> None:
    found = one(steps)
    assert (found.code, found.path) == (code, ("steps", "a", *path))
    assert words in f"{found.message}; {found.hint}"


@pytest.mark.parametrize(
    "steps",
    [
        "  a: {uses: text-summary, with: {text: '${inputs.text}', ratio: 1}}",
        "  a: {uses: python, with: {anything: [1, {b: '${inputs.n}'}]}}",
        "  a: {call: 'jobs:anything', with: {x: '${inputs}'}, executor: python}",
        "  a: {uses: payment, with: {amount: 1}, retry: 3, effect: write}",
        "  a: {uses: note, with: {text: x}, cache: true, effect: pure}",
        "  a: {uses: note, with: {text: x}, for_each: {i: '${inputs.videos}', j: [1]}, max_parallel: 4, when: i.uri != 'x' && j > 1}",
        "  a: {uses: text-summary, with: {text: {$template: 'n is ${inputs.n}'}}}",
        "  a: {uses: text-summary, with: {text: x}, executor: textrank, on_error: {default: ''}}",
        "  a: {uses: note, with: {text: x}, when: inputs.n > 3}\n  b: {uses: python, with: {text: {$first: ['${a}', no]}}, after: a}",
        "  a: {uses: python}\n  b: {uses: text-summary, with: {text: '${a.b[0].c}'}, when: a.x.y}",
    ],
)
def test_what_is_right_is_left_alone(steps: str) -> None:
    assert mistakes(steps) == []


def test_a_mismatch_names_both_sides() -> None:
    found = one(
        "  scenes: {uses: scene-detection, for_each: '${inputs.videos}', with: {video: '${item}'}}\n"
        "  speech: {uses: speech-to-text, with: {audio: '${scenes[*][*].audio}'}}"
    )
    assert found.message == ("steps.speech.with.audio wants audio, but ${scenes[*][*].audio} (steps.scenes[*][*].audio) gives list[audio]")
    assert "for_each" in found.hint


def test_an_optional_field_is_not_taken_for_granted() -> None:
    found = one(
        "  scenes: {uses: scene-detection, with: {video: '${inputs.videos[0]}'}}\n"
        "  sum: {uses: text-summary, with: {text: '${scenes[0].note}'}}"
    )
    assert found.hint == "it may be null or missing"


def test_each_ring_of_steps_is_shown_once() -> None:
    found = mistakes(
        "  a: {call: 'jobs:double', with: {x: '${c}'}}\n"
        "  b: {call: 'jobs:double', with: {x: '${a}'}}\n"
        "  c: {call: 'jobs:double', with: {x: 1}, when: b > 1}\n"
        "  d: {call: 'jobs:double', with: {x: 1}, after: e}\n"
        "  e: {call: 'jobs:double', with: {x: '${d}'}}\n"
        "  f: {call: 'jobs:double', with: {x: '${e}'}}"
    )
    assert [d.code for d in found] == ["cycle", "cycle"]
    assert {d.message.partition(": ")[2] for d in found} == {"a -> c -> b -> a", "d -> e -> d"}


def test_rings_of_any_length_are_found_without_recursion() -> None:
    edges = {f"s{i}": [f"s{(i + 1) % 20_000}"] for i in range(20_000)}
    (ring,) = rings(edges)
    assert len(ring) == 20_001
    assert rings({**edges, "s19999": []}) == []


@pytest.mark.parametrize(
    ("steps", "code", "path"),
    [
        ("  inputs: {uses: note, with: {text: x}}", "bad-name", ("steps", "inputs")),
        ("  item: {uses: note, with: {text: x}}", "bad-name", ("steps", "item")),
        ("  1st: {uses: note, with: {text: x}}", "bad-name", ("steps", "1st")),
        ("  a b: {uses: note, with: {text: x}}", "bad-name", ("steps", "a b")),
        ("  a: {uses: note, for_each: {inputs: [x]}, with: {text: x}}", "bad-name", ("steps", "a", "for_each", "inputs")),
        ("  a: {uses: note, for_each: {b c: [x]}, with: {text: x}}", "bad-name", ("steps", "a", "for_each", "b c")),
        ("  a: {uses: note, for_each: {a: [x]}, with: {text: x}}", "shadowed-name", ("steps", "a", "for_each", "a")),
    ],
)
def test_names_that_cannot_be_mentioned_are_refused(steps: str, code: str, path: tuple[Any, ...]) -> None:
    found = one(steps)
    assert (found.code, found.path) == (code, path)


def test_a_loop_variable_is_given_once() -> None:
    loops = (Loop("i", [1]), Loop("i", [2]))
    found = check(Workflow("w", steps={"a": Step("a", call="jobs:names", for_each=loops)}), small_catalog(), functions())
    assert [(d.code, d.path) for d in found] == [("shadowed-name", ("steps", "a", "for_each", "i"))]


def test_a_loop_variable_is_known_in_its_step_alone() -> None:
    found = one(
        "  a: {uses: note, for_each: {video: '${inputs.videos}'}, with: {text: '${video.uri}'}}\n"
        "  b: {uses: note, with: {text: '${video.uri}'}}"
    )
    assert found.path == ("steps", "b", "with", "text")
    assert "loop variable of the step 'a'" in found.hint


@pytest.mark.parametrize(
    ("more", "code", "path"),
    [
        ({"inputs": "{a: {type: int, default: x}}"}, "type-mismatch", ("inputs", "a", "default")),
        ({"inputs": "{a: {type: list[int], default: [1, x]}}"}, "type-mismatch", ("inputs", "a", "default", 1)),
        ({"inputs": "{a: {default: '${inputs.b}'}, b: int}"}, "not-a-literal", ("inputs", "a", "default")),
        ({"inputs": "{a b: int}"}, "bad-name", ("inputs", "a b")),
        ({"outputs": "{a b: 1}"}, "bad-name", ("outputs", "a b")),
        ({"outputs": "{a: '${nope}'}"}, "unknown-name", ("outputs", "a")),
        ({"outputs": "{a: {value: '${inputs.n}', type: str}}"}, "type-mismatch", ("outputs", "a")),
        ({"goal": "{minimize: time}"}, "unknown-goal", ("goal", "minimize", 0)),
        ({"goal": "{limits: {quality: 2}}"}, "out-of-range", ("goal", "limits", "quality")),
        ({"goal": "{limits: {latency: 0}}"}, "out-of-range", ("goal", "limits", "latency")),
        ({"goal": "{limits: {cost: -1}}"}, "out-of-range", ("goal", "limits", "cost")),
    ],
)
def test_mistakes_around_steps(more: dict[str, str], code: str, path: tuple[Any, ...]) -> None:
    found = one("  s: {call: 'jobs:names'}", **more)
    assert (found.code, found.path) == (code, path)


def test_a_default_of_null_needs_a_type_that_allows_it() -> None:
    assert mistakes("  s: {call: 'jobs:names'}", inputs="{a: {type: 'int?', default: null}}") == []
    assert one("  s: {call: 'jobs:names'}", inputs="{a: {type: int, default: null}}").code == "type-mismatch"


def test_workflows_written_in_python_are_checked_as_well() -> None:
    workflow = Workflow(
        "two\nlines",
        inputs={"a": Input(INT, 1.5, required=False)},
        steps={"s": Step("s", call="jobs:double", with_={"x": Ref("inputs", ("b",))}, retry=Retry(attempts=10**9))},
        outputs={"o": Output(Ref("s", ("x",)))},
        goal=Goal(limits={"speed": 1.0, "cost": float("nan")}),
    )
    assert [d.code for d in check(workflow, small_catalog(), functions())] == [
        "bad-name",
        "type-mismatch",
        "out-of-range",
        "no-such-field",
        "no-such-field",
        "unknown-goal",
        "out-of-range",
    ]


def test_everything_is_reported_in_the_order_of_the_file() -> None:
    text = """\
workflow: w
inputs: {n: int}
steps:
  b: {uses: text-summary, with: {text: "${a}"}, retry: 0}
  a: {uses: text-sumary, with: {text: "${inputs.m}"}, tmeout: 3}
outputs: {x: "${c}"}
goal: {minimize: speed}
"""
    parsed = parse(text, "f.yaml")
    assert parsed.workflow is not None
    found = parsed.report(check(parsed.workflow, small_catalog(), {}))
    assert [str(d).split(": ")[:2] for d in found] == [
        ["f.yaml:4:56", "out-of-range"],
        ["f.yaml:5:13", "unknown-capability"],
        ["f.yaml:5:39", "no-such-field"],
        ["f.yaml:5:55", "unknown-field"],
        ["f.yaml:6:14", "unknown-name"],
        ["f.yaml:7:8", "unknown-goal"],
    ]


def _chain(length: int, extra: str = "") -> str:
    steps = (
        f"  s{i}: {{uses: text-summary, with: {{text: {f'${{s{i - 1}}}' if i else 'hello'!r}}}, when: 'inputs.n > {i}', retry: 3{extra}}}\n"
        for i in range(length)
    )
    return "workflow: w\ninputs: {n: int}\nsteps:\n" + "".join(steps)


def _calls(text: str) -> int:
    def work() -> None:
        parsed = parse(text)
        assert parsed.workflow is not None
        parsed.report(check(parsed.workflow, small_catalog(), {}))

    return effort(work)[1]


def test_more_steps_take_no_longer_each() -> None:
    assert _calls(_chain(1000)) < 4 * _calls(_chain(250)) * 1.4


def test_more_mistakes_take_no_longer_each() -> None:
    wrong = ", executor: textrnk, after: [nope, s]"
    assert _calls(_chain(400, wrong)) < 4 * _calls(_chain(100, wrong)) * 1.4


@pytest.mark.parametrize("seconds", [-3.0, 0.0, float("nan")])
def test_a_deadline_that_no_job_can_meet_is_refused(seconds: float) -> None:
    step = Step("a", uses="text-summary", with_={"text": "x"})
    (found,) = check(Workflow("w", steps={"a": step}, timeout=seconds), small_catalog(), {})
    assert (found.code, found.path) == ("out-of-range", ("timeout",))


def test_a_large_bound_is_shown_in_full() -> None:
    found = mistakes("  a: {uses: text-summary, for_each: [], with: {text: x}, max_parallel: 0}")
    assert [d.hint for d in found] == ["it is between 1 and 1,000,000"]
