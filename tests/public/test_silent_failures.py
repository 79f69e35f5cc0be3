"""What goes wrong in other orchestrators without a word: each must be impossible here, or end in an error that says so."""

from pathlib import Path
from typing import Any

import pytest

import murakkab
from murakkab.errors import ConflictError, JobFailed, SpecError
from murakkab.runtime.result import JobResult
from tests.public import demand_steps

pytestmark = pytest.mark.anyio

State = demand_steps.State


@pytest.fixture
def state(monkeypatch: pytest.MonkeyPatch) -> State:
    """What the steps note."""
    fresh = State()
    monkeypatch.setattr(demand_steps, "state", fresh)
    return fresh


def flow(folder: Path, text: str) -> murakkab.WorkflowHandle[..., dict[str, Any]]:
    """Return the workflow of a file, whose jobs are journalled on disk."""
    file = folder / "flow.yaml"
    file.write_text(f"workflow: flow\n{text.replace('STEPS', 'tests.public.demand_steps')}")
    return murakkab.load_workflow(file).options(home=folder / "home", durable=True)


def said(folder: Path, marked: str) -> tuple[list[str], str]:
    """Return what is said of a file, `line:column code` of each mistake, and the `line:column` of the mark @ in its text."""
    before, _, after = f"workflow: flow\n{marked.replace('STEPS', 'tests.public.demand_steps')}".partition("@")
    with pytest.raises(SpecError) as error:
        flow(folder, (before + after).removeprefix("workflow: flow\n"))
    found = [f"{d.place.line}:{d.place.column} {d.code}" for d in error.value.diagnostics if d.place]
    return found, f"{before.count(chr(10)) + 1}:{len(before) - before.rfind(chr(10))}"


def refused(folder: Path, marked: str, code: str) -> None:
    """A file gets one diagnostic, at its mark."""
    found, place = said(folder, marked)
    assert found == [f"{place} {code}"]


def reasons(result: JobResult) -> list[tuple[str, str]]:
    return [(failure.task, failure.reason) for failure in result.failures]


# ------------------------------------------------------------------------------------------------------- tasks dropped at limit 1

MAP = """
steps:
  docs: {call: "STEPS:listing", with: {count: 12}}
  got: {call: "STEPS:measured", for_each: "${docs}", with: {name: "${item}"}, max_parallel: 1}
outputs: {got: "${got}"}
"""
LITERAL = """
steps:
  got: {call: "STEPS:measured", for_each: [a, b, c, d, e, f, g, h, i, j, k, l], with: {name: "${item}"}, max_parallel: 1}
outputs: {got: "${got}"}
"""
LEVELS = """
steps:
  docs: {call: "STEPS:listing", with: {count: 4}}
  got: {call: "STEPS:measured", for_each: {doc: "${docs}", n: [a, b, c]}, with: {name: "${doc}"}, max_parallel: 1}
outputs: {got: "${got[*][*]}"}
"""
BLOCK = """
steps:
  docs: {call: "STEPS:listing", with: {count: 12}}
  each:
    for_each: {doc: "${docs}"}
    max_parallel: 1
    steps:
      one: {call: "STEPS:measured", with: {name: "${doc}"}}
      two: {call: "STEPS:note", with: {name: two, given: "${one}"}}
    outputs: {one: "${one}", two: "${two}"}
outputs: {got: "${each[*].one}"}
"""
NESTED = """
steps:
  docs: {call: "STEPS:listing", with: {count: 4}}
  each:
    for_each: {doc: "${docs}"}
    max_parallel: 1
    steps:
      inner: {call: "STEPS:measured", for_each: {n: [a, b, c]}, with: {name: "${doc}"}, max_parallel: 1}
    outputs: {inner: "${inner}"}
outputs: {got: "${each[*].inner[*]}"}
"""
SUB = """
workflows:
  part:
    inputs: {doc: str}
    steps: {made: {call: "STEPS:measured", with: {name: "${inputs.doc}"}}}
    outputs: {made: "${made}"}
steps:
  docs: {call: "STEPS:listing", with: {count: 12}}
  each: {workflow: part, for_each: {doc: "${docs}"}, with: {doc: "${doc}"}, max_parallel: 1}
outputs: {got: "${each[*].made}"}
"""
LOOP = """
steps:
  docs: {call: "STEPS:listing", with: {count: 4}}
  got: {call: "STEPS:measured", for_each: "${docs}", with: {name: "${item}"}, max_parallel: 1, repeat: 3}
outputs: {got: ["${got}", "${got}", "${got}"]}
"""


