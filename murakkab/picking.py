"""policy: what keeps one of several results in a composition, and what the participants of a debate are told. Steps call these by name."""

import json
from collections.abc import Sequence
from typing import Any, TypedDict


class View(TypedDict):
    """What a participant of a debate knows: its seat, the round, what it gave in the round before (null in the first), what others did."""

    seat: int
    round: int
    mine: Any | None
    others: list[Any]


def majority(candidates: list[Any]) -> Any:
    """Return the most frequent of *candidates*; of equally frequent ones the first. Texts are alike but for case and outer blanks.

    Raises `ValueError` where there are none.
    """
    if not candidates:
        raise ValueError("there is nothing to vote on")
    ballots = [json.dumps(_plain(one), sort_keys=True) for one in candidates]
    counts = {ballot: ballots.count(ballot) for ballot in ballots}
    return candidates[max(range(len(ballots)), key=lambda at: (counts[ballots[at]], -at))]


def _plain(value: Any) -> Any:
    return value.strip().casefold() if isinstance(value, str) else value


def highest(candidates: list[Any], scores: list[Any]) -> Any:
    """Return the one of *candidates* that has the highest score; of equals the first.

    Raises `ValueError` where there are none, or there is not one score for each.
    """
    if not candidates or len(candidates) != len(scores):
        raise ValueError(f"{len(candidates)} results cannot be told apart by {len(scores)} scores")
    return candidates[max(range(len(scores)), key=lambda at: (scores[at], -at))]


def views(participants: int, round: int, before: Sequence[Any] | None = None) -> list[View]:
    """Return what each of the *participants* knows in *round*, when they gave *before* in the round before (null: there was none)."""
    given = list(before) if before is not None else []
    return [
        View(seat=seat, round=round, mine=given[seat] if given else None, others=[one for at, one in enumerate(given) if at != seat])
        for seat in range(participants)
    ]
