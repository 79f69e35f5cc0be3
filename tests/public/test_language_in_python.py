"""The whole language, declared and run in Python: what each part gives, in a real job."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from murakkab import (
    InputError,
    JobFailed,
    JobPaused,
    JobWaiting,
    Need,
    NotFoundError,
    Repeat,
    SpecError,
    approve,
    block,
    call,
    default_to,
    each,
    error,
    finally_,
    first,
    flatten,
    item,
    job,
    load_workflow,
    loop,
    output,
    result,
    secret,
    size,
    step,
    template,
    var,
    wait,
    wait_for,
    when,
    workflow,
    zipped,
)


@dataclass
class Draft:
    text: str
    score: float


@step(effect="pure")
def improve(text: str, last: Draft | None = None) -> Draft:
    return Draft((last.text if last else text) + "!", 0.25 if last is None else last.score + 0.25)


@step(effect="pure")
def shout(text: str) -> str:
    return text.upper()


@step(effect="pure")
def join(parts: list[str], by: str = " ") -> str:
    return by.join(parts)


@step(effect="pure")
def pair(left: str, right: int, by: str = ":") -> str:
    return f"{left}{by}{right}"


@step(effect="pure")
def picky(text: str) -> str:
    if text.startswith("bad"):
        raise ValueError(text)
    return text


# ------------------------------------------------------------------------------------------------------------------- loops


def test_a_step_is_repeated_until_its_result_is_good() -> None:
    @workflow
    def polish(text: str) -> Draft:
        return improve.with_options(repeat=Repeat(9, until=result.score >= 0.75))(text, last=loop.last)

    assert polish.run("a") == Draft("a!!!", 0.75)


def test_a_loop_that_never_ends_fails_or_gives_its_last_result() -> None:
    @workflow
    def hopeless(text: str) -> Draft:
        return improve.with_options(repeat={"at_most": 2, "until": result.score > 9})(text, loop.last)

    @workflow
    def patient(text: str) -> Draft:
        return improve.with_options(repeat={"at_most": 2, "until": result.score > 9, "otherwise": "last"})(text, loop.last)

    with pytest.raises(JobFailed):
        hopeless.run("a")
    assert patient.run("a").text == "a!!"


def test_a_block_is_repeated_as_a_whole() -> None:
    @workflow
    def rounds(words: list[str]) -> str:
        with block(name="group", repeat=Repeat(5, until=loop.index >= 2)) as group:
            one = join(words, by="-")
            group.outputs(text=template("{}{}", loop.index, one))
        return shout(group.text)

    assert rounds.run(["a", "b"]) == "2A-B"


# ------------------------------------------------------------------------------------------------------------------- blocks


def test_what_a_block_gives_out_is_seen_outside() -> None:
    @workflow
    def grouped(text: str, loud: bool = True) -> str:
        with block(name="group", when=loud) as group:
            a = shout(text)
            with block() as inner:
                inner.outputs(both=join([a, text]))
            group.outputs(both=inner.both, plain=text)
        return first(group.both, text)  # type: ignore[no-any-return, unused-ignore]

    assert grouped.run("a") == "A a"
    assert grouped.run("a", loud=False) == "a"


def test_a_block_needs_only_some_of_its_steps() -> None:
    @workflow
    def quorum(texts: list[str]) -> Any:
        with block(need=2) as votes:
            picky("bad")
            picky.with_options(name="b")("b")
            picky.with_options(name="c")("c")
        return votes

    assert quorum.run(["a"]) == {"b": "b", "c": "c"}


def test_a_block_runs_for_every_element() -> None:
    @workflow
    def named(rows: list[dict[str, Any]]) -> list[str]:
        with block(name="rows", for_each={"row": rows}) as group:
            loud = shout(var("row").name)
            group.outputs(name=template("{}.", loud))
        return each(group, lambda one: one.name)  # type: ignore[no-any-return, attr-defined, arg-type, unused-ignore]

    assert named.run([{"name": "a"}, {"name": "b"}]) == ["A.", "B."]


# --------------------------------------------------------------------------------------------------------------------- maps


def test_lists_are_gone_through_together() -> None:
    @workflow
    def pairs(names: list[str], counts: list[int]) -> list[str]:
        return pair.map_zip(names, counts, by="=")

    assert pairs.run(["a", "b"], [1, 2]) == ["a=1", "b=2"]
    assert pair.map_zip(["a"], [1]) == ["a:1"]
    with pytest.raises(JobFailed, match="2"):
        pairs.run(["a", "b"], [1])


def test_steps_by_name_go_through_levels_of_lists() -> None:
    @workflow
    def tables(tables: list[list[str]], marks: list[str]) -> dict[str, Any]:
        nested = call("textwrap:indent", for_each={"row": tables, "cell": var("row")})(text=var("cell"), prefix="!")
        flat = call("textwrap:indent", name="flat").map(flatten(tables), text=item, prefix="?")
        both = call("textwrap:indent", name="both", for_each=zipped(a=flatten(tables), b=marks))(text=var("a"), prefix=var("b"))
        return {"nested": nested, "flat": flat, "both": both}

    assert tables.run([["a"], ["b", "c"]], ["1", "2", "3"]) == {
        "nested": [["!a"], ["!b", "!c"]],
        "flat": ["?a", "?b", "?c"],
        "both": ["1a", "2b", "3c"],
    }


def test_enough_of_a_map_is_enough() -> None:
    @workflow
    def some(texts: list[str]) -> list[str]:
        return picky.with_options(need="60%").map(texts)

    assert sorted(some.run(["a", "bad", "c"])) == ["a", "c"]
    with pytest.raises(JobFailed):
        some.run(["a", "bad", "bad"])


# --------------------------------------------------------------------------------------------------- workflows in workflows


class Parts(NamedTuple):
    shout: str
    draft: Draft


@workflow
def both(text: str, twice: bool = False) -> Parts:
    with when(twice):
        again = shout(template("{}{}", text, text))
    return Parts(first(again, shout(text)), improve(text))


@workflow
def louder(text: str, mark: str = "!") -> str:
    return shout(template("{}{}", text, mark))


def test_a_workflow_is_a_step_of_another() -> None:
    @workflow
    def outer(text: str) -> dict[str, Any]:
        parts = both(text, twice=True)
        return {"shout": parts.shout, "text": parts.draft.text, "loud": louder(parts.shout), "all": louder.map([text, "b"], mark="?")}

    assert outer.run("a") == {"shout": "AA", "text": "a!", "loud": "AA!", "all": ["A?", "B?"]}
    assert list(outer.definition.workflows) == ["both", "louder"]


def test_a_workflow_as_a_step_has_options() -> None:
    @workflow
    def outer(text: str) -> str:
        again = louder.with_options(name="again", repeat=Repeat(3, until=loop.index >= 1), timeout=20.0)(text)
        votes = louder.with_options(name="votes", need=Need(1)).map([again])
        return join(votes)

    definition = outer.definition
    assert outer.run("a") == "A!!"
    assert (definition.steps["again"].timeout, definition.steps["votes"].need) == (20.0, Need(1))


def test_a_workflow_of_a_file_is_a_step(tmp_path: Path) -> None:
    (tmp_path / "indent.yaml").write_text(
        "workflow: indent\ninputs: {text: str}\nsteps: {a: {call: 'textwrap:indent', with: {text: '${inputs.text}', prefix: '> '}}}\n"
        "outputs: {text: '${a}'}\n"
    )
    indent = load_workflow(tmp_path / "indent.yaml")

    @workflow
    def outer(text: str) -> Any:
        return indent(text=louder(text))["text"]

    assert outer.run("a") == "> A!"


def test_functions_of_one_factory_stay_apart_across_workflows() -> None:
    def factory(mark: str) -> Any:
        @step(effect="pure")
        def add(text: str) -> str:
            return text + mark

        @workflow
        def marking(text: str) -> str:
            return add(text)  # type: ignore[no-any-return, unused-ignore]

        return marking

    one, two = factory("1"), factory("2")

    @workflow
    def outer(text: str) -> str:
        return two(one(text))  # type: ignore[no-any-return]

    assert outer.run("a") == "a12"
    assert list(outer.definition.workflows) == ["marking", "marking~2"]


def test_a_workflow_that_is_a_step_of_itself_is_refused() -> None:
    @workflow
    def ring(text: str) -> str:
        return ring(text)  # type: ignore[no-any-return, unused-ignore]

    with pytest.raises(SpecError, match="the workflow 'ring' is a step of itself") as caught:
        _ = ring.definition
    assert caught.value.diagnostics[0].code == "cycle"


def test_mistakes_inside_of_a_part_are_placed_there() -> None:
    @workflow
    def part(text: str) -> str:
        return join(shout(text))  # type: ignore[arg-type]

    @workflow
    def outer(text: str) -> str:
        return part(text)

    with pytest.raises(SpecError) as caught:
        outer.run("a")
    (found,) = (one for one in caught.value.diagnostics if not one.is_warning)
    assert found.code == "type-mismatch"
    assert found.place is not None
    assert found.place.line == part.__wrapped__.__code__.co_firstlineno + 2  # type: ignore[attr-defined]


# --------------------------------------------------------------------------------------------------------- gates and life


@workflow(name="letters")
def letters(text: str) -> dict[str, Any]:
    letter = shout(text)
    ok = approve("Send {}?", letter, form={"copies": int, "note": str | None}, name="ok")
    paid = wait_for("paid", type=Draft)
    return {"copies": ok.copies, "by": ok.by, "paid": paid.text}


def test_a_job_waits_for_a_person_and_an_event(tmp_path: Path) -> None:
    durable = letters.options(home=tmp_path, durable=True)
    with pytest.raises(JobWaiting) as caught:
        durable.run("a")
    job_id = caught.value.job
    waiting = durable.resume_job(job_id, answers={"ok": {"copies": 2, "note": None}}, by="Ann")
    assert waiting.status == "waiting"
    done = durable.resume_job(job_id, signals={"paid": Draft("yes", 1.0)})
    assert done.raise_for_status().outputs == {"copies": 2, "by": "Ann", "paid": "yes"}


async def test_a_no_fails_the_job(tmp_path: Path) -> None:
    durable = letters.options(home=tmp_path, durable=True)
    waiting = await durable.arun_job("a")
    with pytest.raises(InputError):
        await durable.aresume_job(waiting.job, answers={"ok": {"copies": "many"}})
    refused = await durable.aresume_job(waiting.job, answers={"ok": False})
    assert [one.reason for one in refused.failures] == ["rejected"]


def test_only_jobs_that_were_kept_are_resumed() -> None:
    with pytest.raises(NotFoundError, match="no journal"):
        letters.resume_job("nowhere")


def test_a_spent_budget_pauses_a_job_until_it_is_raised(tmp_path: Path) -> None:
    @workflow(budget={"time": 0.05})
    def slow(text: str) -> str:
        one = shout(text)
        wait(0.2, after=[one])
        return shout.with_options(name="after", after=["wait"])(one)

    durable = slow.options(home=tmp_path, durable=True)
    with pytest.raises(JobPaused) as caught:
        durable.run("a")
    assert durable.resume_job(caught.value.job, budget={"time": 60}).outputs == {"result": "A"}
    assert slow.options(budget={"time": 60}).run("b") == "B"


def test_last_steps_see_how_the_job_ended() -> None:
    seen: list[str] = []

    @step
    def note(status: str, text: str | None) -> None:
        seen.append(f"{status} {text}")

    @workflow
    def noting(text: str) -> str:
        checked = picky(text)
        with finally_():
            note(job.status, checked)
        return checked

    assert noting.run("a") == "a"
    noting.run_job("bad")
    assert seen == ["succeeded a", "failed None"]


def test_a_default_says_what_went_wrong() -> None:
    @workflow
    def careful(text: str) -> str:
        return picky.with_options(on_error=default_to(template("sorry: {}", error.reason)))(text)

    assert careful.run("a") == "a"
    assert careful.run("bad").startswith("sorry: ")


def test_a_secret_reaches_a_step_and_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANGUAGE_TOKEN", "s3cr3t")

    @step
    def knock(token: str) -> int:
        return len(token)

    @workflow
    def knocking(text: str) -> int:
        return knock(template("{}:{}", text, secret("token", env="LANGUAGE_TOKEN")))

    job_of = knocking.run_job("me")
    assert job_of.outputs == {"result": 9}
    assert "s3cr3t" not in repr(job_of.history)


def test_a_profile_changes_what_it_names() -> None:
    @workflow(profiles={"loud": {"inputs": {"mark": {"default": "!!!"}}}}, defaults={"retry": 2})
    def marked(text: str, mark: str = ".") -> str:
        return join([shout(text), mark], by="")

    assert marked.run("a") == "A."
    assert marked.options(profile="loud").run("a") == "A!!!"
    assert marked.definition.steps["join"].retry.attempts == 2
    with pytest.raises(SpecError, match="quiet"):
        marked.options(profile="quiet").run("a")


# ----------------------------------------------------------------------------------------------------------------- streams


def test_generators_give_their_lists_element_by_element() -> None:
    @step
    def words(text: str) -> Iterator[str]:
        yield from text.split()

    @step
    async def letters_of(text: str) -> AsyncIterator[str]:
        for letter in text:
            yield letter

    @workflow
    def streaming(text: str) -> dict[str, list[str]]:
        return {"words": shout.map(words(text)), "letters": shout.map(letters_of(text))}

    assert streaming.run("a bc") == {"words": ["A", "BC"], "letters": ["A", " ", "B", "C"]}
    assert {one.name for one in streaming.declared.capabilities.values() if one.streams} == {"words", "letters_of"}


def test_an_output_says_more_than_its_value() -> None:
    @workflow
    def told(text: str, loud: bool = False) -> dict[str, Any]:
        with when(loud):
            shouted = shout(text)
        return {"shout": output(shouted, "str?", optional=True, description="When it is loud."), "count": output(size([1]), int)}

    assert told.run("a") == {"shout": None, "count": 1}
    assert told.definition.outputs["shout"].description == "When it is loud."


def test_a_workflow_goes_to_python_and_back() -> None:
    for one in (both, letters):
        module: dict[str, Any] = {"__name__": "generated"}
        exec(one.to_python(), module)
        assert module[one.definition.name].definition == one.definition
