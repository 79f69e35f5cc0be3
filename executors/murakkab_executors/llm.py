"""driver: steps done by a language model, at the OpenAI-compatible endpoint that the environment names.

`MURAKKAB_LLM_URL` (such as http://localhost:8000/v1) and `MURAKKAB_LLM_MODEL` say where; `MURAKKAB_LLM_KEY` is sent as a bearer token and
shown nowhere; `MURAKKAB_LLM_PRICE` is what a million tokens cost, in dollars, in and out: "0.15,0.60". `MURAKKAB_EMBEDDING_MODEL` names
the model of `endpoint-embeddings` at the same URL.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, Final

from murakkab.catalog import Limits, Quote
from murakkab.errors import ExecutorError
from murakkab.steps import spend
from murakkab_executors import capabilities
from murakkab_executors.capabilities import Answer, Chunk, Finding, Passage
from murakkab_executors.function import Knob, executor
from murakkab_executors.web import client_of_loop, refusal, shown
from murakkab_executors.words import best_first

_URL: Final = "MURAKKAB_LLM_URL"
_MODEL: Final = "MURAKKAB_LLM_MODEL"
_KEY: Final = "MURAKKAB_LLM_KEY"
_PRICE: Final = "MURAKKAB_LLM_PRICE"
_EMBEDDING: Final = "MURAKKAB_EMBEDDING_MODEL"
#: Texts sent for embedding at a time.
_BATCH: Final = 64
_SHOWN: Final = 300
_AT_A_TIME: Final = Limits(concurrency=16)

ANSWER_PROMPT: Final = """\
Answer the question from the passages alone, in as few words as possible: a name, a number or a short phrase, no sentence.
If they do not answer it, reply with: unknown

{passages}

Question: {question}
Answer:"""
SUMMARY_PROMPT: Final = """\
Summarise the text in {sentences} sentences. Say only what it says. Reply with the summary alone.

{text}"""

Seconds = Annotated[float, Knob("seconds to wait for the whole reply", low=1.0, high=3600.0)]
MaxTokens = Annotated[int, Knob("tokens that a reply may have", low=1, high=32_768)]
Url = Annotated[str, Knob("URL of the endpoint, up to /v1; empty: the one that the environment names")]
Key = Annotated[str, Knob("environment variable with the key of that endpoint; empty: it asks for none")]
Model = Annotated[str, Knob("which model of the endpoint; empty: the one that the environment names")]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where models are. `usd`: what a token costs, in and out; None where nobody says."""

    url: str
    model: str
    key: str = ""
    usd: tuple[float, float] | None = None

    def __repr__(self) -> str:
        """Return it without the key."""
        return f"Endpoint({shown(self.url)!r}, {self.model!r})"


def endpoint_of(environ: Mapping[str, str], *, model_of: str = _MODEL) -> Endpoint:
    """Return the endpoint that *environ* names. Raises `ExecutorError` with the variable that is missing or wrong."""
    for name in (_URL, model_of):
        if not environ.get(name):
            raise _wrong(f"no endpoint is configured: {name} is not set", hint=f"set {name} in the environment")
    url = environ[_URL].rstrip("/")
    if reason := refusal(url):
        raise _wrong(f"{_URL} cannot be used: {reason}", hint="give a URL such as http://localhost:8000/v1")
    return Endpoint(url, environ[model_of], environ.get(_KEY, ""), _price(environ.get(_PRICE, "")))


def _price(text: str) -> tuple[float, float] | None:
    if not text:
        return None
    try:
        tokens_in, tokens_out = (float(part) / 1e6 for part in text.split(","))
    except ValueError:
        raise _wrong(f"{_PRICE} is no price", hint='give dollars per million tokens, in and out: "0.15,0.60"') from None
    return tokens_in, tokens_out


