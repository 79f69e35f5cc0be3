"""Workflows put together from parts: profiles, defaults, definitions of their own and in other files."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from murakkab import app
from murakkab.document import from_document, to_document
from murakkab.errors import NotFoundError, SpecError
from murakkab.load import Parsed, ReadFile, parse
from murakkab.planner.check import check
from murakkab.spec import OnError, Rescue, Retry, Step, Workflow
from tests.catalogs import small_catalog


def reader(files: Mapping[str, str | bytes]) -> ReadFile:
    def read(path: str) -> bytes:
        text = files.get(path)
        if text is None:
            raise FileNotFoundError(path)
        return text.encode() if isinstance(text, str) else text

    return read


def loaded(text: str, *, profile: str = "", **files: str) -> Workflow:
    """Return the workflow that *text* declares, with *files* beside it."""
    parsed = parse(text, "w.yaml", profile=profile, read=reader({f"{name}.yaml": inner for name, inner in files.items()}))
    assert parsed.diagnostics == []
    assert parsed.workflow is not None
    return parsed.workflow


def told(parsed: Parsed) -> list[str]:
    """Return `place code` for every mistake, those of checking included."""
    more = check(parsed.workflow, small_catalog(), {}) if parsed.workflow else []
    return [f"{d.place} {d.code}" for d in parsed.report(more) if not d.is_warning]


# ---------------------------------------------------------------------------------------------------------------- defaults


def test_defaults_are_laid_under_every_step_that_an_executor_does() -> None:
    workflow = loaded(
        """\
workflow: w
defaults: {retry: 3, timeout: 30s, on_error: skip, max_parallel: 4}
workflows: {part: {steps: {s: {uses: x}}}}
steps:
  plain: {uses: x}
  own: {call: 'm:f', retry: {delay: 1s}, timeout: 5s, on_error: {default: 0}}
  none: {uses: x, retry: null, timeout: null, on_error: null}
  map: {uses: x, for_each: '${plain}'}
  block: {steps: {inner: {uses: x}}, for_each: [1]}
  sub: {workflow: part}
  ask: {approve: Really?}
  pause: {wait: 1s}
finally: {clean: {uses: x}}
"""
    )
    skip = OnError(Rescue.SKIP)
    assert workflow.steps["plain"] == Step("plain", uses="x", retry=Retry(3), timeout=30.0, on_error=skip)
    assert workflow.steps["own"] == Step(
        "own", call="m:f", retry=Retry(3, delay=1), timeout=5.0, on_error=OnError(Rescue.DEFAULT, default=0)
    )
    assert workflow.steps["none"] == Step("none", uses="x")
    assert workflow.steps["map"].max_parallel == 4
    block = workflow.steps["block"]
    assert (block.timeout, block.max_parallel) == (None, 4)
    assert block.block is not None
    assert block.block.steps["inner"].timeout == 30.0
    assert all(workflow.steps[name].timeout is None for name in ("sub", "ask", "pause"))
    assert workflow.finally_["clean"].retry == Retry(3)
    assert workflow.workflows["part"].steps["s"] == Step("s", uses="x")


def test_steps_that_share_their_text_do_not_share_what_is_laid_under_them() -> None:
    workflow = loaded("workflow: w\ndefaults: {retry: {delay: 1s}}\nsteps:\n  a: &a {uses: x, retry: {attempts: 2}}\n  b: *a\n")
    assert workflow.steps["a"].retry == workflow.steps["b"].retry == Retry(2, delay=1)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("defaults: {retrry: 3}\nsteps: {a: {uses: note, with: {text: x}}}", ["w.yaml:2:12 unknown-field"]),
        ("defaults: {uses: note}\nsteps: {a: {uses: note, with: {text: x}}}", ["w.yaml:2:12 unknown-field"]),
        ("defaults: 3", ["w.yaml:2:11 wrong-form"]),
        ("defaults: {timeout: soon}\nsteps: {a: {wait: 1s}}", ["w.yaml:2:21 bad-quantity"]),
        (
            "defaults: {timeout: soon}\nsteps: {a: {uses: note, with: {text: x}}, b: {uses: note, with: {text: x}}}",
            ["w.yaml:2:21 bad-quantity"],
        ),
        ("defaults: {executor: nope}\nsteps: {a: {uses: note, with: {text: x}}}", ["w.yaml:2:22 unknown-executor"]),
        ("defaults: {retry: {jitter: 7}}\nsteps: {a: {uses: note, with: {text: x}, retry: 2}}", ["w.yaml:2:28 out-of-range"]),
    ],
)
def test_a_mistake_in_defaults_is_told_once_and_where_they_stand(text: str, expected: list[str]) -> None:
    assert told(parse(f"workflow: w\n{text}\n", "w.yaml")) == expected


# ---------------------------------------------------------------------------------------------------------------- profiles

_PROFILES = """\
workflow: w
inputs: {n: int}
defaults: {retry: 2, timeout: 30s}
profiles:
  dev:
    inputs: {n: {default: 2}}
    defaults: {retry: {attempts: 5}, timeout: null}
    steps: {a: {executor: nope, with: {text: 7}}, b: null}
    budget: {cost: 1}
  prod: {steps: {a: {timeout: soon}}}
