"""Jobs that were stopped, failed, cancelled, killed or held go on where they were - over both journals."""

import asyncio
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from murakkab.errors import BackendError, ConflictError, InputError, JobHeld, JobInterrupted, NotFoundError, PlanError
from murakkab.ports import Call, JobHeader, Journal
from murakkab.runtime.artifacts import LocalArtifacts
from murakkab.runtime.driver import Verdict, replay
from murakkab.runtime.journal import MemoryJournal
from murakkab.runtime.messages import Event, JobSubmitted, TaskSucceeded
from murakkab.runtime.slots import SlotTable
from murakkab.runtime.sqlite_journal import SqliteJournal
from murakkab.spec import Effect, OnError, Rescue
from murakkab.types import INT
from tests.fakes import OTHER, FakeExecutor, card, does, echo, reasons, running, runtime, step, work

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("nothing_is_left")]

CHAIN = work(step("a"), step("b", x="${a}"), step("c", x="${b}"))


@pytest.fixture(params=["memory", "sqlite"])
def journal(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Journal]:
    if request.param == "memory":
        yield MemoryJournal()
        return
    with closing(SqliteJournal(tmp_path / "journal.db", LocalArtifacts(tmp_path / "artifacts"))) as opened:
        yield opened


def status_of(journal: Journal, job: str = "j") -> str:
    return next(one.status for one in journal.jobs() if one.job == job)


async def test_a_stopped_job_lets_what_runs_finish_and_goes_on_later(journal: Journal) -> None:
    fake = FakeExecutor()

    async def behave(call: Call) -> str:
        if call.task == "b":
            rt.stop()
            await asyncio.sleep(0)
        return call.task

    fake.behave = behave
    rt = runtime(fake, journal=journal)
    stopped = await rt.run(CHAIN, {}, job="j")

    assert (stopped.status, fake.tasks, status_of(journal)) == ("interrupted", ["a", "b"], "interrupted")
    with pytest.raises(JobInterrupted, match="resume it"):
        stopped.raise_for_status()
    resumed = await runtime(fake, journal=journal).resume("j", CHAIN)
    assert (resumed.outputs, fake.tasks, status_of(journal)) == ({"c": "c"}, ["a", "b", "c"], "succeeded")


async def test_stopping_gives_back_the_slots_of_what_never_began(journal: Journal) -> None:
    fake = FakeExecutor(card=card(needs={"cores": 1.0}))
    slots = SlotTable({"cores": 2.0})
    rt = runtime(fake, slots=slots, journal=journal)
    one = work(step("a", each="${inputs.xs}"), cards=[fake.card])
    job = asyncio.ensure_future(rt.run(one, {"xs": [0] * 5}, job="j"))
    await asyncio.sleep(0)
    rt.stop()

    assert (await job).status == "interrupted"
    assert slots.is_idle()
    assert (await runtime(fake, slots=slots, journal=journal).resume("j", one)).status == "succeeded"
    assert sorted(fake.tasks) == [f"a[{i}]" for i in range(5)]


async def test_a_stopped_runtime_takes_jobs_and_leaves_them_for_later(journal: Journal) -> None:
    fake = FakeExecutor(does("x", "y", "z"))
    rt = runtime(fake, journal=journal)
    rt.stop()

    assert (await rt.run(CHAIN, {}, job="j")).status == "interrupted"
    assert fake.calls == []
    assert (await runtime(fake, journal=journal).resume("j", CHAIN)).outputs == {"c": "z"}


async def test_a_failed_job_goes_on_with_the_step_that_failed(journal: Journal) -> None:
    fake = FakeExecutor(does("A", ValueError("broken"), "B", "C"))
    rt = runtime(fake, journal=journal)
    assert reasons(await rt.run(CHAIN, {}, job="j")) == ["exception"]
    result = await rt.resume("j", CHAIN)

    assert result.outputs == {"c": "C"}
    assert fake.tasks == ["a", "b", "b", "c"]
    assert [(row.task, row.attempt, row.status) for row in result.tasks] == [
        ("a", 1, "succeeded"),
        ("b", 1, "failed"),
        ("b", 2, "succeeded"),
        ("c", 1, "succeeded"),
    ]