@executor(
    capabilities.answering,
    name="llm-answer",
    effect="read",
    device="remote",
    cores=0.0,
    limits=_AT_A_TIME,
    settings=(_URL, _MODEL),
    quote=Quote(seconds=2.0, quality=0.8, tokens=800, tokens_out=16),
)
async def llm_answer(  # noqa: PLR0913 - the inputs of the capability, and knobs
    question: str,
    passages: list[Passage],
    *,
    model: Model = "",
    url: Url = "",
    key: Key = "",
    seconds: Seconds = 60.0,
    max_tokens: MaxTokens = 64,
) -> Answer:
    """Answer by a language model that is shown the passages. Its quote is assumed: it depends on the model."""
    spend(units=sum(len(passage.text) for passage in passages))
    if not passages:
        return Answer(question, "", [])
    told = "\n\n".join(f"[{number}] {passage.text}" for number, passage in enumerate(passages, start=1))
    text = await chat(ANSWER_PROMPT.format(passages=told, question=question), _at(url, key, model), seconds=seconds, max_tokens=max_tokens)
    is_known = text.strip(" .").lower() != "unknown"
    return Answer(question, text if is_known else "", list(dict.fromkeys(one.document for one in passages)) if is_known else [])


@executor(
    capabilities.text_summary,
    name="llm-summary",
    effect="read",
    device="remote",
    cores=0.0,
    limits=_AT_A_TIME,
    settings=(_URL, _MODEL),
    quote=Quote(seconds=5.0, quality=0.55, tokens=1500, tokens_out=150),
)
async def llm_summary(  # noqa: PLR0913 - the inputs of the capability, and knobs
    text: str,
    sentences: int,
    *,
    model: Model = "",
    url: Url = "",
    key: Key = "",
    seconds: Seconds = 120.0,
    max_tokens: MaxTokens = 512,
) -> str:
    """Sum a text up in the words of a language model. Its quote is assumed: it depends on the model."""
    if sentences < 1:
        raise _wrong(f"sentences is {sentences}, and must be at least 1")
    spend(units=len(text))
    if not text.strip():
        return ""
    return await chat(SUMMARY_PROMPT.format(sentences=sentences, text=text), _at(url, key, model), seconds=seconds, max_tokens=max_tokens)


@executor(
    capabilities.retrieval,
    name="endpoint-embeddings",
    effect="read",
    device="remote",
    cores=0.0,
    limits=_AT_A_TIME,
    settings=(_URL, _EMBEDDING),
    quote=Quote(seconds=2.0, quality=0.95, tokens=5000),
)
async def endpoint_embeddings(
    questions: list[str], chunks: list[Chunk], count: int, *, model: Model = "", seconds: Seconds = 60.0
) -> list[Finding]:
    """Rank by the cosine between the embeddings of question and chunk. Its quote is assumed: it depends on the model."""
    if count < 1:
        raise _wrong(f"count is {count}, and must be at least 1")
    spend(units=sum(len(chunk.text) for chunk in chunks))
    vectors = await _embedded([*questions, *(chunk.text for chunk in chunks)], model, seconds) if chunks else []
    asked, held = vectors[: len(questions)], vectors[len(questions) :]
    found = []
    for question, vector in zip(questions, asked or [[]] * len(questions), strict=True):
        scores = [sum(a * b for a, b in zip(vector, other, strict=True)) for other in held]
        best = best_first(scores, count)
        found.append(Finding(question, [Passage(chunks[at].document, chunks[at].text, round(scores[at], 4)) for at in best]))
    return found


# ----------------------------------------------------------------------------------------------------------------- requests


def _at(url: str, key: str, model: str) -> Endpoint:
    """Return the endpoint that knobs name, or else the environment. Raises `ExecutorError`."""
    if not url:
        found = endpoint_of(os.environ)
        return replace(found, model=model or found.model)
    if reason := refusal(url):
        raise _wrong(f"the knob url cannot be used: {reason}", hint="give a URL such as http://localhost:8000/v1")
    if not model:
        raise _wrong("the knob url asks for the knob model: which of the models there are at the endpoint")
    if key and key not in os.environ:
        raise _wrong(f"the key of {shown(url)} is not there", hint=f"set {key} in the environment")
    return Endpoint(url.rstrip("/"), model, os.environ.get(key, "") if key else "")


