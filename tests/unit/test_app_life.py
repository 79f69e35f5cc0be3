"""The life of a journalled job after it has begun: looking back in time, branching off, telling it things, throwing it away."""

import asyncio
import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from murakkab import app, journalled
from murakkab.errors import ConflictError, InputError, InvalidTransition, NotFoundError
from murakkab.ports import Journal
from murakkab.runtime.messages import Answered, Event, JobForked, SignalReceived, SkipRequested, TaskSucceeded
from murakkab.runtime.records import Status

STEPS = """
from pathlib import Path

done: list[str] = []


def first(n: int) -> int:
    done.append("first")
    return n + 1


def second(n: int) -> int:
    done.append("second")
    return n * 10


def third(n: int) -> int:
    done.append("third")
    return n * 10


def large(n: int) -> str:
    return "x" * 100_000
"""
TEXT = """
workflow: life
inputs: {n: int}
steps:
  a: {call: "life_steps:first", with: {n: "${inputs.n}"}}
  b: {call: "life_steps:second", with: {n: "${a}"}}
  c: {call: "life_steps:third", with: {n: "${inputs.n}"}}
outputs: {b: "${b}", c: "${c}"}
"""
ASKING = """
workflow: asking
steps:
  a: {call: "life_steps:first", with: {n: 1}}
  ok: {approve: {message: "Go on?", form: {n: int, note: {type: str, default: fine}}}, after: [a]}
  paid: {wait: {event: paid, type: {id: str}}}
  b: {call: "life_steps:second", with: {n: "${ok.n}"}}
outputs: {b: "${b}", note: "${ok.note}", id: "${paid.id}"}
"""
YES = Answered(1.0, "ok", True, {"n": 4}, "Ada")


