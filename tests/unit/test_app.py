"""From a text to a running job: every mistake at once, one runtime for those who share, and looking back."""

import asyncio
import os
import sys
from collections.abc import Iterator, Mapping
from functools import partial
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import anyio
import pytest

from murakkab import app, journalled
from murakkab.errors import BackendError, InputError, MurakkabError, NotFoundError, PlanError, SpecError
from murakkab.ports import Call, JobHeader
from murakkab.runtime.messages import TaskStarted, TaskSucceeded
from murakkab.runtime.slots import SlotTable
from murakkab.spec import Goal, Input, Loop, Output, Ref, Step, Workflow
from murakkab.types import INT, parse_type
from tests.fakes import FakeExecutor, card

STEPS = """
from typing import NotRequired, TypedDict


class Scene(TypedDict):
    name: str
    note: NotRequired[str]
    words: NotRequired[list[str]]


def scenes() -> list[Scene]:
    return [{"name": "a", "note": "nice", "words": ["x", "y"]}, {"name": "b"}]


def scene(name: str) -> Scene:
    return {"name": name}


def show(note: str | None) -> str:
    return f"<{note}>"


def gathered(notes: list[str | None], words: list[str]) -> str:
    return f"{notes} {words}"


def double(x: int) -> int:
    return 2 * x


def appended(xs: list[int]) -> list[int]:
    xs.append(1)
    return xs
"""


@pytest.fixture
def steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The name of an importable module of functions."""
    name = "app_test_steps"
    (tmp_path / f"{name}.py").write_text(STEPS)
    monkeypatch.syspath_prepend(tmp_path)
    yield name
    sys.modules.pop(name, None)


def settings(tmp_path: Path, **parts: Any) -> app.Settings:
    return app.Settings(home=tmp_path / "home", **parts)


# --------------------------------------------------------------------------------------------------------------- from text


def test_every_mistake_is_told_with_its_place(steps: str) -> None:
    text = f"""\
workflow: wrong
inputs:
  n: {{type: nothing}}
steps:
  a: {{call: "{steps}:doubel", with: {{x: 1}}}}
  b: {{uses: no-such-thing}}
  c: {{call: "{steps}:double", with: {{x: text, y: 1}}, surprise: 1}}
  d: {{call: "{steps}:double", with: {{x: "${{a.b}}"}}, after: [e]}}