async def test_a_cancelled_job_goes_on(journal: Journal) -> None:
    async def behave(call: Call) -> str:
        if call.task == "b" and len(fake.calls) == 2:
            await asyncio.sleep(30)
        return call.task

    fake = FakeExecutor(behave)
    rt = runtime(fake, journal=journal)
    async with running(rt, CHAIN, {}, job="j") as job:
        rt.cancel("j")
        assert (await job).status == "cancelled"

    assert status_of(journal) == "cancelled"
    assert (await rt.resume("j", CHAIN)).outputs == {"c": "c"}
    assert fake.tasks == ["a", "b", "b", "c"]


async def test_a_job_whose_run_was_cancelled_goes_on(journal: Journal) -> None:
    async def behave(call: Call) -> str:
        if call.task == "b" and len(fake.calls) == 2:
            await asyncio.sleep(30)
        return call.task

    fake = FakeExecutor(behave)
    rt = runtime(fake, journal=journal)
    async with running(rt, CHAIN, {}, job="j"):
        pass

    assert status_of(journal) == "interrupted"
    assert (await rt.resume("j", CHAIN)).outputs == {"c": "c"}


async def test_a_job_that_failed_again_and_again_can_be_resumed_again_and_again(journal: Journal) -> None:
    fake = FakeExecutor(does("A", *(ValueError() for _ in range(5)), "B", "C"))
    rt = runtime(fake, journal=journal)
    await rt.run(CHAIN, {}, job="j")
    for _ in range(4):
        assert (await rt.resume("j", CHAIN)).status == "failed"

    assert (await rt.resume("j", CHAIN)).outputs == {"c": "C"}
    assert fake.tasks.count("a") == 1


async def test_a_succeeded_job_cannot_be_resumed_and_stays_succeeded(journal: Journal) -> None:
    rt = runtime(FakeExecutor(), journal=journal)
    await rt.run(CHAIN, {}, job="j")

    with pytest.raises(ConflictError, match="'j' has succeeded; there is nothing to resume"):
        await rt.resume("j", CHAIN)
    assert status_of(journal) == "succeeded"


async def test_a_job_that_was_killed_before_its_end_was_written_gives_its_result(journal: Journal) -> None:
    events = [JobSubmitted(1.0, {}), *(TaskSucceeded(2.0, name, name, 1.0) for name in "abc")]
    written(journal, events)
    fake = FakeExecutor()

    assert (await runtime(fake, journal=journal).resume("j", CHAIN)).outputs == {"c": "c"}
    assert fake.calls == []
    assert status_of(journal) == "succeeded"


def written(journal: Journal, events: list[Event]) -> None:
    """Leave a job behind as its process did when it died."""
    journal.create(JobHeader("j", CHAIN.document, CHAIN.chosen, {}, 1.0))
    for event in events:
        journal.append("j", event)
    journal.finish("j", "interrupted", 3.0)


async def test_a_job_that_was_killed_before_its_first_event_begins(journal: Journal) -> None:
    written(journal, [])

    assert (await runtime(FakeExecutor(), journal=journal).resume("j", CHAIN)).status == "succeeded"


async def test_maps_go_on_with_the_elements_that_are_missing(journal: Journal) -> None:
    one = work(step("a", each="${inputs.xs}", x="${item}"), step("b", each="${a}", y="${item.x}"), step("c", all="${b}"))
    broken = {"b[2]"}

    async def behave(call: Call) -> Any:
        if call.task in broken:
            broken.remove(call.task)
            raise ValueError
        return dict(call.inputs)

    fake = FakeExecutor(behave)
    rt = runtime(fake, journal=journal)
    assert (await rt.run(one, {"xs": [1, 2, 3, 4]}, job="j")).status == "failed"
    result = await rt.resume("j", one)

    assert result.outputs == {"c": {"all": [{"y": 1}, {"y": 2}, {"y": 3}, {"y": 4}]}}
    assert sorted(set(fake.tasks)) == sorted(["c", *(f"{s}[{i}]" for s in "ab" for i in range(4))])
    ended_well = [event.task for event in result.history if isinstance(event, TaskSucceeded)]
    assert len(ended_well) == len(set(ended_well)) == 9