@pytest.fixture
def done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The steps that were executed, in order."""
    (tmp_path / "life_steps.py").write_text(STEPS)
    monkeypatch.syspath_prepend(tmp_path)
    import life_steps  # type: ignore[import-not-found]

    yield life_steps.done
    sys.modules.pop("life_steps", None)


@pytest.fixture
def settings(tmp_path: Path) -> app.Settings:
    return app.Settings(home=tmp_path / "home", durable=True)


@pytest.fixture
def journal(settings: app.Settings) -> Iterator[Journal]:
    with closing(app.open_journal(settings)) as opened:
        yield opened


async def ran(settings: app.Settings, journal: Journal, text: str = TEXT, **inputs: Any) -> str:
    """Run a job and return its id."""
    async with app.open_runtime(settings, journal=journal) as runtime:
        return (await runtime.run(app.load_text(text, "life.yaml"), inputs)).job


async def resumed(settings: app.Settings, journal: Journal, job: str, *events: Event) -> app.JobResult:
    async with app.open_runtime(settings, journal=journal) as runtime:
        return await runtime.resume(job, journalled.work_of(journal, job), events=events)


# -------------------------------------------------------------------------------------------------------------- time travel


async def test_any_past_state_of_a_job_can_be_looked_at(settings: app.Settings, journal: Journal, done: list[str]) -> None:
    job = await ran(settings, journal, n=1)
    count = len(journal.read(job)[1])
    seen = [journalled.state_of(journal, job, at=number) for number in range(count + 1)]

    assert [len(result.history) for _, _, result in seen] == list(range(count + 1))
    assert [result.status for _, _, result in seen] == ["running"] * count + ["succeeded"]
    assert seen[0][1].results() == {}
    assert seen[-1][1].results() == journalled.state_of(journal, job)[1].results() == {"a": 2, "b": 20, "c": 10}
    assert seen[-1][2].outputs == {"b": 20, "c": 10}
    values = [len(state.results()) for _, state, _ in seen]
    assert values == sorted(values)


async def test_a_moment_is_a_number_of_events_or_of_seconds(settings: app.Settings, journal: Journal, done: list[str]) -> None:
    job = await ran(settings, journal, n=1)
    history = journal.read(job)[1]
    began = history[0].time
    for number, event in enumerate(history):
        _, _, result = journalled.state_of(journal, job, at=event.time - began)
        assert len(result.history) > number

    assert len(journalled.state_of(journal, job, at=0.0)[2].history) == 1
    assert len(journalled.state_of(journal, job, at=1e6)[2].history) == len(history)
    for never in (-1, len(history) + 1, -0.5):
        with pytest.raises(InputError, match=rf"the job has no moment {never:g}; it has {len(history)} events"):
            journalled.state_of(journal, job, at=never)


# --------------------------------------------------------------------------------------------------------------------- fork


async def test_fork_reuses_what_completed(settings: app.Settings, journal: Journal, done: list[str]) -> None:
    old = await ran(settings, journal, n=1)
    done.clear()
    forked = journalled.fork(journal, old, "b")
    assert (sorted(forked.kept), forked.repeated) == (["a", "c"], [])
    assert {one.job: one.status for one in journal.jobs()} == {old: "succeeded", forked.job: "interrupted"}
    assert journal.read(forked.job)[0][1:4] == journal.read(old)[0][1:4]
    result = await resumed(settings, journal, forked.job)

    assert done == ["second"]
    assert (result.status, result.outputs) == ("succeeded", {"b": 20, "c": 10})
    history = journal.read(forked.job)[1]
    assert next(event for event in history if isinstance(event, JobForked))[1:] == (old, "b")
    assert journalled.state_of(journal, old)[2].status == "succeeded"
    assert journalled.state_of(journal, forked.job)[1].results() == {"a": 2, "b": 20, "c": 10}


async def test_a_fork_may_be_given_an_id_that_is_free(settings: app.Settings, journal: Journal, done: list[str]) -> None:
    old = await ran(settings, journal, n=1)

    assert journalled.fork(journal, old, "a", new_id="mine").job == "mine"
    with pytest.raises(ConflictError, match="exists already"):
        journalled.fork(journal, old, "a", new_id="mine")
    with pytest.raises(NotFoundError, match=r"has no step 'd'; there are a, b, c"):
        journalled.fork(journal, old, "d")
    with pytest.raises(NotFoundError):
        journalled.fork(journal, "nobody", "a")
    assert len(journal.jobs()) == 2


async def test_a_job_that_waits_and_one_that_runs_elsewhere_can_be_forked(
    settings: app.Settings, journal: Journal, done: list[str]
) -> None:
    job = await ran(settings, journal, ASKING)
    assert [one.status for one in journal.jobs()] == ["waiting"]
    with closing(app.open_journal(settings)) as owner:
        owner.claim(job)
        forked = journalled.fork(journal, job, "paid")
        assert {one.job: one.status for one in journal.jobs()} == {job: "running", forked.job: "interrupted"}
    done.clear()
    result = await resumed(settings, journal, forked.job, YES, SignalReceived(1.0, "paid", {"id": "x"}))

    assert done == ["second"]
    assert result.outputs == {"b": 40, "note": "fine", "id": "x"}


async def test_large_results_are_shared_with_the_fork(settings: app.Settings, journal: Journal, done: list[str]) -> None:
    text = 'workflow: w\nsteps:\n  l: {call: "life_steps:large", with: {n: 1}}\n  z: {call: "life_steps:first", with: {n: 1}}\n'
    old = await ran(settings, journal, text)
    forked = journalled.fork(journal, old, "z")
    journal.delete(old)

    assert len(journalled.state_of(journal, forked.job)[1].results()["l"]) == 100_000
    assert app.clean(settings, older_than=0.0).artifacts == 0


async def test_a_fork_of_a_job_that_is_deleted_meanwhile_is_no_job(
    settings: app.Settings, journal: Journal, done: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    old = await ran(settings, journal, n=1)
    create = journal.create

    def deleting(*given: Any, **more: Any) -> None:
        journal.delete(old)
        create(*given, **more)

    monkeypatch.setattr(journal, "create", deleting)
    with pytest.raises(NotFoundError, match="was deleted just now"):
        journalled.fork(journal, old, "b")
    assert list(journal.jobs()) == []


async def test_a_job_whose_workflow_compiles_otherwise_now_is_refused(
    settings: app.Settings, journal: Journal, done: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    job = await ran(settings, journal, n=1)

    def broken(*_: object) -> None:
        raise InvalidTransition("TaskSucceeded for task 'a', which does not exist")

    monkeypatch.setattr(journalled, "replay", broken)
    tried = [
        partial(ask, journal, job) for ask in (partial(journalled.fork, step="b"), journalled.state_of, partial(journalled.tell, event=YES))
    ]
    for ask in tried:
        with pytest.raises(ConflictError, match="does not fit the workflow as it compiles now: TaskSucceeded for task 'a'"):
            ask()


# --------------------------------------------------------------------------------------------------------------------- tell


class Owner(threading.Thread):
    """Runs a job in a thread of its own, as another process would."""

    def __init__(self, settings: app.Settings, text: str) -> None:
        super().__init__()
        self._settings = settings
        self._text = text
        self.result: app.JobResult | None = None

    def run(self) -> None:
        asyncio.run(self._main())

    async def _main(self) -> None:
        async with app.open_runtime(self._settings) as runtime:
            self.result = await runtime.run(app.load_text(self._text, "t"), {}, job="told")

    def asks(self, journal: Journal) -> str:
        """Return the id of the job once it asks something, as others see it."""
        self.start()
        for _ in range(1000):
            if journal.jobs() and "ok" in journalled.state_of(journal, "told")[1].asking:
                return "told"
            time.sleep(0.01)
        raise AssertionError("it does not ask")


def test_who_runs_a_job_elsewhere_is_told(settings: app.Settings, journal: Journal, done: list[str]) -> None:
    # The wait keeps its owner there.
    owner = Owner(settings, ASKING.replace("steps:", "steps:\n  pause: {wait: 30s}", 1))
    job = owner.asks(journal)

    assert journalled.tell(journal, job, YES, patience=10.0)
    assert journalled.tell(journal, job, SignalReceived(1.0, "paid", {"id": "x"}), patience=10.0)
    _, state, _ = journalled.state_of(journal, job)
    assert state.known["ok"] == {"approved": True, "by": "Ada", "n": 4, "note": "fine"}
    with pytest.raises(ConflictError, match="task 'ok' asks nothing: it is succeeded"):
        journalled.tell(journal, job, YES)
    assert journalled.tell(journal, job, SkipRequested(1.0, "pause"), patience=10.0)
    owner.join(10.0)

    assert owner.result is not None
    assert owner.result.outputs == {"b": 40, "note": "fine", "id": "x"}
    assert journalled.state_of(journal, job)[1].statuses()["pause"] == Status.SKIPPED


async def test_nobody_is_told_of_a_job_that_nobody_runs_and_who_resumes_it_tells_it(
    settings: app.Settings, journal: Journal, done: list[str]
) -> None:
    job = await ran(settings, journal, ASKING)
    looked = journalled.state_of(journal, job)[2]
    assert (looked.status, [failure.task for failure in looked.failures]) == ("waiting", ["paid", "ok"])
    assert journalled.tell(journal, job, YES) is False
    waits = await resumed(settings, journal, job, YES)
    assert (waits.status, done) == ("waiting", ["first", "second"])
    result = await resumed(settings, journal, job, SignalReceived(1.0, "paid", {"id": "x"}))

    assert (result.status, result.outputs) == ("succeeded", {"b": 40, "note": "fine", "id": "x"})
    assert done == ["first", "second"], "code before a gate never runs twice"


async def test_a_request_that_does_not_fit_is_refused_at_once(settings: app.Settings, journal: Journal, done: list[str]) -> None:
    job = await ran(settings, journal, ASKING)

    with pytest.raises(InputError, match=r"field 'n' \(int\) is missing"):
        journalled.tell(journal, job, YES._replace(values={}))
    with pytest.raises(NotFoundError, match="no step waits for the event 'piad'; did you mean 'paid'"):
        journalled.tell(journal, job, SignalReceived(1.0, "piad", {"id": "x"}))
    with pytest.raises(NotFoundError, match="no job 'x'"):
        journalled.tell(journal, "x", YES)


async def test_an_owner_that_leaves_without_looking_at_its_mail_is_no_owner(
    settings: app.Settings, journal: Journal, done: list[str]
) -> None:
    job = await ran(settings, journal, ASKING)
    with closing(app.open_journal(settings)) as owner:
        owner.claim(job)
        leave = threading.Timer(0.2, owner.finish, (job, "waiting", 5.0))
        leave.start()
        began = time.monotonic()
        assert journalled.tell(journal, job, YES, patience=10.0) is False
        assert time.monotonic() - began < 5.0
        leave.join()
    result = await resumed(settings, journal, job, YES)

    assert sum(isinstance(event, Answered) for event in result.history) == 1


async def test_an_owner_that_is_busy_hears_of_it_later(settings: app.Settings, journal: Journal, done: list[str]) -> None:
    job = await ran(settings, journal, ASKING)
    with closing(app.open_journal(settings)) as owner:
        owner.claim(job)

        assert journalled.tell(journal, job, YES, patience=0.1) is True
        (letter,) = owner.mail()
        assert letter.event == YES._replace(values={"n": 4, "note": "fine"})


# -------------------------------------------------------------------------------------------------------------------- clean


async def test_cleaning_throws_away_jobs_with_their_files(settings: app.Settings, journal: Journal, done: list[str]) -> None:
    text = 'workflow: w\nsteps:\n  l: {call: "life_steps:large", with: {n: 1}}\n'
    jobs = [await ran(settings, journal, text), await ran(settings, journal, n=1)]
    assert len(journal.jobs()) == 2, "what was written last is seen by others, too"
    (file,) = (path for path in (settings.home / "artifacts").rglob("*") if path.is_file())
    os.utime(file, (1.0, 1.0))
    would = app.clean(settings, keep=1, dry_run=True)
    assert (would.jobs, would.artifacts) == ((jobs[0],), 1)
    assert app.clean(settings, keep=5) == ((), 0, 0, 0)
    assert app.clean(settings, keep=1) == would
    assert [one.job for one in journal.jobs()] == [jobs[1]]
    assert not file.exists()
    assert app.clean(settings, keep=0, statuses=["failed"]).jobs == ()
    assert app.clean(settings, older_than=3600.0).jobs == ()
    assert app.clean(settings, older_than=0.0).jobs == (jobs[1],)


def test_where_nothing_was_journalled_nothing_is_thrown_away(tmp_path: Path) -> None:
    settings = app.Settings(home=tmp_path / "none")

    assert app.clean(settings, older_than=0.0) == ((), 0, 0, 0)
    assert not settings.home.exists()
    with pytest.raises(InputError):
        app.clean(settings, keep=-1)


# ----------------------------------------------------------------------------------------------------- files that are changed

OUTER = """
workflow: outer
workflows: {inner: ./inner.yaml}
steps:
  a: {workflow: inner, with: {n: 1}}
  ok: {approve: "Go on?", after: [a]}
  b: {workflow: inner, with: {n: "${a.m}"}, after: [ok]}
