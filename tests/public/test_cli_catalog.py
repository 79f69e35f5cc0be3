"""`murakkab catalog`: every part as a table and as JSON, with where each figure is from."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.shells import Shell, shell

__all__ = ["shell"]

PARTS = ("pools", "devices", "models", "points", "prices")


@pytest.fixture(autouse=True)
def nothing_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MURAKKAB_SITE", "OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY", "GOOGLE_API_KEY"):
        monkeypatch.delenv(name, raising=False)


def figures(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        if {"value", "low", "high"} <= set(value):
            yield value
        for one in value.values():
            yield from figures(one)
    elif isinstance(value, list):
        for one in value:
            yield from figures(one)


def test_all_of_it_at_once(shell: Shell) -> None:
    done = shell("catalog")
    assert done.status == 0
    for word in (*PARTS, "llama-3.1-8b", "mi300x", "gpt-4o-mini", "ML.ENERGY", "assumed: ", "murakkab catalog points"):
        assert word in done.out


@pytest.mark.parametrize("part", PARTS)
def test_one_part_alone(shell: Shell, part: str) -> None:
    assert shell("catalog", part).status == 0
    answer = shell.json("catalog", part)
    assert set(answer) == {"file", "remarks", part, *(["site"] if part == "pools" else [])}
    assert answer[part]


def test_as_json_every_figure_says_where_it_is_from(shell: Shell) -> None:
    answer = shell.json("catalog")
    assert set(answer) == {"file", "remarks", "site", *PARTS}
    found = list(figures(answer))
    assert len(found) > 300
    assert all(one["source"] and one["where"] for one in found)
    assert all(one["of"]["where"] for part in PARTS if part != "pools" for one in answer[part])


def test_points_of_one_model_on_one_device_under_a_load(shell: Shell) -> None:
    one, two = (shell.json("catalog", "points", "--model", "Qwen/Qwen3-8B", "--device", "H100", "--load", n)["points"] for n in ("8", "64"))
    assert [(point["model"], point["device"], point["load"]) for point in one] == [("qwen3-8b", "h100", 8)]
    assert one[0]["seconds"]["p50"] < two[0]["seconds"]["p50"]
    assert one[0]["of"]["source"] == "published"
    assert "modelled" in shell("catalog", "points", "--model", "qwen3-8b", "--device", "a100-80").out


def test_a_site_is_shown_and_a_key_is_not(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    (shell.folder / "murakkab.yaml").write_text("site: {carbon: 50}\npools: {mine: {kind: cpu, count: 3}}\ndiscover: {gpus: false}\n")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-nobody-sees-me")
    done = shell("catalog", "pools")
    assert "mine" in done.out
    assert "carbon 50 g/kWh; providers with a key: openai" in done.out
    whole = shell("catalog", "--json").out
    assert "sk-nobody" not in whole + shell("catalog").out
    assert {one["provider"] for one in json.loads(whole)["prices"] if one["key"]} == {"openai"}


@pytest.mark.parametrize(
    ("words", "status", "says"),
    [
        (["devcies"], 2, "did you mean 'devices'"),
        (["models", "--model", "llama-3.1-8"], 4, "did you mean 'llama-3.1-8b'"),
        (["devices", "--device", "h1000"], 4, "did you mean 'h100'"),
        (["--site", "nowhere.yaml"], 4, "nowhere.yaml"),
        (["--site", "wrong-site.yaml"], 2, "wrong-site.yaml:1:13: out-of-range"),
    ],
)
def test_mistakes_are_told_with_what_to_do(shell: Shell, words: list[str], status: int, says: str) -> None:
    (shell.folder / "wrong-site.yaml").write_text("site: {pue: 0}")
    done = shell("catalog", *words)
    assert (done.status, done.out) == (status, "")
    assert says in done.err


def test_mistakes_of_a_site_are_data_too(shell: Shell) -> None:
    (shell.folder / "wrong-site.yaml").write_text("site: {pue: 0}")
    answer = shell.json("catalog", "--site", "wrong-site.yaml", status=2)
    assert (answer["code"], answer["message"]) == ("invalid-installation", "1 mistake in the installation file")
    assert answer["diagnostics"][0]["line"] == 1


@pytest.mark.parametrize("load", ["inf", "1e999"])
def test_a_load_is_finite(shell: Shell, load: str) -> None:
    done = shell("catalog", "points", "--model", "llama-3.1-8b", "--device", "h100", "--load", load)

    assert done.status == 2
    assert "--load: inf is not a finite number" in done.err


def test_of_many_models_of_a_pool_the_table_names_some_and_json_all(shell: Shell) -> None:
    names = [f"m{i}" for i in range(100)]
    site = {"models": {name: {"like": "llama-3.1-8b"} for name in names}, "pools": {"big": {"kind": "h100", "models": names}}}
    (shell.folder / "murakkab.yaml").write_text(json.dumps({**site, "discover": {"gpus": False}}))

    shown = shell("catalog", "pools").out

    assert "and 92 more" in " ".join(shown.split())
    assert "m99" not in shown
    assert [one["models"] for one in shell.json("catalog", "pools")["pools"] if one["name"] == "big"] == [names]