@pytest.mark.parametrize("text", [MAP, LITERAL, LEVELS, BLOCK, NESTED, SUB, LOOP])
async def test_no_task_is_dropped_where_one_may_run_at_a_time(tmp_path: Path, state: State, text: str) -> None:
    """However the limit of one is put: twelve are asked for, twelve are done, one at a time, and each has its place in the result."""
    result = await flow(tmp_path, text).arun_job()
    result.raise_for_status()
    measured = [name for name in state.done if name != "two"]
    assert (len(measured), state.most) == (12, 1)
    got = result.outputs["got"]
    assert len(got[0]) * 3 == 12 if text == LOOP else len(got) == 12


# ------------------------------------------------------------------------------------------------------ a limit in the wrong place

CALL = 'call: "STEPS:measured", for_each: [a, b], with: {name: "${item}"}'


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (f"@max_parallel: 2\nsteps:\n  a: {{{CALL}}}", "unknown-field"),
        (f"goal: {{limits: {{@max_parallel: 2}}}}\nsteps:\n  a: {{{CALL}}}", "unknown-field"),
        ('steps:\n  a: {call: "STEPS:measured", with: {name: x}, max_parallel: @2}', "not-a-loop"),
        ('steps:\n  a: {call: "STEPS:measured", for_each: [a, b], with: {name: "${item}", @max_parallel: 2}}', "unknown-input"),
        (f"steps:\n  a: {{{CALL}, knobs: {{@max_parallel: 2}}}}", "unknown-knob"),
        (f"steps:\n  a: {{{CALL}, retry: {{@max_parallel: 2}}}}", "unknown-field"),
        ('steps:\n  a: {call: "STEPS:measured", for_each: {name: [a], max_parallel: @2}, with: {name: "${name}"}}', "not-a-list"),
        (f"steps:\n  g: {{max_parallel: @2, steps: {{a: {{{CALL}}}}}}}", "not-a-loop"),
        (f"steps:\n  a: {{{CALL}, @max_paralel: 2}}", "unknown-field"),
        (f"steps:\n  a: {{{CALL}, @concurrency: 2}}", "unknown-field"),
        (f"steps:\n  a: {{{CALL}, max_parallel: @0}}", "out-of-range"),
        ("steps:\n  ok: {approve: Sure?, @retry: 3}", "misplaced"),
        (f"steps:\n  a: {{{CALL}}}\nbudget: {{@max_tokens: 5}}", "unknown-field"),
    ],
)
def test_a_limit_in_the_wrong_place_is_a_mistake(tmp_path: Path, text: str, code: str) -> None:
    """It is never left out in silence: the file is refused, at the very place."""
    refused(tmp_path, text, code)


def test_a_limit_for_all_steps_reaches_those_it_can_mean_something_for(tmp_path: Path) -> None:
    """The right place for all at once is `defaults`; what has no list is left alone."""
    text = f'defaults: {{max_parallel: 2}}\nsteps:\n  a: {{{CALL}}}\n  b: {{call: "STEPS:measured", with: {{name: x}}}}'
    steps = flow(tmp_path, text).definition.steps
    assert (steps["a"].max_parallel, steps["b"].max_parallel) == (2, None)


# ---------------------------------------------------------------------------------------------------- completed roots on resume