steps:
  a: {uses: note, with: {text: x}}
  b: {uses: nothing}
"""


def test_a_profile_is_chosen_before_defaults_are_laid_under_steps() -> None:
    parsed = parse(_PROFILES, "w.yaml", profile="dev")
    assert parsed.diagnostics == []
    workflow = parsed.workflow
    assert workflow is not None
    assert workflow.steps == {"a": Step("a", uses="note", with_={"text": 7}, retry=Retry(5), executor="nope")}
    assert workflow.inputs["n"].default == 2
    assert workflow.budget == {"cost": 1.0}
    assert not workflow.profiles


def test_without_a_choice_profiles_are_kept() -> None:
    workflow = loaded(_PROFILES)
    assert set(workflow.profiles) == {"dev", "prod"}
    assert from_document(to_document(workflow)).workflow == workflow


def test_mistakes_of_a_profile_are_told_where_it_makes_them() -> None:
    assert told(parse(_PROFILES, "w.yaml", profile="dev")) == ["w.yaml:8:27 unknown-executor", "w.yaml:8:46 type-mismatch"]
    assert told(parse(_PROFILES, "w.yaml", profile="prod")) == ["w.yaml:10:31 bad-quantity", "w.yaml:13:13 unknown-capability"]


def test_a_profile_that_is_not_there_is_named_with_the_closest() -> None:
    found = parse(_PROFILES, "w.yaml", profile="dve").diagnostics
    assert [str(d) for d in found] == ["w.yaml:4:1: unknown-profile: there is no profile 'dve'; did you mean 'dev'?"]
    found = parse("workflow: w\n", "w.yaml", profile="dev").diagnostics
    assert [(d.code, d.hint) for d in found] == [("unknown-profile", "the workflow has no `profiles`")]


def test_a_profile_reaches_the_files_that_have_it() -> None:
    text = "workflow: w\nprofiles: {dev: {}}\nsteps: {a: {workflow: p.yaml}, b: {workflow: q.yaml}}\n"
    part = "workflow: p\nprofiles: {dev: {steps: {s: {executor: y}}}}\nsteps: {s: {uses: x}}\n"
    workflow = loaded(text, profile="dev", p=part, q="workflow: q\nprofiles: {prod: {}}\n")
    assert workflow.workflows == {"p": Workflow("p", steps={"s": Step("s", uses="x", executor="y")}), "q": Workflow("q")}


# ------------------------------------------------------------------------------------------------------------------- files


def test_a_file_ends_up_inside_under_its_key() -> None:
    text = "workflow: w\nworkflows: {sum: ./part.yaml}\nsteps: {a: {workflow: sum}, b: {workflow: part.yaml}, c: {workflow: sum@2}}\n"
    part = Workflow("part", version="2.1", steps={"s": Step("s", uses="x")})
    workflow = loaded(text, part="workflow: part\nversion: '2.1'\nsteps: {s: {uses: x}}\n")
    assert workflow.workflows == {"sum": part}
    assert {name: step.workflow for name, step in workflow.steps.items()} == {"a": "sum", "b": "sum", "c": "sum"}
    assert from_document(json.loads(json.dumps(to_document(workflow)))) == (workflow, [])


def test_paths_are_relative_to_the_file_that_names_them() -> None:
    files = {
        "lib/one.yaml": "workflow: one\nsteps: {s: {workflow: ./deep/two.yaml}, t: {workflow: ../other.yaml}}",
        "lib/deep/two.yaml": "workflow: two",
        "other.yaml": "workflow: other",
    }
    parsed = parse("workflow: w\nsteps: {a: {workflow: lib/one.yaml}}", "w.yaml", read=reader(files))
    assert parsed.diagnostics == []
    assert parsed.workflow is not None
    one = parsed.workflow.workflows["one"]
    assert one.workflows == {"two": Workflow("two"), "other": Workflow("other")}


def test_files_of_one_name_get_keys_of_their_own() -> None:
    files = {"a/f.yaml": "workflow: a", "b/f.yaml": "workflow: b", "9 lives.yaml": "workflow: c"}
    text = "workflow: w\nsteps: {a: {workflow: a/f.yaml}, b: {workflow: b/f.yaml}, c: {workflow: '9 lives.yaml'}}"
    parsed = parse(text, "w.yaml", read=reader(files))
    assert parsed.diagnostics == []
    assert parsed.workflow is not None
    assert parsed.workflow.workflows == {"f": Workflow("a"), "f_2": Workflow("b"), "_9_lives": Workflow("c")}


def test_a_definition_may_use_those_around_it_and_holds_them_then() -> None:
    workflow = loaded("workflow: w\nworkflows:\n  a: {steps: {s: {workflow: b}}}\n  b: {version: '1'}\nsteps: {t: {workflow: a}}\n")
    inner = Workflow("b", version="1")
    assert workflow.workflows == {"a": Workflow("a", steps={"s": Step("s", workflow="b")}, workflows={"b": inner}), "b": inner}


def test_defaults_hold_in_the_file_that_has_them() -> None:
    text = "workflow: w\ndefaults: {retry: 3}\nsteps: {a: {workflow: p.yaml}}\n"
    workflow = loaded(text, p="workflow: p\ndefaults: {timeout: 5}\nsteps: {s: {uses: x}}\n")
    assert workflow.workflows["p"].steps["s"] == Step("s", uses="x", timeout=5.0)


@pytest.mark.parametrize(
    ("reference", "code", "words"),
    [
        ("part@3", "wrong-version", "version 3 of 'part' is wanted, and version 2.1 is there; write part@2.1"),
        ("part@2.10", "wrong-version", "version 2.1 is there"),
        ("part@21", "wrong-version", "version 2.1 is there"),
        ("plain@1", "wrong-version", "one without a version is there"),
        ("prat", "unknown-workflow", "did you mean 'part'?"),
        ("beside", "unknown-workflow", "there is a file beside this one: write workflow: ./beside.yaml"),
        ("zzz", "unknown-workflow", "there are part, plain"),
        ("./zzz.yaml", "unknown-workflow", "there is no file 'zzz.yaml'; a path is relative to the file that names it"),
        ("w.yaml", "cycle", "workflows run each other: w.yaml -> w.yaml"),
        ("ring.yaml", "cycle", "w.yaml -> ring.yaml -> w.yaml"),
    ],
)
def test_a_workflow_that_cannot_be_used_is_the_only_mistake(reference: str, code: str, words: str) -> None:
    text = f"""\
