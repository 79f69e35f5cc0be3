"""Running a workflow from Python: values in, values out, events, and what is refused."""

import statistics
import threading
from contextlib import aclosing, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypedDict, TypeVar, cast

import anyio
import anyio.lowlevel
import pytest

from murakkab import File, Goal, block, first, load_workflow, size, step, wait, when, workflow
from murakkab.errors import ConflictError, InputError, JobError, JobFailed, NotFoundError, SpecError
from murakkab.runtime.messages import JobSubmitted, TaskFailed, TaskStarted, TaskSucceeded

T = TypeVar("T")


@dataclass
class Page:
    url: str
    words: int = 0


class Counted(NamedTuple):
    pages: list[Page]
    total: int
    note: str | None


class Total(TypedDict):
    total: int


@step
async def fetch(url: str, words: int = 7) -> Page:
    return Page(url, words)


@step
def count(pages: list[Page]) -> int:
    return sum(page.words for page in pages)


@step
def same(value: T) -> T:
    return value


@step
def explode(text: str) -> str:
    raise RuntimeError(text)


@workflow
def counting(urls: list[str], words: int = 2) -> Counted:
    pages = fetch.map(urls, words=words)
    with when(size(pages) > 1):
        note = fetch("many")
    return Counted(pages, count(pages), note.url)


@workflow
def failing(text: str) -> str:
    return explode(text)


# -------------------------------------------------------------------------------------------------------------- in and out


def test_a_record_comes_back_as_it_is_annotated() -> None:
    assert counting.run(["a", "b"], words=3) == Counted([Page("a", 3), Page("b", 3)], 6, "many")


def test_defaults_are_filled_in_and_what_was_skipped_is_none() -> None:
    assert counting.run(urls=["a"]) == Counted([Page("a", 2)], 2, None)


def test_one_value_comes_back_as_it_is_annotated() -> None:
    @workflow
    def last(url: str) -> list[Page]:
        return [fetch(url), fetch("b")]

    assert last.run("a") == [Page("a", 7), Page("b", 7)]


def test_a_dict_and_nothing_come_back() -> None:
    @workflow
    def totals(page: Page) -> Total:
        return {"total": count([page, page])}

    @workflow
    def nothing(page: Page) -> None:
        count([page])

    assert totals.run(Page("a", 2)) == {"total": 4}
    done: object = nothing.run(Page("a", 2))  # type: ignore[func-returns-value]
    assert done is None


def test_without_annotations_json_data_comes_back() -> None:
    @workflow
    def raw(url):  # type: ignore[no-untyped-def]
        return fetch(url)

    assert raw.run("a") == {"url": "a", "words": 7}


def test_closures_run_in_this_process() -> None:
    seen: list[str] = []

    @step
    def remember(text: str) -> None:
        seen.append(text)

    @workflow
    def remembering(text: str) -> None:
        remember(text)

    remembering.run("a")
    assert seen == ["a"]


def test_a_path_becomes_a_file_where_one_is_wanted(tmp_path: Path) -> None:
    @step
    def describe_file(file: File) -> str:
        return f"{Path(file.uri).name} {file.size}"

    @workflow
    def describing(files: list[File], more: dict[str, File | None]) -> list[str]:
        return describe_file.map(files)

    (tmp_path / "a.txt").write_text("four")
    path = cast("File", tmp_path / "a.txt")
    assert describing.run([path], more={"x": None}) == ["a.txt 4"]
    assert describing.run([File(str(path), size=9)], {}) == ["a.txt 9"]
    with pytest.raises(NotFoundError, match=r"missing\.txt"):
        describing.run([path], more={"x": cast("File", tmp_path / "missing.txt")})