async def test_what_is_journalled_is_what_happened(journal: Journal) -> None:
    fake = FakeExecutor(does({"deep": [1, None, "ü"]}, ValueError("x"), 2.5, True))
    rt = runtime(fake, journal=journal)
    one = work(step("a", retry=2), step("b", x="${a}", retry=2), step("c", x="${b}"))
    result = await rt.run(one, {}, job="j")
    _, events = journal.read("j")

    assert list(events) == list(result.history)
    assert replay(one.graph, events).results() == {"a": {"deep": [1, None, "ü"]}, "b": 2.5, "c": True}


# ------------------------------------------------------------------------------------------------------------------- doubt

PAYING = work(step("a"), step("pay", effect=Effect.IRREVERSIBLE, x="${a}"), step("c", x="${pay}"))


async def held(journal: Journal, fake: FakeExecutor) -> None:
    """Run until the payment is in flight, and end there."""

    async def behave(call: Call) -> Any:
        if call.task == "pay":
            await asyncio.sleep(30)
        return call.task

    behaved, fake.behave = fake.behave, behave
    async with running(runtime(fake, journal=journal), PAYING, {}, job="j"):
        pass
    fake.behave = behaved
    fake.calls.clear()


async def test_a_task_in_doubt_holds_its_job_until_somebody_says_what_happened(journal: Journal) -> None:
    fake = FakeExecutor()
    await held(journal, fake)
    rt = runtime(fake, journal=journal)

    for _ in range(2):
        result = await rt.resume("j", PAYING)
        assert (result.status, reasons(result), status_of(journal)) == ("held", ["in-doubt"], "held")
    with pytest.raises(JobHeld, match="resume the job with a verdict for each task"):
        result.raise_for_status()
    assert fake.calls == []
    done = await rt.resume("j", PAYING, verdicts=[Verdict("pay", "done", "receipt")])
    assert done.outputs == {"c": {"x": "receipt"}}
    assert fake.tasks == ["c"]


async def test_the_verdict_retry_does_it_once_more(journal: Journal) -> None:
    fake = FakeExecutor()
    await held(journal, fake)
    rt = runtime(fake, journal=journal)
    await rt.resume("j", PAYING)

    assert (await rt.resume("j", PAYING, verdicts=[Verdict("pay", "retry")])).status == "succeeded"
    assert fake.tasks == ["pay", "c"]


@pytest.mark.parametrize(
    ("verdicts", "error", "message"),
    [
        ([Verdict("c", "done")], ConflictError, "'c' is not in doubt; in doubt: pay"),
        ([Verdict("pay", "retry"), Verdict("pay", "retry")], ConflictError, "'pay' is not in doubt; in doubt: none"),
        ([Verdict("pay", "Done")], InputError, "'Done' is no verdict on 'pay'; say done or retry"),
        ([Verdict("pay", "done", "text")], InputError, "the value of 'pay' does not fit: int is wanted, str is given"),
    ],
)
async def test_a_verdict_that_is_none_changes_nothing(
    journal: Journal, verdicts: list[Verdict], error: type[Exception], message: str
) -> None:
    fake = FakeExecutor()
    await held(journal, fake)
    rt = runtime(fake, journal=journal)
    await rt.resume("j", PAYING)
    before = list(journal.read("j")[1])
    one = work(step("a"), step("pay", effect=Effect.IRREVERSIBLE, x="${a}"), step("c", x="${pay}"))
    object.__setattr__(one.graph.nodes["pay"], "result", INT)

    with pytest.raises(error, match=message):
        await rt.resume("j", one, verdicts=verdicts)
    assert status_of(journal) == "held"
    assert list(journal.read("j")[1]) == before
    assert fake.calls == []


@pytest.mark.parametrize("failure", [TimeoutError(), ValueError("after the fact"), object()])
async def test_an_irreversible_task_that_failed_is_not_repeated_silently(journal: Journal, failure: Any) -> None:
    """A failure does not say that nothing happened: the answer may have been lost, or not have been JSON data."""
    fake = FakeExecutor(does("A", failure))
    rt = runtime(fake, journal=journal)
    assert (await rt.run(PAYING, {}, job="j")).status == "failed"

    assert (await rt.resume("j", PAYING)).status == "held"
    assert fake.tasks == ["a", "pay"]


