"""Which executors still lack the libraries of their extra."""

import importlib.metadata

import pytest

from murakkab.catalog import ExecutorCard
from murakkab.cli.extras import missing_extras

LINES = ["pytest>=8", 'no-such-library>=1; extra == "video"', "pytest>=8 ; extra == 'audio'", 'murakkab[video]; extra == "all"']


def card(name: str, extra: str) -> ExecutorCard:
    return ExecutorCard(name, "echo", "Says it.", extra=extra)


def test_only_executors_of_an_incomplete_extra_are_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("murakkab.cli.extras.requires", lambda _: LINES)
    cards = [card("plain", ""), card("seeing", "video"), card("hearing", "audio"), card("strange", "no-such-extra")]
    assert missing_extras(cards) == {"seeing": "video"}


def test_the_extras_of_this_installation_are_known() -> None:
    lines = importlib.metadata.requires("murakkab") or []
    assert {"video", "audio"} <= {line.rpartition("extra == ")[2].strip("'\"") for line in lines if "extra ==" in line}