outputs: {{o: "${{z}}"}}
"""
    with pytest.raises(SpecError) as caught:
        app.load_text(text, "wrong.yaml")
    lines = text.splitlines()
    found = [
        (one.code, one.place.line, lines[one.place.line - 1][one.place.column - 1 :][:8]) for one in caught.value.diagnostics if one.place
    ]

    assert found == [
        ("bad-type", 3, "nothing}"),
        ("unknown-function", 5, '"app_tes'),
        ("unknown-capability", 6, "no-such-"),
        ("type-mismatch", 7, "text, y:"),
        ("unknown-input", 7, "y: 1}, s"),
        ("unknown-field", 7, "surprise"),
        ("unknown-step", 8, "e]}"),
        ("unknown-name", 9, '"${z}"}'),
    ]
    assert str(caught.value.diagnostics[0]).startswith("wrong.yaml:3:")
    assert "did you mean 'double'?" in str(caught.value)


def test_a_text_that_cannot_be_read_has_its_place_too() -> None:
    with pytest.raises(SpecError, match=r"^bad.yaml:2:"):
        app.load_text("workflow: x\n\tsteps: {}\n", "bad.yaml")


def test_a_function_that_cannot_be_found_is_told_once_per_step(steps: str) -> None:
    text = f'workflow: w\nsteps:\n  a: {{call: "{steps}:no"}}\n  b: {{call: "{steps}:no"}}\n  c: {{call: nonsense}}\n'
    with pytest.raises(SpecError) as caught:
        app.load_text(text, "f")

    assert [one.path for one in caught.value.diagnostics] == [("steps", name, "call") for name in "abc"]


def test_a_file_is_loaded_and_one_that_is_not_there_is_named(tmp_path: Path, steps: str) -> None:
    file = tmp_path / "w.yaml"
    file.write_text(f'workflow: w\nsteps:\n  a: {{call: "{steps}:double", with: {{x: 2}}}}\n')
    work = app.load_file(file)

    assert list(work.graph.nodes) == ["a"]
    assert work.chosen == {"a": "python"}
    assert set(work.functions) == {f"{steps}:double"}
    with pytest.raises(NotFoundError, match=r"there is no file .*no\.yaml"):
        app.load_file(tmp_path / "no.yaml")
    with pytest.raises(NotFoundError, match="cannot be read"):
        app.load_file(tmp_path)


# ----------------------------------------------------------------------------------------------------------------- prepare


def one_step(**parts: Any) -> Workflow:
    """Return a workflow of the one step `a`."""
    return Workflow("w", steps={"a": Step("a", **parts)}, outputs={"o": Output(Ref("a"))})


def test_given_functions_are_taken_and_others_are_looked_up(steps: str) -> None:
    def thrice(x: int) -> int:
        return 3 * x

    two = {name: Step(name, call=call, with_={"x": 1}) for name, call in (("a", "here:thrice"), ("b", f"{steps}:double"))}
    work = app.prepare(Workflow("w", steps=two), {"here:thrice": thrice})

    assert work.functions["here:thrice"] is thrice
    assert set(work.functions) == {"here:thrice", f"{steps}:double"}
    assert work.graph.nodes["a"].result == INT


def test_preparing_checks() -> None:
    with pytest.raises(SpecError, match="unknown-capability"):
        app.prepare(one_step(uses="no-such-thing"))
    with pytest.raises(SpecError, match="unknown-function"):
        app.prepare(one_step(call="no_such_module:f"))


def test_a_goal_that_is_given_counts(steps: str) -> None:
    work = app.prepare(one_step(call=f"{steps}:double", with_={"x": 1}), goal=Goal(("cost",)))

    assert work.deployment.goal == Goal(("cost",))


def test_a_capability_without_executor_is_a_plan_error(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = app.catalog()
    monkeypatch.setattr(app, "catalog", lambda: type(whole)(whole.capabilities, {}))

    with pytest.raises(PlanError, match="no executor provides"):
        app.prepare(one_step(uses="shell", with_={"argv": ["true"]}))


# ------------------------------------------------------------------------------------------------------------------ inputs

TAKES = Workflow(
    "greet",
    inputs={"n": Input(INT), "xs": Input(parse_type("list[int]"), [1], required=False), "r": Input(parse_type("{a: str}"))},
)


def test_defaults_are_filled_in() -> None:
    given = {"n": 1, "r": {"a": "x"}}

    assert app.check_inputs(TAKES, given) == {"n": 1, "r": {"a": "x"}, "xs": [1]}
    assert given == {"n": 1, "r": {"a": "x"}}


def test_everything_wrong_about_inputs_is_told_at_once() -> None:
    with pytest.raises(InputError) as caught:
        app.check_inputs(TAKES, {"xs": ["a"], "m": 1, "r": {"a": 1}})

    assert caught.value.message == (
        "unknown input 'm'; input 'n' (int) is missing; input 'xs': [0]: int is wanted, str is given; "
        "input 'r': .a: str is wanted, int is given"
    )
    assert caught.value.hint == "greet takes n: int, xs: list[int], r: {a: str}"
    with pytest.raises(InputError, match="w takes no inputs"):
        app.check_inputs(Workflow("w"), {"a": 1})


async def test_a_step_that_changes_what_it_is_given_does_not_change_the_default_of_the_next_job(steps: str, tmp_path: Path) -> None:
    text = f"""
workflow: w
inputs: {{xs: {{type: "list[int]", default: []}}}}
steps: {{a: {{call: "{steps}:appended", with: {{xs: "${{inputs.xs}}"}}}}}}
"""
    work = app.load_text(text, "w")
    results = [await app.run_work(work, {}, settings=settings(tmp_path)) for _ in range(2)]

    assert [one.outputs for one in results] == [{"a": [1]}, {"a": [1]}]


# --------------------------------------------------------------------------------------------------------- optional fields


async def test_an_optional_field_that_is_missing_is_null_wherever_it_is_used(steps: str, tmp_path: Path) -> None:
    text = f"""
workflow: notes
inputs: {{about: {{type: "{{title?: str, by?: {{name: str}}}}"}}}}
steps:
  found: {{call: "{steps}:scenes"}}
  one: {{call: "{steps}:scene", with: {{name: n}}}}
  single: {{call: "{steps}:show", with: {{note: "${{one.note}}"}}}}
  each: {{call: "{steps}:show", for_each: "${{found}}", with: {{note: "${{item.note}}"}}}}
  all: {{call: "{steps}:gathered", with: {{notes: "${{found[*].note}}", words: "${{found[*].words[*]}}"}}}}
  looped: {{call: "{steps}:show", for_each: "${{found[*].words[*]}}", with: {{note: "${{item}}"}}}}