async def test_completed_roots_are_not_run_again_on_resume(tmp_path: Path, state: State) -> None:
    """Several roots, in blocks, maps and loops too, of which one failed: the resume runs that one, and what waited for it."""
    one = flow(
        tmp_path,
        """
steps:
  a: {call: "STEPS:note", with: {name: a}}
  b: {call: "STEPS:fails_when_broken", with: {name: b}}
  c: {call: "STEPS:note", for_each: [c0, c1], with: {name: "${item}"}}
  d: {steps: {e: {call: "STEPS:note", with: {name: e}}}}
  f: {call: "STEPS:draft", with: {topic: tea, round_: "${loop.index}"}, repeat: 2}
  g: {call: "STEPS:note", with: {name: g}, on_error: skip}
  all: {call: "STEPS:note", with: {name: all, given: ["${a}", "${b}", "${c}", "${d}", "${f}"]}}
finally:
  last: {call: "STEPS:note", with: {name: {$template: "job ${job.status}"}}}
outputs: {all: "${all}"}
""",
    )
    state.broken.add("b")
    died = await one.arun_job()
    # Failing ends the job at once: what had not ended by then may still be done by the resume, but nothing twice.
    assert (died.status, reasons(died)) == ("failed", [("b", "exception")])
    for _ in range(2):
        died = await one.aresume_job(died.job)
        assert died.status == "failed"
    state.broken.clear()
    ended = await one.aresume_job(died.job)
    assert (ended.status, ended.outputs) == ("succeeded", {"all": "all"})
    once = [name for name in state.done if name != "b" and not name.startswith("job ")]
    assert sorted(once) == ["a", "all", "c0", "c1", "draft 0", "draft 1", "e", "g"]
    with pytest.raises(ConflictError, match="nothing to resume"):
        await one.aresume_job(died.job)
    assert [name for name in state.done if name == "all"] == ["all"]


# ------------------------------------------------------------------------------------------------------ failures from the cache


@pytest.mark.parametrize("rescue", ["fail", "skip", "{default: none}"])
async def test_a_failure_is_never_served_from_the_cache(tmp_path: Path, state: State, rescue: str) -> None:
    """Nor what takes its place: the next job tries again, and its success is what is kept."""
    one = flow(
        tmp_path,
        f"""
steps:
  got: {{call: "STEPS:fails_when_broken", with: {{name: got}}, effect: read, cache: true, on_error: {rescue}}}
outputs: {{got: {{value: "${{got}}", optional: true}}}}
""",
    )
    state.broken.add("got")
    for _ in range(2):
        assert (await one.arun_job()).outputs.get("got") in (None, "none")
    state.broken.clear()
    for _ in range(2):
        assert (await one.arun_job()).outputs == {"got": "got"}
    assert state.done == ["got", "got", "got"]


async def test_a_timeout_is_never_served_from_the_cache(tmp_path: Path, state: State) -> None:
    one = flow(
        tmp_path,
        """
steps:
  got: {call: "STEPS:hangs_once", with: {name: got}, effect: read, cache: true, timeout: 50ms}
outputs: {got: "${got}"}
""",
    )
    assert reasons(await one.arun_job()) == [("got", "timeout")]
    assert (await one.arun_job()).outputs == {"got": "got"}


# ------------------------------------------------------------------------------------------------- routes that match nothing

ROUTES = """
inputs: {kind: str}
steps:
  mail: {call: "STEPS:note", with: {name: mail}, when: inputs.kind == "mail"}
  call: {call: "STEPS:note", with: {name: call}, when: inputs.kind == "call"}
"""


