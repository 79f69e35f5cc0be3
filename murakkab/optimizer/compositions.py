"""policy: how good the results are that a composition keeps, by how good each of them is - a model, unless somebody has measured it.

Attempts are taken to be right or wrong independently of each other, with the quality of the step as the chance of being right.

- By the most frequent (Condorcet 1785): right when most are; all wrong ones are taken to agree, so that it is no more than a lower bound,
  and ties are drawn by lot.
- By a judge of accuracy a: a (1 - (1 - q)^n) + (1 - a) q. In a of all cases one that is right is found where there is one; else any.
- By a debate: in each round one that was wrong is convinced by a right one among the others with the chance `_CONVINCED`, and one that was
  right is led astray by wrong ones with `_MISLED` times their part. What most say at the end counts as one of these, for they have become
  alike; a judge keeps one of them as it does of attempts. All of this is assumed.
- Attempts that cannot differ - work without side effects that is told nothing of which attempt it is, or whose result is kept - are as
  good as one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import comb
from typing import Final

from murakkab.figures import Figure, Provenance, Source, exactly, weakest
from murakkab.optimizer.configurations import Configuration, Taken
from murakkab.plan import Node
from murakkab.profiles import Profile
from murakkab.spec import PICKING, Composed, Effect

#: The accuracy of a judge of whom nothing is known.
ASSUMED_ACCURACY: Final = 0.8
_CONVINCED: Final = 0.3
_MISLED: Final = 0.1

#: What counting or comparing results takes: measured on a server's core, a thread and the journal included.
_OF_PICKING: Final = Provenance(Source.PUBLISHED, "counting results, where this was written")
_PICKING_TAKES: Final = Taken(Figure(1e-3, 2e-4, 5e-3, _OF_PICKING), 5e-3, exactly(0.0, _OF_PICKING), exactly(0.0, _OF_PICKING))

_Ways = Mapping[str, Sequence[Configuration]]


def composed_ways(nodes: Mapping[str, Node], ways: _Ways, profiles: Mapping[str, Sequence[Profile]]) -> _Ways:
    """Return the *ways* of each step with the quality of what is kept of its results. What only helps to keep them has none of its own."""
    if not any(node.composed for node in nodes.values()):
        return ways
    return {path: [_composed(way, nodes[path], ways, profiles) for way in found] for path, found in ways.items()}


def _composed(way: Configuration, node: Node, ways: _Ways, profiles: Mapping[str, Sequence[Profile]]) -> Configuration:
    if node.call.startswith(PICKING):
        return replace(way, taken=_PICKING_TAKES, loads=())
    quality = None if node.only_helps else way.taken.quality
    for one in node.composed if quality is not None else ():
        assert quality is not None
        quality = _measured(way, one, profiles) or (
            quality if _cannot_differ(way, node, one) else _modelled(quality, one, ways.get(one.judge, ()))
        )
    if quality is way.taken.quality:
        return way
    loads = tuple((load, replace(taken, quality=quality)) for load, taken in way.loads)
    return replace(way, taken=replace(way.taken, quality=quality), loads=loads)


def _cannot_differ(way: Configuration, node: Node, one: Composed) -> bool:
    """Return whether all results of a composition are the same: nothing tells them apart, and the same inputs give the same result."""
    return one.alike and (node.cache is not None or Effect.PURE in (node.effect, way.card.effect))


def _measured(way: Configuration, one: Composed, profiles: Mapping[str, Sequence[Profile]]) -> Figure | None:
    """Return the quality of a profile of exactly this composition: its setting has the numbers of it among the knobs."""
    numbers = {"participants": one.among, "rounds": one.rounds} if one.rounds else {"best_of": one.among}
    knobs = {**{knob.name: knob.default for knob in way.card.knobs}, **way.knobs, **numbers}
    for profile in profiles.get(way.card.name, ()):
        if profile.setting.version == way.card.version and dict(profile.setting.knobs) == knobs and profile.quality:
            return next(iter(profile.quality.values()))
    return None


def _modelled(quality: Figure, one: Composed, judges: Sequence[Configuration]) -> Figure:
    accuracy, source = _accuracy(one, judges)
    values = [kept_quality(each, one, accuracy) for each in (quality.value, quality.low, quality.high)]
    # That it makes nothing better is always possible.
    low = min(*values, quality.low)
    sources = (quality.of.source, source, *((Source.ASSUMED,) if one.rounds else ()))
    of = Provenance(weakest(sources), "a model of what is kept of several results")
    return Figure(values[0], low, max(values), of)


def _accuracy(one: Composed, judges: Sequence[Configuration]) -> tuple[float, Source]:
    """Return the accuracy of whoever keeps one, and where that is from: as declared, else that of the worst who may judge."""
    if not one.judge or one.accuracy is not None:
        return one.accuracy or 0.0, Source.MODELLED
    known = [way.taken.quality for way in judges if way.taken.quality is not None]
    worst = min(known, key=lambda figure: figure.value, default=None)
    if worst is None or len(known) < len(judges):
        return ASSUMED_ACCURACY, Source.ASSUMED
    return worst.value, weakest((worst.of.source, Source.MODELLED))


def kept_quality(quality: float, one: Composed, accuracy: float) -> float:
    """Return how good what is kept is, where each result is right with the chance *quality*: between 0 and 1."""
    q = min(1.0, max(0.0, quality))
    if one.rounds:
        q = debated(q, one.among, one.rounds)
    if one.judge:
        return accuracy * (1.0 - (1.0 - q) ** one.among) + (1.0 - accuracy) * q
    return q if one.rounds else by_vote(q, one.among)


def by_vote(quality: float, voters: int) -> float:
    """Return the chance that most of the *voters* are right, each of whom is with the chance *quality*; half of the ties count."""
    chances = [comb(voters, right) * quality**right * (1.0 - quality) ** (voters - right) for right in range(voters + 1)]
    return sum(chance * (1.0 if 2 * right > voters else 0.5 if 2 * right == voters else 0.0) for right, chance in enumerate(chances))


def debated(quality: float, participants: int, rounds: int) -> float:
    """Return the chance that a participant is right after so many *rounds*."""
    for _ in range(rounds):
        convinced = _CONVINCED * (1.0 - (1.0 - quality) ** (participants - 1))
        quality = quality * (1.0 - _MISLED * (1.0 - quality)) + (1.0 - quality) * convinced
    return quality
