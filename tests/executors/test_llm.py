"""Steps done by a language model, at an endpoint of this process: what it is asked, what is billed, and how it fails."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from murakkab import app
from murakkab.errors import ExecutorError
from murakkab.ports import Report
from murakkab.steps import CURRENT, CurrentAttempt
from murakkab_executors.capabilities import Answer, Chunk, Passage
from murakkab_executors.llm import endpoint_embeddings, endpoint_of, llm_answer, llm_summary
from tests.endpoints import Asked, Reply, said, served

KEY = "sk-very-secret"
FOUND = [Passage("a.md", "The mill is red.", 2.0), Passage("b.md", "The inn is old.", 1.0)]


class Endpoint:
    """Replies in order with what it is told to, and keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.replies: list[Reply] = []

    def say(self, text: str) -> None:
        self.replies.append(said(text))


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[Endpoint]:
    made = Endpoint()

    def reply(one: Asked) -> Reply:
        made.asked.append(one)
        return made.replies.pop(0)

    with served(reply) as port:
        monkeypatch.setenv("MURAKKAB_LLM_URL", f"http://127.0.0.1:{port}/v1/")
        monkeypatch.setenv("MURAKKAB_LLM_MODEL", "small")
        monkeypatch.setenv("MURAKKAB_EMBEDDING_MODEL", "vectors")
        monkeypatch.setenv("MURAKKAB_LLM_KEY", KEY)
        yield made


async def test_an_answer_is_asked_for_with_its_passages_and_billed(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MURAKKAB_LLM_PRICE", "1,10")
    report = Report()
    CURRENT.set(CurrentAttempt(report))
    endpoint.say(" red ")

    assert await llm_answer("What colour is the mill?", FOUND) == Answer("What colour is the mill?", "red", ["a.md", "b.md"])

    [(path, asked, authorization)] = endpoint.asked
    assert (path, asked["model"], asked["temperature"], authorization) == ("/v1/chat/completions", "small", 0, f"Bearer {KEY}")
    assert "[1] The mill is red.\n\n[2] The inn is old.\n\nQuestion: What colour" in asked["messages"][0]["content"]
    assert (report.tokens, report.units) == (110, 31)
    assert report.usd == pytest.approx(100 / 1e6 + 10 * 10 / 1e6)


async def test_what_is_not_known_is_no_answer_and_nothing_is_asked_about_nothing(endpoint: Endpoint) -> None:
    endpoint.say("Unknown.")
    assert await llm_answer("Who?", FOUND) == Answer("Who?", "", [])
    assert await llm_answer("Who?", []) == Answer("Who?", "", [])
    assert await llm_summary(" ", 2) == ""
    assert len(endpoint.asked) == 1


async def test_a_summary_in_the_words_of_the_model_that_the_knob_names(endpoint: Endpoint) -> None:
    report = Report()
    CURRENT.set(CurrentAttempt(report))
    endpoint.say("Short.")
    assert await llm_summary("Long {braces} text.", 2, model="large") == "Short."
    assert endpoint.asked[0][1]["model"] == "large"
    assert "in 2 sentences" in endpoint.asked[0][1]["messages"][0]["content"]
    assert report.usd is None  # nobody says what it costs


async def test_chunks_are_ranked_by_their_vectors(endpoint: Endpoint) -> None:
    vectors = [[2.0, 0.0], [0.0, 3.0], [1.0, 1.0]]
    endpoint.replies.append((200, {"data": [{"index": at, "embedding": vectors[at]} for at in (2, 0, 1)]}))

    [found] = await endpoint_embeddings(["q"], [Chunk("a", 0, "x"), Chunk("b", 0, "y")], 2)

    assert endpoint.asked[0][:2] == ("/v1/embeddings", {"model": "vectors", "input": ["q", "x", "y"]})
    assert found.passages == [Passage("b", "y", 0.7071)]


@pytest.mark.parametrize(
    ("status", "reply", "reason", "retryable"),
    [
        (429, b"slow down", "http-429", True),
        (503, b"", "http-503", True),
        (401, f"the key {KEY} is wrong".encode(), "http-401", False),
        (200, b"<html>", "bad-answer", True),
        (200, {"choices": []}, "bad-answer", True),
    ],
)
async def test_a_failure_says_whether_it_may_pass_and_never_the_key(
    status: int, reply: Any, reason: str, retryable: bool, endpoint: Endpoint
) -> None:
    endpoint.replies.append((status, reply))
    with pytest.raises(ExecutorError) as caught:
        await llm_summary("Text.", 1)
    assert (caught.value.reason, caught.value.retryable) == (reason, retryable)
    assert KEY not in str(caught.value)


def test_an_endpoint_that_is_not_or_badly_configured_is_told_of() -> None:
    good = {"MURAKKAB_LLM_URL": "http://x/v1", "MURAKKAB_LLM_MODEL": "m", "MURAKKAB_LLM_KEY": KEY}
    assert KEY not in repr(endpoint_of(good))
    for wrong, complaint in (
        ({"MURAKKAB_LLM_URL": ""}, "MURAKKAB_LLM_URL is not set"),
        ({"MURAKKAB_LLM_MODEL": ""}, "MURAKKAB_LLM_MODEL is not set"),
        ({"MURAKKAB_LLM_URL": "ftp://x"}, "only http:// and https:// addresses are"),
        ({"MURAKKAB_LLM_PRICE": "cheap"}, "MURAKKAB_LLM_PRICE is no price"),
    ):
        with pytest.raises(ExecutorError, match=complaint):
            endpoint_of({**good, **wrong})


async def test_without_an_endpoint_it_is_not_chosen_and_with_one_it_can_be(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def chosen() -> str:
        return app.load_file(root / "workflows/document_qa.yaml").deployment.choices["answers"].executor.name

    for name in ("MURAKKAB_LLM_URL", "MURAKKAB_LLM_MODEL"):
        monkeypatch.delenv(name, raising=False)
    assert (chosen(), app.catalog().lacking["llm-answer"]) == ("span-answer", "MURAKKAB_LLM_URL")
    pinned = app.load_text("workflow: w\nsteps: {s: {uses: text-summary, executor: llm-summary, with: {text: x}}}", "w.yaml")
    with pytest.raises(app.MurakkabError, match=r"step 's' needs MURAKKAB_LLM_URL for 'llm-summary'; set it in the environment"):
        await app.run_work(pinned, {}, settings=app.Settings(home=tmp_path))

    monkeypatch.setenv("MURAKKAB_LLM_URL", "http://127.0.0.1:9/v1")
    assert app.catalog().lacking["llm-answer"] == "MURAKKAB_LLM_MODEL"
    monkeypatch.setenv("MURAKKAB_LLM_MODEL", "m")
    assert (chosen(), "llm-answer" in app.catalog().lacking) == ("llm-answer", False)