@pytest.mark.parametrize(
    ("args", "kwargs", "message"),
    [
        ((), {}, "missing a required argument: 'urls'; it is run with (urls: list[str]"),
        ((["a"],), {"depth": 1}, "unexpected keyword argument 'depth'"),
        (([1],), {}, r"input 'urls': [0]: str is wanted, int is given"),
        (([b"x"],), {"words": {1}}, "input 'words': set is not JSON data"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(args: Any, kwargs: Any, message: str) -> None:
    with pytest.raises(InputError) as caught:
        counting.run(*args, **kwargs)
    assert message in str(caught.value)


# ----------------------------------------------------------------------------------------------------------------- running


async def test_it_runs_on_the_loop_that_is_there() -> None:
    assert await counting.arun(["a"]) == Counted([Page("a", 2)], 2, None)
    assert (await counting.arun_job(["a"])).status == "succeeded"


async def test_jobs_of_one_handle_run_side_by_side() -> None:
    results: list[Counted] = []

    async def one(url: str) -> None:
        results.append(await counting.arun([url]))

    async with anyio.create_task_group() as group:
        for i in range(20):
            group.start_soon(one, str(i))
    assert sorted(int(r.pages[0].url) for r in results) == list(range(20))


async def test_blocking_inside_of_a_loop_is_refused() -> None:
    for method, act in (("run", counting.run), ("run", counting.run_job), ("stream", counting.stream)):
        with pytest.raises(ConflictError, match=rf"{method}\(\.\.\.\) would stop the event loop .* use a{method}"):
            act(["a"])


def test_a_failed_job_raises_and_can_be_looked_at() -> None:
    with pytest.raises(JobFailed, match=r"explode: .*boom"):
        failing.run("boom")
    result = failing.run_job("boom")
    assert (result.status, [f.task for f in result.failures]) == ("failed", ["explode"])


def test_a_result_that_does_not_fit_its_annotation_says_so() -> None:
    @step
    def anything() -> Any:
        return "text"

    @workflow
    def wrong_record() -> list[Page]:
        return [anything()]

    @workflow
    def wrong_number() -> int:
        return anything()  # type: ignore[no-any-return]

    with pytest.raises(JobError, match="annotated to return: 0: Input should be"):
        wrong_record.run()
    with pytest.raises(JobError, match="annotated to return: int is wanted, str is given; mend"):
        wrong_number.run()


def test_options_give_a_new_handle_with_other_settings(tmp_path: Path) -> None:
    durable = counting.options(home=tmp_path, durable=True)
    assert durable.run(["a"]).total == 2
    assert (tmp_path / "journal.db").exists()
    with pytest.raises(SpecError, match="there is no option 'journal'"):
        counting.options(journal=True)  # type: ignore[call-arg]


def test_a_goal_can_be_given_for_some_jobs() -> None:
    assert counting.options(goal=Goal(("energy",))).run_job(["a"]).deployment.goal == Goal(("energy",))


# ------------------------------------------------------------------------------------------------------------------ events


def test_events_are_streamed() -> None:
    events = list(counting.stream(["a"]))
    assert isinstance(events[0], JobSubmitted)
    assert [e.task for e in events if isinstance(e, TaskStarted)] == ["fetch[0]", "count"]
    assert [e.value for e in events if isinstance(e, TaskSucceeded)] == [{"url": "a", "words": 2}, 2]


async def test_events_are_streamed_on_the_loop_that_is_there() -> None:
    tasks = [e.task async for e in counting.astream(["a"]) if isinstance(e, TaskSucceeded)]
    assert tasks == ["fetch[0]", "count"]


def test_a_stream_ends_as_run_does() -> None:
    events = failing.stream("boom")
    assert isinstance(next(e for e in events if not isinstance(e, JobSubmitted | TaskStarted)), TaskFailed)
    with pytest.raises(JobFailed):
        next(events)


async def test_a_stream_on_the_loop_ends_as_arun_does() -> None:
    with pytest.raises(JobFailed):
        _ = [event async for event in failing.astream("boom")]


class Endless:
    """A workflow whose one step never ends by itself, and what became of the step."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.stopped = False

        @step
        async def wait() -> None:
            self.begun.set()
            try:
                await anyio.sleep_forever()
            finally:
                self.stopped = True

        @workflow
        def waiting() -> None:
            wait()

        self.workflow = waiting


def test_closing_a_stream_stops_the_job() -> None:
    endless = Endless()
    with closing(endless.workflow.stream()) as events:
        next(e for e in events if isinstance(e, TaskStarted))
        assert endless.begun.wait(10)
    assert endless.stopped


async def test_closing_a_stream_on_the_loop_stops_the_job() -> None:
    endless = Endless()
    async with aclosing(endless.workflow.astream()) as events:
        assert isinstance(await anext(events), JobSubmitted)
        assert isinstance(await anext(events), TaskStarted)
        while not endless.begun.is_set():
            await anyio.lowlevel.checkpoint()
    assert endless.stopped


def test_a_stream_that_is_never_read_runs_nothing() -> None:
    endless = Endless()
    endless.workflow.stream().close()
    assert not endless.begun.is_set()


# ------------------------------------------------------------------------------------------------------------- declarations


def test_mistakes_that_the_planner_finds_have_a_place_in_this_file() -> None:
    @workflow
    def mistaken(url: str) -> int:
        return count(cast("list[Page]", fetch(url)))

    with pytest.raises(SpecError) as caught:
        mistaken.run("a")
    (found,) = caught.value.diagnostics
    assert found.code == "type-mismatch"
    assert found.place is not None
    assert (found.place.file, found.place.line) == (__file__, mistaken.__wrapped__.__code__.co_firstlineno + 2)  # type: ignore[attr-defined]


def test_a_workflow_or_block_without_steps_is_a_mistake() -> None:
    @workflow
    def empty(n: int) -> int:
        return n

    @workflow
    def hollow(n: int) -> int:
        with block(name="group"):
            pass
        return same(n)

    @workflow
    def around(n: int) -> int:
        return empty(n)

    for one, message in (
        (empty, "the workflow 'empty' has no"),
        (hollow, "the block 'group' has no"),
        (around, "the workflow 'empty' has no"),
    ):
        with pytest.raises(SpecError, match=message) as caught:
            one.run(1)
        (found,) = caught.value.diagnostics
        assert found.code == "no-work"
        assert found.place is not None
        assert found.place.file == __file__


def test_a_workflow_is_written_down_when_it_is_first_needed() -> None:
    traced: list[int] = []

    @workflow
    def lazy() -> str:
        traced.append(1)
        return same("a")

    assert traced == []
    assert (lazy.run(), lazy.run(), lazy.options(durable=False).run()) == ("a", "a", "a")
    assert traced == [1]


def test_a_workflow_is_not_called() -> None:
    with pytest.raises(SpecError, match=r"use \.run\(\.\.\.\)"):
        counting(["a"])
    with pytest.raises(SpecError, match=r"'counting' has no code to call"):
        counting.map([["a"]])

    @workflow
    def runs_inside() -> None:
        failing.options(durable=False).run("a")

    with pytest.raises(SpecError) as caught:
        _ = runs_inside.definition
    assert [d.code for d in caught.value.diagnostics] == ["nested-workflow"]


def test_an_unknown_option_of_a_workflow_is_refused() -> None:
    with pytest.raises(SpecError, match="there is no option 'retry'; there are name, description, version, goal"):
        workflow(retry=3)  # type: ignore[call-overload]


def test_what_is_written_as_yaml_loads_as_the_same_workflow(tmp_path: Path) -> None:
    mean = step(statistics.fmean)

    @workflow(goal=Goal(("latency",)))
    def average(numbers: list[float], lists: list[list[float]]) -> dict[str, float]:
        """Average numbers."""
        whole = mean(numbers)
        with when(whole > 1):
            large = mean.with_options(name="large", retry=2).map(lists)
        return {"whole": mean(first(large, [whole]))}

    (tmp_path / "average.yaml").write_text(average.to_yaml())
    loaded = load_workflow(tmp_path / "average.yaml")
    assert loaded.definition == average.definition
    assert loaded.to_dict() == average.to_dict()


def test_the_deadline_of_a_workflow_is_written_as_yaml(tmp_path: Path) -> None:
    @workflow(timeout=60.0)
    def hasty() -> None:
        wait(0)

    (tmp_path / "hasty.yaml").write_text(hasty.to_yaml())
    assert load_workflow(tmp_path / "hasty.yaml").definition.timeout == 60.0


def test_the_deadline_of_a_workflow_ends_its_jobs() -> None:
    endless = Endless()
    hasty = workflow(timeout=0.05)(endless.workflow.__wrapped__)  # type: ignore[attr-defined]
    with pytest.raises(JobFailed, match="failed: deadline: "):  # and no empty task before it
        hasty.run()
    assert endless.stopped


def test_a_file_is_run_by_the_names_of_its_inputs(tmp_path: Path) -> None:
    file = tmp_path / "mean.yaml"
    file.write_text(
        "workflow: mean\ninputs: {numbers: {type: 'list[float]'}}\n"
        "steps: {mean: {call: 'statistics:fmean', with: {data: '${inputs.numbers}'}}}\noutputs: {mean: '${mean}'}\n"
    )
    mean = load_workflow(file)
    assert mean.run(numbers=[1.0, 2.0]) == {"mean": 1.5}
    with pytest.raises(InputError, match="give them by name"):
        mean.run([1.0])


def test_a_file_with_mistakes_is_refused_when_it_is_loaded(tmp_path: Path) -> None:
    file = tmp_path / "wrong.yaml"
    file.write_text("workflow: wrong\nsteps: {a: {uses: nothing-like-it}}\n")
    with pytest.raises(SpecError, match=r"wrong\.yaml:2:\d+: unknown-capability"):
        load_workflow(file)
    with pytest.raises(NotFoundError):
        load_workflow(tmp_path / "missing.yaml")


def test_the_home_may_be_given_as_text(tmp_path: Path) -> None:
    @workflow
    def whole(n: int) -> int:
        return same(n)

    assert whole.options(home=str(tmp_path / "home"), durable=True).run(3) == 3
    assert (tmp_path / "home" / "journal.db").exists()


def test_running_a_workflow_inside_another_is_placed_in_this_file() -> None:
    @workflow
    def outer(n: int) -> int:
        return outer.run(n)

    with pytest.raises(SpecError) as caught:
        outer.run(1)
    (found,) = caught.value.diagnostics
    assert found.code == "nested-workflow"
    assert found.place
    assert found.place.file == __file__


@pytest.mark.parametrize(
    ("goal", "message"),
    [
        (Goal(("beauty",)), "'beauty' cannot be minimised"),
        (Goal(("latency",), {"quality": 7}), "the limit of quality cannot be 7"),
        (Goal(limits={"quality": "good"}), "the limit of quality cannot be 'good'; write tiers={'quality': 'good'}"),  # type: ignore[dict-item]
        (Goal(tiers={"quality": "god"}), "there is no tier 'god'; did you mean 'good'?"),
        (Goal(tiers={"beauty": "good"}), "'beauty' has no tiers"),
        (Goal(limits={"quality": 0.5}, tiers={"quality": "good"}), "quality is limited by a number and by a tier"),
        (Goal("energy"), r"minimize='energy' is not a tuple; write minimize=\('energy',\)"),  # type: ignore[arg-type]
    ],
)
def test_a_goal_for_some_jobs_is_checked_like_that_of_the_workflow(goal: Goal, message: str) -> None:
    """It was not: an unknown measure ended in a `KeyError`, or was passed over."""

    @workflow
    def whole(n: int) -> int:
        return same(n)

    with pytest.raises(SpecError, match=message) as caught:
        whole.options(goal=goal).run(1)
    assert len(caught.value.diagnostics) == 1
