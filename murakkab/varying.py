"""policy: the best of the graphs that a workflow can become - one for each setting of the knobs that change it, each chosen for by itself.

Whatever the optimizer knows of a graph counts: its tasks, how many run side by side, what they cost. With up to `MOST` graphs all are
looked at. Of more, one knob after another is turned to its best until no turn helps: such an answer is not proven best.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from math import inf
from typing import Final, Generic, TypeVar

from murakkab.errors import PlanError
from murakkab.optimizer.reasons import broken_limits, exact_amount, excess, said, values_of, worse
from murakkab.plan import Deployment, GraphChoice
from murakkab.planner.graph_knobs import GraphKnob, Settings, in_force, in_place, variants
from murakkab.spec import Goal

T = TypeVar("T")

#: So many graphs are all looked at.
MOST: Final = 64
#: Values nearer to one another than this part are equal: the earlier stays.
_HAIR: Final = 1e-9


@dataclass(frozen=True, slots=True)
class Tried(Generic[T]):
    """One graph: the settings that make it, and what was `made` for it with which choices, or why nothing could be."""

    settings: Settings
    made: T | None = None
    deployment: Deployment | None = None
    error: PlanError | None = None


@dataclass(frozen=True, slots=True)
class Varied(Generic[T]):
    """What was made for the best of all graphs that were looked at (`tried`), and its choices, which say how it was set."""

    made: T
    deployment: Deployment
    tried: tuple[Tried[T], ...]


def varied(knobs: Sequence[GraphKnob], goal: Goal, decide: Callable[[Settings], tuple[Deployment, T]]) -> Varied[T]:
    """Return the best graph by *goal*, of those for which *decide* finds choices. Raises `PlanError` where there is none."""

    def attempt(settings: Settings) -> Tried[T]:
        try:
            deployment, made = decide(settings)
        except PlanError as error:
            return Tried(settings, error=error)
        return Tried(settings, made, deployment)

    every = list(islice(variants(tuple(knobs)), MOST + 1))
    is_complete = len(every) <= MOST
    tried = [attempt(one) for one in every] if is_complete else _turned(knobs, goal, attempt)
    best = _best(tried, goal)
    if best.deployment is None or best.made is None:
        raise _refusal(tried, goal)
    there = in_place(tuple(knobs), best.settings)
    values = {knob.name: best.settings.get(knob.name, knob.choices[0]) for knob in knobs}
    choices = tuple(GraphChoice(knob.name, values[knob.name], knob.choices, *_next(knob, best, tried, goal)) for knob in there)
    status = best.deployment.status if is_complete else "heuristic"
    return Varied(best.made, replace(best.deployment, graph=choices, status=status), tuple(tried))


def _turned(knobs: Sequence[GraphKnob], goal: Goal, attempt: Callable[[Settings], Tried[T]]) -> list[Tried[T]]:
    """Return the graphs that turning one knob at a time leads through, from the usual one and from that of the largest numbers."""
    found: dict[tuple[tuple[str, object], ...], Tried[T]] = {}

    def look(settings: Settings) -> Tried[T]:
        key = tuple(in_force(tuple(knobs), settings).items())
        if key not in found:
            found[key] = attempt(settings)
        return found[key]

    open_ = [knob for knob in knobs if len(knob.choices) > 1]
    for start in ({knob.name: knob.choices[0] for knob in open_}, {knob.name: max(knob.choices) for knob in open_}):
        now, last = look(start), None
        while now is not last:
            last = now
            for knob in open_:
                now = _best([now, *(look({**now.settings, knob.name: value}) for value in knob.choices)], goal)
    return list(found.values())


def _best(tried: Sequence[Tried[T]], goal: Goal) -> Tried[T]:
    """Return the best: first those that keep all limits, then by what is minimised; of equals the first."""
    left = [(one, _values(one, goal)) for one in tried]
    for at in range(len(left[0][1])):
        least = min(values[at] for _, values in left)
        left = [(one, values) for one, values in left if values[at] <= least + _HAIR * max(1.0, abs(least)) or values[at] == least]
    return left[0][0]


def _values(one: Tried[T], goal: Goal) -> tuple[float, ...]:
    made = one.deployment
    if made is None:
        return (inf,) * (1 + len(goal.minimize))
    if made.estimate is None:
        return (0.0,) * (1 + len(goal.minimize))
    return (excess(made.estimate, goal) if made.beyond else 0.0, *values_of(made.estimate, goal.minimize))


def _refusal(tried: Sequence[Tried[T]], goal: Goal) -> PlanError:
    """Return the error of the graph that comes nearest to a limit, with the nearest value of each limit that any graph has."""
    errors = [(one.settings, one.error) for one in tried if one.error is not None]
    near = [(settings, error) for settings, error in errors if error.nearest]
    if not near:
        return errors[0][1]
    settings, error = min(near, key=lambda one: min(_part(name, value, goal) for name, value in one[1].nearest.items()))
    nearest = {
        name: min(((one.nearest[name], at) for at, one in near if name in one.nearest), key=lambda found: _part(name, found[0], goal))
        for name in error.nearest
    }
    if all(value == error.nearest[name] for name, (value, _) in nearest.items()):
        with_ = f" (with {_set_to(settings)})" if settings else ""
        return PlanError(error.message, hint=f"{error.hint}{with_}", nearest=error.nearest)
    words = (f"{said(name)} could be {exact_amount(name, value)} with {_set_to(at)}" for name, (value, at) in nearest.items())
    return PlanError(error.message, hint=", or ".join(words), nearest={name: value for name, (value, _) in nearest.items()})


def _part(name: str, value: float, goal: Goal) -> float:
    """Return how far a value is from the limit *name*, as a part of it."""
    limit = goal.limits.get(name, 0.0)
    return abs(value - limit) / max(abs(limit), _HAIR)


def _set_to(settings: Settings) -> str:
    return ", ".join(f"{name}={value}" for name, value in settings.items())


def _next(knob: GraphKnob, best: Tried[T], tried: Sequence[Tried[T]], goal: Goal) -> tuple[int | None, str]:
    """Return the next best value of a knob and what it would have meant."""
    if knob.name not in best.settings:
        return None, ""
    others = [one for one in tried if one.settings[knob.name] != best.settings[knob.name]]
    if not others:
        return None, ""
    other = _best(others, goal)
    value = other.settings[knob.name]
    if other.error is not None:
        return value, other.error.message
    mine = best.deployment.estimate if best.deployment is not None else None
    its = other.deployment.estimate if other.deployment is not None else None
    if mine is None or its is None:
        return value, ""
    if excess(its, goal) > excess(mine, goal):
        return value, broken_limits(its, goal.limits)[0]
    qualities = [f"{one.quality.value:.3g}" if one.quality is not None else "" for one in (its, mine)]
    changed = f", and quality {qualities[0]} instead of {qualities[1]}" if all(qualities) and qualities[0] != qualities[1] else ""
    return value, f"{worse(mine, its, goal, equal='named later')}{changed}"
