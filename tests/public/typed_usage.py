"""Murakkab as a user writes it, for type checkers: every `assert_type` and every `type: ignore` below must be right.

Nothing here is run. `test_typed_usage.py` checks that a checker finds no error and that no `type: ignore` is superfluous.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, assert_type

from murakkab import (
    CapabilityHandle,
    File,
    Goal,
    Group,
    NamedStep,
    Need,
    Prefer,
    Repeat,
    Retry,
    StepFunction,
    WorkflowHandle,
    WorkflowStep,
    approve,
    block,
    call,
    capability,
    contains,
    default_to,
    each,
    error,
    finally_,
    first,
    flatten,
    job,
    load_workflow,
    loop,
    result,
    secret,
    size,
    step,
    subworkflow,
    template,
    use,
    var,
    wait,
    wait_for,
    when,
    workflow,
    zipped,
)
from murakkab.runtime.messages import Event
from murakkab.runtime.result import JobResult


@dataclass
class Page:
    title: str
    links: list[str]


class Report(NamedTuple):
    titles: list[str]
    text: str


@step
async def fetch(url: str, depth: int = 1) -> Page:
    return Page(url, [])


@step(retry=3, timeout=5.0, effect="pure", cache=True, on_error=default_to(""))
def shout(text: str) -> str:
    return text.upper()


@step(retry=Retry(2, delay=0.1), cache=60.0)
async def shout_later(text: str) -> str:
    return text.upper()


@step
def join(parts: list[str]) -> str:
    return ", ".join(parts)


@step
def words(text: str) -> Iterator[str]:
    yield from text.split()


@step(effect="pure")
async def letters(text: str) -> AsyncIterator[str]:
    for letter in text:
        yield letter


@step
def repeated(text: str, times: int, by: str = "") -> str:
    return by.join([text] * times)


@capability("speech-to-text")
def speech_to_text(audio: File, language: str = "en") -> str:  # type: ignore[empty-body]
    """Words spoken."""


assert_type(fetch, StepFunction[[str, int], Page])  # type: ignore[assert-type]  # the names and defaults are kept as well
assert_type(speech_to_text("x", language="en"), str)  # type: ignore[arg-type]


@workflow
def reading(urls: list[str], audio: File, limit: int = 3) -> Report:
    pages = fetch.map(urls, depth=2)
    assert_type(pages, list[Page])
    titles = each(pages, lambda page: page.title)
    assert_type(titles, list[str])
    links = flatten(each(pages, lambda page: page.links))
    assert_type(links, list[str])
    assert_type(shout_later.map(links), list[str])
    assert_type(shout.with_options(name="loud", after=[pages], max_parallel=2).map(titles), list[str])
    assert_type(fetch("a").title, str)
    assert_type(speech_to_text.map([audio], language="de"), list[str])
    assert_type(speech_to_text.with_options(executor="whisper"), CapabilityHandle[[File, str], str])  # type: ignore[assert-type]
    with when((size(pages) > limit) & contains(titles, "a")):
        many = join(titles)
    with when(size(pages) <= limit):
        few = join.with_options(when=size(titles) == 0)(titles)
    text = first(many, few)
    assert_type(text, str)
    return Report(titles, template("{}: {text}", limit, text=text))


@workflow(name="short", goal=Goal(("energy",), {"latency": 60.0}), timeout=60.0)
def short(url: str) -> str:
    return fetch(url).title


@workflow(budget={"cost": 5.0, "time": 60}, version="2", defaults={"retry": 3}, profiles={"dev": {"timeout": 5}})
def whole(url: str, urls: list[str]) -> str:
    token = secret("token", env="TOKEN")
    assert_type(token, str)
    assert_type(words(url), list[str])
    assert_type(shout.map(letters(url)), list[str])
    assert_type(repeated.map_zip(urls, [1, 2], by=token), list[str])
    better = shout.with_options(repeat=Repeat(5, until=result.score > 0.8), prefer=Prefer(device="gpu"))(loop.last)
    shout.with_options(repeat={"at_most": 3, "until": size(urls) > 2}, need=Need(share=0.5), prefer={"model": "small"}).map(urls)
    shout.with_options(on_error=default_to(error.message), need="3 of 5").map(urls)
    assert_type(short(better), str)
    assert_type(short.map(urls), list[str])
    assert_type(short.with_options(timeout=5.0)(url), str)
    assert_type(short.with_options(name="x"), WorkflowStep[[str], str])  # type: ignore[assert-type]
    assert_type(reading(urls, File("a")).titles, list[str])
    with block(name="group", need=2, for_each={"row": urls}) as group:
        assert_type(group, Group)
        group.outputs(text=shout(var("row")), both=better)
    assert_type(group.text, Any)
    ok = approve("Send {}?", better, form={"copies": int, "note": str | None}, timeout=60)
    wait(30, after=[ok])
    wait(until=ok.at)
    paid = wait_for("paid", type=Page)
    assert_type(use("note", retry=3), NamedStep)
    call("m:f", for_each=zipped(a=urls, b=urls))(x=var("a"), y=paid)
    subworkflow(short, name="again")(url=url)
    with finally_():
        shout(job.status)
    return shout(ok.note)


async def running() -> None:
    assert_type(reading.run(["a"], File("a.mp4"), limit=3), Report)
    assert_type(await reading.arun(["a"], File("a.mp4")), Report)
    assert_type(short.run(url="a"), str)
    assert_type(short.options(durable=True).run("a"), str)
    assert_type(short.run_job("a"), JobResult)
    assert_type(await short.arun_job("a"), JobResult)
    assert_type(short.stream("a"), Generator[Event, None, None])
    assert_type(short.astream("a"), AsyncGenerator[Event, None])
    assert_type(load_workflow("a.yaml"), WorkflowHandle[..., dict[str, Any]])
    assert_type(load_workflow("a.yaml").run(videos=["a.mp4"]), dict[str, Any])
    assert_type(await fetch.function("a"), Any)
    assert_type(whole.options(profile="dev", budget={"tokens": 1000}).resume_job("j", answers={"ok": True}, signals={"paid": 1}), JobResult)
    assert_type(await whole.aresume_job("j", answers={"ok": {"copies": 2}}, budget={"cost": 9}, by="Ann"), JobResult)
    assert_type(whole.to_python(), str)


def mistakes() -> None:
    fetch(3)  # type: ignore[arg-type]
    fetch(link="a")  # type: ignore[call-arg]
    shout(fetch("a").titel)  # type: ignore[attr-defined]
    fetch.map([1, 2])  # type: ignore[list-item]
    fetch.map(["a"], depth="deep")  # type: ignore[arg-type]
    fetch.map(["a"], width=2)  # type: ignore[call-arg]
    join(fetch("a"))  # type: ignore[arg-type]
    join(shout.map(fetch.map(["a"])))  # type: ignore[arg-type]
    speech_to_text(File("a"), language=2)  # type: ignore[arg-type]
    shout.with_options(effect="none")  # type: ignore[arg-type]
    shout.with_options(retries=3)  # type: ignore[call-arg]
    short(3)  # type: ignore[arg-type]
    short.map([3])  # type: ignore[list-item]
    repeated.map_zip(["a"], ["b"])  # type: ignore[list-item]
    join(words)  # type: ignore[arg-type]
    shout(words("a"))  # type: ignore[arg-type]
    shout.with_options(for_each=["a"])  # type: ignore[call-arg]
    shout.with_options(repeat={"rounds": 3})  # type: ignore[arg-type]
    whole.options(budget={"dollars": 3})  # type: ignore[typeddict-unknown-key]
    short.run(3)  # type: ignore[arg-type]
    short.run()  # type: ignore[call-arg]
    short.options(journal=True)  # type: ignore[call-arg]
    _number: int = short.run("a")  # type: ignore[assignment]
