"""policy: what one measure of a job costs in another - whole choices of which none is better in every measure, each run on virtual time.

The points are those of `pareto` on the selection; a run on virtual time sees how the tasks fall into the pools, which the selection does
not, so that what another point beats in that run is left out.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from murakkab.catalog import Catalog
from murakkab.errors import PlanError
from murakkab.optimizer.candidates import Candidates, candidates_of, knows, scene_of
from murakkab.optimizer.choose import choose
from murakkab.optimizer.configurations import Configuration
from murakkab.optimizer.estimate import Forecast, Scene, forecast
from murakkab.optimizer.limits import FLOORS
from murakkab.optimizer.options import known_measures, label_of, problem_of
from murakkab.optimizer.pareto import STEP, Search, frontier_of
from murakkab.optimizer.problem import Solution
from murakkab.optimizer.reasons import broken_limits, measure_of
from murakkab.optimizer.situation import Situation
from murakkab.plan import Choice, Deployment, Estimate, TaskGraph
from murakkab.spec import Goal

_Picks = Mapping[str, Configuration]


@dataclass(frozen=True, slots=True)
class Point:
    """One way to do the whole job, and what it is expected to take: the `values` of the measures, in their order."""

    values: tuple[float, ...]
    made: Forecast
    is_chosen: bool = False
    #: How the knobs are set that change the graph, where there are any.
    settings: Mapping[str, int | str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Trade:
    """Points of which none beats another in every one of `measures`, the best in the first measure first.

    `chosen`: the choice of the goal itself; it `is_chosen` among the points, or, where others beat it, it is `aside`; neither where what a
    measure of it is nobody knows. `is_complete`: the selection has no other points. `unknown`: by measure, the steps of which it is not
    known. `beaten` and `beyond`: how many points went because another beats them, or a limit is passed, in the run on virtual time.
    """

    measures: tuple[str, ...]
    points: tuple[Point, ...]
    chosen: Deployment
    aside: Point | None = None
    is_complete: bool = True
    unknown: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    beaten: int = 0
    beyond: int = 0


def trade_of(graph: TaskGraph, catalog: Catalog, goal: Goal, at: Situation, *, measures: Sequence[str], points: int) -> Trade:
    """Return the frontier of two or three *measures* of a job under the limits of *goal*, with at most so many *points* of the selection.

    Limits that the choice of the goal itself is not expected to keep (by figures that are assumed) do not count. Raises `PlanError` where
    no choice keeps the limits, and where a measure is known of no step or, for energy, not of all.
    """
    chosen = choose(graph, catalog, goal, at)
    kept = _kept(goal.limits, chosen.estimate)
    # A frontier shows how much quality it costs to leave work undone: that is as good as a limit which says so.
    floor = {"quality": 0.0} if "quality" in measures else {}
    open_ = candidates_of(graph, catalog, replace(goal, minimize=tuple(measures), limits={**floor, **kept}), at)
    unknown = unknown_of(open_, measures)
    scene = scene_of(graph, at, goal)
    aim = replace(goal, minimize=tuple(measures), limits=kept)
    found, every = forecasts_of(scene, open_, aim, Search(points=points, time_limit=at.time_limit))
    within = [made for made in every if not broken_limits(made.estimate, kept)]
    made = [Point(values, one) for one in within if (values := _values(one.estimate, measures)) is not None]
    ways = _ways_of(chosen.choices.values(), open_)
    mine = None if ways is None else forecast(scene, ways)
    values = None if mine is None else _values(mine.estimate, measures)
    own = None if mine is None or values is None else Point(values, mine, is_chosen=True)
    best = undominated([*([] if own is None else [own]), *made], measures)
    beaten = len(made) - sum(1 for point in best if not point.is_chosen) - sum(1 for point in made if own and _is_same(point, own))
    aside = None if own is None or own in best else own
    return Trade(tuple(measures), tuple(best), chosen, aside, found, unknown, max(0, beaten), len(every) - len(within))


def forecasts_of(scene: Scene, open_: Candidates, goal: Goal, search: Search) -> tuple[bool, list[Forecast]]:
    """Return the runs on virtual time of the frontier of what *goal* minimises, under its limits, and whether it is complete."""
    problem = problem_of(scene, open_.apt, goal)
    found = frontier_of(problem, goal.minimize, search)
    return found.is_complete, [forecast(scene, _picked(open_, one)) for one in found.points]


def undominated(points: Iterable[Point], measures: Sequence[str]) -> list[Point]:
    """Return the points that no other beats or equals in every measure (of equals the first stays), the best in the first measure first."""
    signs = [-1.0 if measure in FLOORS else 1.0 for measure in measures]
    kept: list[Point] = []
    for point in points:
        if any(_is_at_least(one.values, point.values, signs) for one in kept):
            continue
        kept = [one for one in kept if not _is_at_least(point.values, one.values, signs)]
        kept.append(point)
    return sorted(kept, key=lambda point: [sign * value for sign, value in zip(signs, point.values, strict=True)])


def _is_at_least(one: Sequence[float], other: Sequence[float], signs: Sequence[float]) -> bool:
    """Return whether *one* is in no measure worse than *other*, but for less than what tells points apart."""
    return all(sign * (a - b) <= STEP / 2 * abs(b) for a, b, sign in zip(one, other, signs, strict=True))


def _is_same(one: Point, other: Point) -> bool:
    return all(abs(a - b) <= STEP / 2 * abs(b) for a, b in zip(one.values, other.values, strict=True))


def _kept(limits: Mapping[str, float], estimate: Estimate | None) -> dict[str, float]:
    """Return the limits of which it is known that the choice of the goal keeps them."""
    if estimate is None:
        return {}
    known = {name: limit for name, limit in limits.items() if measure_of(estimate, name) is not None}
    return {name: limit for name, limit in known.items() if not broken_limits(estimate, {name: limit})}


def unknown_of(open_: Candidates, measures: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Return, by measure, the steps of which nobody knows it. Raises `PlanError` where nothing can be said of the job."""
    known = known_measures(open_.apt)
    found: dict[str, tuple[str, ...]] = {}
    for measure in measures:
        steps = tuple(path for path, ways in open_.apt.items() if not any(knows(open_.nodes[path], one, measure) for one in ways))
        if measure not in known or (measure == "energy" and steps):
            named = f"{', '.join(steps[:3])}{' ...' if len(steps) > 3 else ''}"
            hint = "`murakkab profile` measures what is not known"
            raise PlanError(f"there is no frontier of {measure}: nothing is known of it for {named}", hint=hint)
        if steps:
            found[measure] = steps
    return found


def _picked(open_: Candidates, answer: Solution) -> _Picks:
    return {path: next(one for one in ways if label_of(one) == answer.picks[path]) for path, ways in open_.apt.items()}


def _ways_of(choices: Iterable[Choice], open_: Candidates) -> _Picks | None:
    """Return *choices* as ways among those there are; None where one is not among them."""
    found: dict[str, Configuration] = {}
    for choice in choices:
        key = choice.executor.name, dict(choice.knobs), choice.pool, choice.devices
        way = next((one for one in open_.ways[choice.step] if (one.card.name, dict(one.knobs), one.pool, one.devices) == key), None)
        if way is None:
            return None
        found[choice.step] = way
    return {path: found[path] for path in open_.ways}


def _values(estimate: Estimate, measures: Sequence[str]) -> tuple[float, ...] | None:
    values = [measure_of(estimate, measure) for measure in measures]
    known = tuple(value for value in values if value is not None)
    return known if len(known) == len(values) else None