workflow: w
workflows: {{part: part.yaml, plain: {{steps: {{s: {{uses: note, with: {{text: x}}}}}}}}}}
steps:
  a: {{workflow: {reference}}}
  b: {{uses: note, with: {{text: '${{a}}'}}}}
  c: {{workflow: part}}
  d: {{workflow: plain}}
"""
    part = "workflow: part\nversion: '2.1'\nsteps: {s: {uses: note, with: {text: x}}}\n"
    files = {"part.yaml": part, "beside.yaml": part, "ring.yaml": "workflow: r\nsteps: {s: {workflow: w.yaml}}", "w.yaml": text}
    parsed = parse(text, "w.yaml", read=reader(files))
    assert parsed.workflow is not None
    found = [d for d in parsed.report(check(parsed.workflow, small_catalog(), {})) if not d.is_warning and d.code != "type-mismatch"]
    assert [d.code for d in found] == [code]
    assert words in str(found[0])
    assert str(found[0].place) == ("ring.yaml:2:23" if reference == "ring.yaml" else "w.yaml:4:17")


def test_mistakes_in_an_included_file_are_told_at_their_place_there() -> None:
    text = "workflow: w\nsteps: {a: {workflow: p.yaml}, b: {steps: {c: {workflow: p.yaml}}}, d: {usess: x}}\n"
    part = "workflow: p\nsteps:\n  s: {usess: x}\n  t: {uses: nothing}\n  u: {uses: note, with: {text: 3}}\n"
    parsed = parse(text, "w.yaml", read=reader({"p.yaml": part}))
    assert told(parsed) == [
        "w.yaml:2:73 unknown-field",
        "p.yaml:3:7 unknown-field",
        "p.yaml:4:13 unknown-capability",
        "p.yaml:5:32 type-mismatch",
    ]


def test_what_is_no_yaml_in_an_included_file_is_told_there() -> None:
    parsed = parse("workflow: w\nsteps: {a: {workflow: p.yaml}}", "w.yaml", read=reader({"p.yaml": "a: [1"}))
    assert told(parsed) == ["p.yaml:1:4 syntax"]


def test_a_text_without_a_file_can_name_none() -> None:
    parsed = parse("workflow: w\nworkflows: {p: p.yaml}\nsteps: {a: {workflow: p}, b: {workflow: /etc/passwd.yaml}}", "w")
    assert told(parsed) == ["w:2:16 unknown-workflow", "w:3:41 unknown-workflow"]


def test_rings_inside_of_a_file_are_told_by_their_names() -> None:
    text = "workflow: w\nworkflows:\n  a: {steps: {s: {workflow: b}}}\n  b: {steps: {s: {workflow: a}}}\nsteps: {t: {workflow: a}}\n"
    found = parse(text, "w.yaml").diagnostics
    assert [(str(d.place), d.code, d.message) for d in found] == [("w.yaml:4:29", "cycle", "workflows run each other: a -> b -> a")]


# ---------------------------------------------------------------------------------------------------------------- app


def test_a_file_is_loaded_with_what_it_includes_and_its_profile(tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "part.yaml").write_text(
        "workflow: part\ninputs: {c: list[str]}\nsteps: {s: {uses: shell, with: {argv: '${inputs.c}'}}}\n"
    )
    file = tmp_path / "w.yaml"
    file.write_text(
        "workflow: w\nprofiles: {dev: {steps: {a: {with: {c: [echo, dev]}}}}}\n"
        "steps: {a: {workflow: lib/part.yaml, with: {c: [echo, prod]}}}\noutputs: {a: '${a}'}\n"
    )
    assert app.load_file(file).graph.workflow.steps["a"].with_ == {"c": ["echo", "prod"]}
    assert app.load_file(file, profile="dev").graph.workflow.steps["a"].with_ == {"c": ["echo", "dev"]}
    with pytest.raises(SpecError, match="unknown-profile"):
        app.load_file(file, profile="dve")


def test_warnings_stop_nobody_and_stand_beside_mistakes(tmp_path: Path) -> None:
    file = tmp_path / "w.yaml"
    text = "workflow: w\ninputs: {n: {type: int, default: 1}}\nsteps: {a: {uses: shell, with: {argv: [ls]}}}\noutputs: {a: '${a}'}\n"
    file.write_text(text)
    assert [(d.code, d.place and d.place.line) for d in app.load_file(file).warnings] == [("unused-input", 2)]
    file.write_text(text.replace("{uses", "{surprise: 1, uses"))
    with pytest.raises(SpecError) as caught:
        app.load_file(file)
    assert [d.code for d in caught.value.diagnostics] == ["unused-input", "unknown-field"]


def test_an_endless_file_is_read_up_to_a_limit(tmp_path: Path) -> None:
    file = tmp_path / "large.yaml"
    with file.open("wb") as out:
        out.truncate(100_000_000)
    with pytest.raises(SpecError, match="too-large"):
        app.load_file(file)
    with pytest.raises(SpecError, match="too-large"):
        app.load_file("/dev/zero")
    with pytest.raises(NotFoundError):
        app.load_file(tmp_path / "no.yaml")


# ---------------------------------------------------------------------------------------------------------------- limits

_LONG = "$${" * 60_000


def _lines(count: int, line: Callable[[int], str]) -> str:
    return "".join(f"  {line(i)}\n" for i in range(count))


def _diamonds() -> dict[str, str]:
    return {f"f{i}.yaml": f"workflow: f\nworkflows: {{x: f{i + 1}.yaml, y: f{i + 1}.yaml}}\n" for i in range(18)} | {
        "f18.yaml": "workflow: f"
    }


#: what is hostile -> (the text, the files beside it, the code)
HOSTILE: dict[str, tuple[str, Mapping[str, str], str]] = {
    "a million steps": ("workflow: w\nsteps:\n" + _lines(1_000_000, lambda i: f"s{i}: {{uses: x}}"), {}, "too-large"),
    "steps within the size": ("workflow: w\nsteps:\n" + _lines(40_000, lambda i: f"s{i}: {{uses: x}}"), {}, "too-large"),
    "a long list": ("workflow: w\nsteps: {a: {uses: x, with: {y: [" + "1," * 490_000 + "1]}}}", {}, "too-large"),
    "many deep lists": ("a: [" + ("[" * 40 + "]" * 40 + ",") * 11_000 + "1]", {}, "too-large"),
    "a large scalar": ("a: " + "x" * 100_000_000, {}, "too-large"),
    "aliases of long text": (f'a: &t "{_LONG}"\nb: [{"*t ," * 9000}1]', {}, "too-many-aliases"),
    "defaults of long text": (
        f'workflow: w\ndefaults: {{on_error: {{default: "{_LONG}"}}}}\nsteps:\n' + _lines(20_000, lambda i: f"s{i}: {{uses: x}}"),
        {},
        "too-large",
    ),
    "defaults with a long list": (
        f"workflow: w\ndefaults: {{on_error: {{default: [{'1,' * 10_000}1]}}}}\nsteps:\n" + _lines(10_000, lambda i: f"s{i}: {{uses: x}}"),
        {},
        "too-large",
    ),
    "deep blocks": ("workflow: w\n" + "".join("  " * i + "steps:\n" + "  " * i + " a:\n" for i in range(40)), {}, "too-deep"),
    "deep definitions": (
        "workflow: w\n" + "".join("  " * i + "workflows:\n" + "  " * i + " a:\n" for i in range(25)) + " " * 60 + "{}",
        {},
        "too-deep",
    ),
    "diamonds of files": ("workflow: w\nsteps: {a: {workflow: f0.yaml}}", _diamonds(), "too-large"),
    "a long chain of files": (
        "workflow: w\nsteps: {a: {workflow: g0.yaml}}",
        {f"g{i}.yaml": f"workflow: g\nsteps: {{a: {{workflow: g{i + 1}.yaml}}}}" for i in range(100)},
        "too-deep",
    ),
    "many files": (
        "workflow: w\nsteps:\n" + _lines(10_000, lambda i: f"s{i}: {{workflow: d{i}/f.yaml}}"),
        {f"d{i}/f.yaml": "workflow: f" for i in range(10_000)},
        "too-large",
    ),
    "many large files": (
        "workflow: w\nsteps:\n" + _lines(20, lambda i: f"s{i}: {{workflow: d{i}.yaml}}"),
        {f"d{i}.yaml": "workflow: w\ndescription: " + "x" * 900_000 for i in range(20)},
        "too-large",
    ),
    "a large file many times": (
        "workflow: w\nsteps:\n" + _lines(100, lambda i: f"s{i}: {{workflow: m{i}.yaml}}"),
        {f"m{i}.yaml": "workflow: w\nsteps: {a: {workflow: leaf.yaml}}" for i in range(100)}
        | {"leaf.yaml": "workflow: w\ndescription: " + "x" * 900_000},
        "too-large",
    ),
    "definitions that use all others": (
        "workflow: w\nworkflows:\n"
        + _lines(19, lambda i: f"w{i}: {{steps: {{{', '.join(f's{j}: {{workflow: w{j}}}' for j in range(i + 1, 19))}}}}}"),
        {},
        "too-large",
    ),
    "many names that are not there": (
        "workflow: w\nworkflows:\n"
        + _lines(900, lambda i: f"w{i}: {{}}")
        + "steps:\n"
        + _lines(10_000, lambda i: f"s{i}: {{workflow: f{i}}}"),
        {},
        "unknown-workflow",
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_hostile_is_refused_in_bounded_time(name: str) -> None:
    text, files, code = HOSTILE[name]
    start = time.process_time()
    found = parse(text, "w.yaml", read=reader(files)).diagnostics
    assert time.process_time() - start < 3
    assert {d.code for d in found} - {"too-many"} == {code}


def test_what_is_hostile_is_refused_in_bounded_memory(root: Path) -> None:
    program = (
        "import resource; from murakkab.load import parse; from tests.unit.test_definitions import HOSTILE, reader\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "for text, files, _ in HOSTILE.values(): parse(text, 'w.yaml', read=reader(files))\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
    )
    out = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=root)
    # In kilobytes on Linux, in bytes on macOS: less than 200 MB either way.
    assert int(out.stdout) < 200_000 * (1024 if sys.platform == "darwin" else 1)