async def test_an_irreversible_fallback_is_held_like_any_other(journal: Journal) -> None:
    wire = card("wire", effect=Effect.IRREVERSIBLE)
    one = work(step("a", on_error=OnError(Rescue.FALLBACK, fallback="wire")), cards=[card(), wire])
    assert one.graph.nodes["a"].effect is Effect.IRREVERSIBLE
    fake, other = FakeExecutor(does(ValueError())), FakeExecutor(does(ValueError()), wire)
    rt = runtime(fake, other, journal=journal)
    assert (await rt.run(one, {}, job="j")).status == "failed"

    assert (await rt.resume("j", one)).status == "held"
    assert (len(fake.calls), len(other.calls)) == (1, 1)


# ---------------------------------------------------------------------------------------------------------------- refusals


async def test_a_job_that_runs_cannot_be_resumed(journal: Journal) -> None:
    release = asyncio.Event()

    async def wait(call: Call) -> None:
        await release.wait()

    rt = runtime(FakeExecutor(wait), journal=journal)
    async with running(rt, CHAIN, {}, job="j") as job:
        with pytest.raises(ConflictError, match="'j' is running"):
            await rt.resume("j", CHAIN)
        release.set()
        assert (await job).status == "succeeded"


async def test_a_job_that_does_not_exist_cannot_be_resumed(journal: Journal) -> None:
    with pytest.raises(NotFoundError, match="there is no job 'x'"):
        await runtime(FakeExecutor(), journal=journal).resume("x", CHAIN)


async def test_nothing_can_be_resumed_without_a_journal() -> None:
    with pytest.raises(NotFoundError, match="there is no journal"):
        await runtime(FakeExecutor()).resume("x", CHAIN)


async def test_a_job_that_cannot_be_prepared_is_given_up_again(journal: Journal) -> None:
    fake = FakeExecutor(does("A", ValueError()))
    await runtime(fake, journal=journal).run(CHAIN, {}, job="j")

    with pytest.raises(PlanError):
        await runtime(FakeExecutor(card=OTHER), journal=journal).resume("j", CHAIN)
    assert status_of(journal) == "failed"
    assert (await runtime(FakeExecutor(), journal=journal).resume("j", CHAIN)).status == "succeeded"


async def test_a_journal_that_does_not_fit_the_workflow_is_a_conflict_and_no_defect(journal: Journal) -> None:
    fake = FakeExecutor(does("A", ValueError()))
    rt = runtime(fake, journal=journal)
    await rt.run(CHAIN, {}, job="j")

    with pytest.raises(ConflictError, match="does not fit the workflow as it compiles now"):
        await rt.resume("j", work(step("other")))
    assert status_of(journal) == "failed"


async def test_inputs_that_are_no_json_data_are_refused(journal: Journal) -> None:
    with pytest.raises(InputError, match="the inputs cannot be journalled"):
        await runtime(FakeExecutor(), journal=journal).run(CHAIN, {"xs": {1, 2}}, job="j")
    assert journal.jobs() == []
    assert (await runtime(FakeExecutor(), journal=journal).run(CHAIN, {}, job="j")).status == "succeeded"


async def test_a_job_goes_on_after_the_disk_was_full(tmp_path: Path) -> None:
    journal = SqliteJournal(tmp_path / "journal.db", LocalArtifacts(tmp_path / "artifacts"))
    fake = FakeExecutor(echo)

    async def behave(call: Call) -> str:
        if call.task == "b" and len(fake.calls) == 2:
            full.append(True)
        return call.task

    full: list[bool] = []
    flush = journal._tail.flush

    def fails() -> None:
        if full:
            raise OSError(28, "No space left on device")
        flush()

    journal._tail.flush = fails  # type: ignore[method-assign]
    fake.behave = behave
    with closing(journal):
        rt = runtime(fake, journal=journal)
        with pytest.raises(BackendError, match="No space left on device; mend that"):
            await rt.run(CHAIN, {}, job="j")
        full.clear()
        result = await rt.resume("j", CHAIN)
    assert result.outputs == {"c": "c"}
    assert fake.tasks.count("a") == 1
