"""Engines of an installation: their models are chosen among by the goal, and asked by the names that they themselves use."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.endpoints import Asked, Reply, said, served
from tests.public.test_cli_rechoosing import ASKS
from tests.shells import Shell, shell

__all__ = ["shell"]

SITE = """
endpoints:
  small: {url: "http://127.0.0.1:PORT/small/v1", key: env:SMALL_KEY}
  large: {url: "http://127.0.0.1:PORT/large/v1"}
pools:
  small: {kind: h100, count: 1, endpoint: small}
  large: {kind: h100, count: 4, endpoint: large}
"""
SERVED = {"small": "meta-llama/Llama-3.1-8B-Instruct", "large": "meta-llama/Llama-3.1-70B-Instruct"}


@pytest.fixture
def asked(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[str, str, str]]]:
    """What is asked of two engines: path, model, and key."""
    found: list[tuple[str, str, str]] = []

    def reply(one: Asked) -> Reply:
        if one.content is None:
            return 200, {"data": [{"id": SERVED[one.path.split("/")[1]]}]}
        found.append((one.path, one.content["model"], one.authorization))
        return said("1868", tokens=(90, 3))

    with served(reply) as port:
        Path("murakkab.yaml").write_text(SITE.replace("PORT", str(port)))
        Path("asks.yaml").write_text(ASKS)
        for name in ("MURAKKAB_SITE", "MURAKKAB_LLM_URL", "MURAKKAB_LLM_MODEL"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("SMALL_KEY", "sk-small")
        yield found


def test_the_goal_chooses_the_model_and_the_devices(shell: Shell, asked: list[tuple[str, str, str]]) -> None:
    best = shell.json("plan", "asks.yaml")["steps"][0]
    assert (best["executor"], best["model"], best["pool"]) == ("llm-answer", "llama-3.1-70b", "large")
    limits = ("--limit", "quality=0.79")
    cheap = shell.json("plan", "asks.yaml", "--minimize", "energy", *limits)["steps"][0]
    assert (cheap["model"], cheap["pool"]) == ("llama-3.1-70b", "large")


def test_the_engine_is_asked_as_it_calls_its_model_with_its_own_key(shell: Shell, asked: list[tuple[str, str, str]]) -> None:
    done = shell("run", "asks.yaml", "--minimize", "latency", "--limit", "quality=0.7", "--json")
    assert json.loads(done.out)["outputs"] == {"text": "1868"}
    ((path, model, key),) = asked
    assert (path, model, key) in [
        ("/small/v1/chat/completions", SERVED["small"], "Bearer sk-small"),
        ("/large/v1/chat/completions", SERVED["large"], ""),
    ]
    assert "sk-small" not in done.out + shell("logs", json.loads(done.out)["job"]).out