outputs: {m: "${b.m}"}
"""
INNER = """
workflow: inner
inputs: {n: int}
steps: {x: {call: "life_steps:second", with: {n: "${inputs.n}"}}}
outputs: {m: "${x}"}
"""


async def test_changing_the_files_of_a_workflow_does_not_disturb_jobs_that_have_begun(
    settings: app.Settings, journal: Journal, done: list[str], tmp_path: Path
) -> None:
    file = tmp_path / "outer.yaml"
    file.write_text(OUTER)
    (tmp_path / "inner.yaml").write_text(INNER)
    async with app.open_runtime(settings, journal=journal) as runtime:
        waits = await runtime.run(app.load_file(file), {})
    assert waits.status == "waiting"
    (tmp_path / "inner.yaml").write_text(INNER.replace("second", "first").replace("n: int", "n: int, k: {type: int, default: 1}"))
    file.write_text(OUTER.replace("b:", "c:").replace("${b.m}", "${c.m}"))
    assert list(app.load_file(file).graph.nodes) == ["a", "ok", "c"]
    file.unlink()
    result = await resumed(settings, journal, waits.job, Answered(1.0, "ok", True, {}, "Ada"))

    assert (result.status, result.outputs) == ("succeeded", {"m": 100})
    assert done == ["second", "second"]
    assert [event.task for event in result.history if isinstance(event, TaskSucceeded)] == ["a/x", "b/x"]