async def chat(prompt: str, endpoint: Endpoint, *, seconds: float, max_tokens: int) -> str:
    """Return the reply to one message of a user, at temperature 0; its tokens go on the bill, and its dollars where the price is known.

    Raises `ExecutorError`: one that a retry can help where the endpoint is busy, fails or cannot be reached.
    """
    asked = {
        "model": endpoint.model,
        "messages": [{"role": "user", "content": prompt}],
        "temperature": 0,
        "max_tokens": max_tokens,
    }
    reply = await _posted(endpoint, "chat/completions", asked, seconds)
    try:
        content = reply["choices"][0]["message"]["content"]
    except (KeyError, IndexError, TypeError):
        content = None
    if not isinstance(content, str):
        raise ExecutorError(f"{shown(endpoint.url)} replied without a text", reason="bad-answer")
    return content.strip()


async def _embedded(texts: Sequence[str], model: str, seconds: float) -> list[list[float]]:
    """Return a vector of length one for each text."""
    endpoint = endpoint_of(os.environ, model_of=_EMBEDDING)
    vectors: list[list[float]] = []
    for start in range(0, len(texts), _BATCH):
        batch = texts[start : start + _BATCH]
        reply = await _posted(endpoint, "embeddings", {"model": model or endpoint.model, "input": batch}, seconds)
        try:
            made = [_unit(one["embedding"]) for one in sorted(reply["data"], key=lambda one: one["index"])]
        except (KeyError, TypeError):
            made = []
        if len(made) != len(batch):
            raise ExecutorError(f"{shown(endpoint.url)} replied without a vector for each text", reason="bad-answer")
        vectors += made
    return vectors


def _unit(vector: Sequence[float]) -> list[float]:
    length = sum(value * value for value in vector) ** 0.5
    return [value / length for value in vector] if length else list(vector)


async def _posted(endpoint: Endpoint, path: str, content: Mapping[str, Any], seconds: float) -> Any:
    client = await client_of_loop()
    import httpx

    where = shown(endpoint.url)
    headers = {"authorization": f"Bearer {endpoint.key}"} if endpoint.key else {}
    try:
        response = await client.post(f"{endpoint.url}/{path}", json=content, headers=headers, timeout=seconds)
    except httpx.TransportError as error:
        raise ExecutorError(f"{where} cannot be reached: {str(error) or type(error).__name__}", reason="unreachable") from error
    if response.status_code >= 400:
        raise _failed(where, response.status_code, response.text, endpoint.key)
    try:
        reply = response.json()
    except ValueError as error:
        raise ExecutorError(f"{where} replied with something else than JSON", reason="bad-answer") from error
    _bill(reply, endpoint)
    return reply


def _failed(where: str, status: int, text: str, key: str) -> ExecutorError:
    is_passing = status >= 500 or status in (408, 425, 429)
    told = text[:_SHOWN].strip()
    if key:
        told = told.replace(key, "***")
    hint = "it may pass: set retry" if is_passing else f"see whether {_URL}, {_MODEL} and {_KEY} are right"
    return ExecutorError(f"{where} answers {status}{': ' if told else ''}{told}", hint=hint, reason=f"http-{status}", retryable=is_passing)


def _bill(reply: Any, endpoint: Endpoint) -> None:
    usage = reply.get("usage") if isinstance(reply, dict) else None
    if not isinstance(usage, dict):
        return
    tokens_in, tokens_out = (_count(usage.get(name)) for name in ("prompt_tokens", "completion_tokens"))
    spend(tokens=tokens_in + tokens_out)
    if endpoint.usd is not None:
        spend(usd=tokens_in * endpoint.usd[0] + tokens_out * endpoint.usd[1])


def _count(said: Any) -> int:
    return said if isinstance(said, int) and said > 0 else 0


def _wrong(message: str, *, hint: str = "") -> ExecutorError:
    return ExecutorError(message, hint=hint, reason="bad-input", retryable=False)


EXECUTORS: Final = (llm_answer, llm_summary, endpoint_embeddings)