outputs:
  single: "${{single}}"
  each: "${{each}}"
  all: "${{all}}"
  loop: "${{looped}}"
  text: {{$template: "${{one.name}}: ${{one.note}} by ${{inputs.about.by.name}}"}}
  by: "${{inputs.about.by.name}}"
"""
    result = await app.run_work(app.load_text(text, "w"), {"about": {}}, settings=settings(tmp_path))

    assert result.failures == ()
    assert result.outputs == {
        "single": "<None>",
        "each": ["<nice>", "<None>"],
        "all": "['nice', None] ['x', 'y']",
        "loop": ["<x>", "<y>"],
        "text": "n: null by null",
        "by": None,
    }


def test_what_wants_a_value_does_not_take_an_optional_one(steps: str) -> None:
    text = f'workflow: w\nsteps:\n  a: {{call: "{steps}:scene", with: {{name: n}}}}\n'
    text += f'  b: {{call: "{steps}:scene", with: {{name: "${{a.note}}"}}}}\n'

    with pytest.raises(SpecError, match=r"type-mismatch: .*gives str\?; it may be null or missing"):
        app.load_text(text, "w")


async def test_a_knob_may_be_computed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeExecutor()
    known = app.catalog()
    capability = type(known.capabilities["python"])("work", "", open_inputs=True)
    with_fake = type(known)({**known.capabilities, "work": capability}, {**known.executors, "fake": fake.card})
    monkeypatch.setattr(app, "catalog", lambda: with_fake)
    monkeypatch.setattr(app, "executors", lambda: {"fake": fake})
    work = app.load_text('workflow: w\ninputs: {n: int}\nsteps: {a: {uses: work, knobs: {speed: "${inputs.n}"}}}\n', "w")
    await app.run_work(work, {"n": 7}, settings=settings(tmp_path))

    assert fake.calls[0].knobs == {"speed": 7}


# ------------------------------------------------------------------------------------------------------------------ running


def test_settings_that_mean_the_same_have_the_same_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    here = app.Settings(home=Path("x"), slots={"a": 1, "b": 2})

    assert here.key == app.Settings(home=tmp_path / "y" / ".." / "x", slots={"b": 2.0, "a": 1.0}).key
    for other in ({"home": Path("y")}, {"durable": True}, {"power_safe": True}, {"cores": 2.0}, {"slots": {"a": 1}}):
        assert app.Settings(**{"home": Path("x"), "slots": {"a": 1, "b": 2}, **other}).key != here.key  # type: ignore[arg-type]


async def test_those_who_open_the_same_share_a_runtime_until_the_last_has_left(tmp_path: Path) -> None:
    async with app.open_runtime(settings(tmp_path)) as one:
        async with app.open_runtime(settings(tmp_path)) as other, app.open_runtime(settings(tmp_path, cores=1.0)) as third:
            assert one is other
            assert third is not one
        async with app.open_runtime(settings(tmp_path)) as again:
            assert again is one
    async with app.open_runtime(settings(tmp_path)) as later:
        assert later is not one


def test_each_loop_has_a_runtime_of_its_own(tmp_path: Path) -> None:
    async def opened() -> app.Runtime:
        async with app.open_runtime(settings(tmp_path)) as runtime:
            return runtime

    assert asyncio.run(opened()) is not asyncio.run(opened())


class Counted:
    """Hands everything on to a journal, and counts how often it is closed."""

    def __init__(self, journal: Any) -> None:
        self._journal = journal
        self.closed = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._journal, name)

    def close(self) -> None:
        self.closed += 1
        self._journal.close()


@pytest.fixture
def journals(monkeypatch: pytest.MonkeyPatch) -> list[Counted]:
    """Every journal that is opened."""
    found: list[Counted] = []
    opening = app.open_journal

    def opened(of: app.Settings) -> Any:
        found.append(Counted(opening(of)))
        return found[-1]

    monkeypatch.setattr(app, "open_journal", opened)
    return found


async def test_a_journal_is_closed_once_whatever_happens(tmp_path: Path, journals: list[Counted]) -> None:
    async with app.open_runtime(settings(tmp_path, durable=True)):
        async with app.open_runtime(settings(tmp_path, durable=True)):
            pass
        assert journals[0].closed == 0
    assert [one.closed for one in journals] == [1]

    with pytest.raises(ZeroDivisionError):
        async with app.open_runtime(settings(tmp_path, durable=True)):
            raise ZeroDivisionError
    assert [one.closed for one in journals] == [1, 1]


async def test_a_journal_is_closed_when_the_runtime_cannot_be_made(
    tmp_path: Path, journals: list[Counted], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(environ: Any) -> None:
        raise BackendError("no tracing today")

    with monkeypatch.context() as patch:
        patch.setattr(app, "open_tracer", broken)
        with pytest.raises(BackendError):
            async with app.open_runtime(settings(tmp_path, durable=True)):
                pytest.fail("it was opened")
    assert [one.closed for one in journals] == [1]

    async with app.open_runtime(settings(tmp_path, durable=True)):
        assert len(journals) == 2


async def test_a_journal_that_is_handed_in_stays_open_and_is_not_shared(tmp_path: Path) -> None:
    journal: Any = Counted(app.memory_journal())
    async with app.open_runtime(settings(tmp_path), journal=journal) as one, app.open_runtime(settings(tmp_path), journal=journal) as other:
        assert one is not other
    assert journal.closed == 0


async def test_without_a_number_of_cores_it_is_all_that_there_are_also_where_a_process_has_no_share(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[dict[str, float]] = []

    class Slots(SlotTable):
        def __init__(self, capacity: Mapping[str, float], rates: Mapping[str, float] | None = None) -> None:
            super().__init__(capacity, rates)
            made.append(dict(capacity))

    monkeypatch.setattr(app, "SlotTable", Slots)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2}, raising=False)
    async with app.open_runtime(settings(tmp_path)):
        pass
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: 5)
    async with app.open_runtime(settings(tmp_path)):
        pass
    async with app.open_runtime(settings(tmp_path, cores=1.5, slots={"gpu": 2})):
        pass

    assert [one["cores"] for one in made] == [3.0, 5.0, 1.5]
    assert made[2]["gpu"] == 2


async def test_limits_of_executors_hold_for_all_jobs_of_a_runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def behave(call: Call) -> None:
        await asyncio.sleep(0.005)

    limited = card(limits=type(card().limits)(concurrency=2))
    fake = FakeExecutor(behave, card=limited)
    known = app.catalog()
    capability = type(known.capabilities["python"])("work", "", open_inputs=True)
    monkeypatch.setattr(app, "executors", lambda: {"fake": fake})
    monkeypatch.setattr(app, "catalog", lambda: type(known)({"work": capability}, {"fake": limited}))
    work = app.load_text('workflow: w\nsteps: {a: {uses: work, for_each: [1, 2, 3, 4], with: {x: "${item}"}}}\n', "w")
    async with anyio.create_task_group() as group:
        for _ in range(3):
            group.start_soon(partial(app.run_work, settings=settings(tmp_path)), work, {})

    assert (len(fake.calls), fake.most) == (12, 2)


# ------------------------------------------------------------------------------------------------------------ looking back


async def test_a_durable_job_can_be_looked_at_afterwards(tmp_path: Path, steps: str) -> None:
    text = f'workflow: w\ninputs: {{n: int}}\nsteps: {{a: {{call: "{steps}:double", with: {{x: "${{inputs.n}}"}}}}}}\n'
    work = app.load_text(text, "w")
    durable = settings(tmp_path, durable=True)
    ran = await app.run_work(work, {"n": 4}, settings=durable)
    journal = app.open_journal(durable)
    try:
        again = journalled.work_of(journal, ran.job)
        _, state, result = journalled.state_of(journal, ran.job)
        with pytest.raises(NotFoundError):
            journalled.work_of(journal, "nobody")
        with pytest.raises(NotFoundError):
            journalled.state_of(journal, "nobody")
    finally:
        journal.close()

    assert again.graph.digest == work.graph.digest
    assert again.deployment.choices["a"].why == "chosen when the job began"
    assert state.results() == {"a": 8}
    assert (result.status, result.outputs, result.failures) == ("succeeded", {"a": 8}, ())
    assert [row.task for row in result.tasks] == ["a"]


async def test_a_job_whose_functions_are_gone_can_be_looked_at_but_not_taken_up(tmp_path: Path, steps: str) -> None:
    def thrice(x: int) -> int:
        return 3 * x

    two = {
        "a": Step("a", call="gone:thrice", with_={"x": 2}),
        "b": Step("b", call=f"{steps}:double", with_={"x": Ref("a")}),
    }
    work = app.prepare(Workflow("w", steps=two), {"gone:thrice": thrice})
    journal = app.memory_journal()
    async with app.open_runtime(settings(tmp_path), journal=journal) as runtime:
        ran = await runtime.run(work, {})
    _, state, result = journalled.state_of(journal, ran.job)

    assert state.results() == {"a": 6, "b": 12}
    assert result.outputs == {"b": 12}
    with pytest.raises(SpecError, match="unknown-function"):
        journalled.work_of(journal, ran.job)
    assert journalled.work_of(journal, ran.job, {"gone:thrice": thrice}).functions["gone:thrice"] is thrice


def test_a_job_keeps_the_executor_it_began_with() -> None:
    journal = app.memory_journal()
    document = app.prepare(one_step(uses="http", with_={"url": "http://localhost"})).document
    names = [one.name for one in app.catalog().executors.values()]
    journal.create(JobHeader("j1", document, {"a": names[0]}, {}, 1.0))
    journal.create(JobHeader("j2", document, {"a": "uninstalled"}, {}, 1.0))

    assert journalled.work_of(journal, "j1").chosen == {"a": names[0]}
    assert journalled.work_of(journal, "j2").chosen == {"a": "http"}


# ---------------------------------------------------------------------------------------------------------------- plug-ins


@pytest.fixture
def plug_in(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """A module that is installed as a plug-in called `extra`; nothing found in the meantime is remembered."""
    module = ModuleType("app_test_plug_in")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    points = [EntryPoint("extra", module.__name__, "murakkab.executors")]
    monkeypatch.setattr(app, "entry_points", lambda *, group: points if group == "murakkab.executors" else [])
    app.executors.cache_clear()
    app._catalog.cache_clear()
    yield module
    app.executors.cache_clear()
    app._catalog.cache_clear()


def test_executors_of_plug_ins_are_found_beside_those_that_ship(plug_in: Any) -> None:
    fake = FakeExecutor(card=card("extra-fake"))
    plug_in.EXECUTORS = [fake]

    assert app.executors()["extra-fake"] is fake
    assert "python" in app.executors()
    assert app.catalog().executors["extra-fake"] == fake.card


@pytest.mark.parametrize(
    ("executors", "cause"),
    [(None, "AttributeError: module"), (3, "TypeError: "), ([SimpleNamespace()], "AttributeError: ")],
)
def test_a_plug_in_that_is_broken_is_named(plug_in: Any, executors: Any, cause: str) -> None:
    if executors is not None:
        plug_in.EXECUTORS = executors

    with pytest.raises(MurakkabError, match=rf"the plug-in 'extra' \(app_test_plug_in\) cannot be loaded: {cause}.*; mend or uninstall it"):
        app.executors()


def test_a_plug_in_that_cannot_be_imported_is_named_with_its_cause(
    plug_in: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, plug_in.__name__)
    (tmp_path / f"{plug_in.__name__}.py").write_text("raise ValueError\n")
    monkeypatch.syspath_prepend(tmp_path)

    with pytest.raises(MurakkabError, match="cannot be loaded: ValueError; mend"):
        app.executors()


async def test_plain_functions_begin_only_when_a_thread_is_free(tmp_path: Path) -> None:
    """A thousand short calls once queued for forty threads as if they had begun, with their timeouts running."""
    begun: set[str] = set()
    most = 0

    def watch(job: str, event: Any) -> None:
        nonlocal most
        if isinstance(event, TaskStarted):
            begun.add(event.task)
        elif isinstance(event, TaskSucceeded):
            begun.discard(event.task)
        most = max(most, len(begun))

    steps = {"s": Step("s", call="m:double", with_={"x": Ref("item")}, for_each=(Loop("item", list(range(200))),))}
    work = app.prepare(Workflow("w", steps=steps), {"m:double": lambda x: 2 * x})
    result = await app.run_work(work, {}, settings=app.Settings(home=tmp_path), observers=[watch])
    assert (result.status, len(result.outputs["s"])) == ("succeeded", 200)
    assert 1 < most <= 40


async def test_a_missing_library_is_named_before_anything_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(app._LIBRARIES, "audio", ("av", "no_such_library"))  # type: ignore[arg-type]
    with_ = {"audio": {"source": {"uri": "file:///a.mp4"}, "start": 0.0, "end": 1.0}}
    work = app.prepare(Workflow("w", steps={"s": Step("s", uses="speech-to-text", with_=with_)}))
    with pytest.raises(PlanError, match=r"no_such_library.*murakkab\[audio\]"):
        await app.run_work(work, {}, settings=app.Settings(home=tmp_path))