@pytest.mark.parametrize(
    "outputs",
    [
        'outputs: {done: {$first: ["${mail}", "${call}"]}}',
        '  used: {call: "STEPS:note", with: {name: {$first: ["${mail}", "${call}"]}}}\noutputs: {done: "${used}"}',
        '  group: {steps: {x: {call: "STEPS:note", with: {name: "${mail}"}}}, outputs: {x: "${x}"}}\noutputs: {done: "${group.x}"}',
    ],
)
async def test_a_job_whose_routes_match_nothing_does_not_succeed(tmp_path: Path, state: State, outputs: str) -> None:
    """An output that nothing gave a value fails the job by name, unless the file says that it may be missing."""
    one = flow(tmp_path, ROUTES.rstrip("\n") + "\n" + outputs)
    result = await one.arun_job(kind="fax")
    assert (result.status, [failure.reason for failure in result.failures]) == ("failed", ["skipped-output"])
    with pytest.raises(JobFailed, match="'done'"):
        result.raise_for_status()
    assert state.done == []
    assert (await one.arun_job(kind="mail")).status == "succeeded"


async def test_an_output_may_be_missing_where_the_file_says_so(tmp_path: Path, state: State) -> None:
    one = flow(tmp_path, ROUTES + 'outputs: {done: {value: {$first: ["${mail}", "${call}"]}, optional: true}}')
    result = await one.arun_job(kind="fax")
    assert (result.status, result.outputs) == ("succeeded", {"done": None})


def test_a_route_that_can_never_match_is_told_before_anything_runs(tmp_path: Path) -> None:
    text = ROUTES.replace('when: inputs.kind == "mail"', "when: @inputs.kind == 3")
    refused(tmp_path, text, "condition-type")


# ------------------------------------------------------------------------------------------------ values lost at a border

PART = """
workflows:
  part:
    inputs: {name: str, more: {type: str, default: none}}
    steps: {made: {call: "STEPS:note", with: {name: "${inputs.name}", given: "${inputs.more}"}}}
    outputs: {made: "${made}"}
"""


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("steps: {a: {workflow: part, with: {name: x, @mode: y}}}", "unknown-input"),
        ("steps: {@a: {workflow: part, with: {more: x}}}", "missing-input"),
        ("steps: {a: {workflow: part, with: {@name: [x]}}}", "type-mismatch"),
        ('steps: {a: {workflow: part, with: {name: x}}}\noutputs: {b: @"${a.maid}"}', "no-such-field"),
        ('steps: {a: {workflow: part, with: {name: x}}}\noutputs: {b: @"${made}"}', "unknown-name"),
        ('steps: {b: {call: "STEPS:note", with: {name: x}}, a: {workflow: part, with: {name: x, more: @"${c}"}}}', "unknown-name"),
    ],
)
def test_nothing_is_lost_at_the_border_of_a_workflow_without_a_word(tmp_path: Path, text: str, code: str) -> None:
    """What is given must be declared, what is declared must be given, and only what is put out can be used outside."""
    refused(tmp_path, PART + text, code)


def test_a_workflow_does_not_see_what_is_around_it(tmp_path: Path) -> None:
    """It has what it is given, so it means the same wherever it is used."""
    steps = 'steps: {outer: {call: "STEPS:note", with: {name: x}}, a: {workflow: part, with: {name: x}}}'
    refused(tmp_path, PART.replace('"${inputs.more}"', '@"${outer}"') + steps, "unknown-name")


async def test_what_crosses_the_border_arrives_whole(tmp_path: Path, state: State) -> None:
    """Values go in and come out as they are; one that is missing inside fails the job outside."""
    text = (
        PART
        + """steps:
  a: {workflow: part, with: {name: "a\\u0000\\U0001F600 ${x}"}}
outputs: {a: "${a}"}
""".replace("${x}", "$${x}")
    )
    result = await flow(tmp_path, text).arun_job()
    assert result.outputs == {"a": {"made": "a\0\U0001f600 ${x}"}}
    skipped = text.replace('"${inputs.more}"}}', '"${inputs.more}"}, when: inputs.more == "x"}')
    result = await flow(tmp_path, skipped).arun_job()
    assert (result.status, [failure.reason for failure in result.failures]) == ("failed", ["skipped-output"])
