"""policy: what one measure of a job costs in another, over all the graphs that its workflow can become."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from murakkab.optimizer.trades import Point, Trade, undominated
from murakkab.plan import Deployment
from murakkab.planner.graph_knobs import GraphKnob, Settings
from murakkab.spec import Goal
from murakkab.varying import varied


def varied_trade(knobs: Sequence[GraphKnob], own: Sequence[GraphKnob], goal: Goal, trade: Callable[[Settings], Trade]) -> Trade:
    """Return the frontier of the points of all graphs; *trade* gives that of one. Raises `PlanError` where no graph has any.

    *own*: the knobs as the choice of the goal may turn them.
    """
    if not any(len(knob.choices) > 1 for knob in knobs):
        return trade({})
    usual = {knob.name: knob.choices[0] for knob in knobs if len(knob.choices) > 1}
    known: dict[tuple[tuple[str, int], ...], tuple[Deployment, Trade]] = {}

    def of_graph(settings: Settings) -> tuple[Deployment, Trade]:
        settings = {**usual, **settings}
        key = tuple(settings.items())
        if key not in known:
            made = _set(trade(settings), settings)
            known[key] = made.chosen, made
        return known[key]

    found = varied(own, goal, of_graph)
    every = found.tried if tuple(own) == tuple(knobs) else varied(knobs, goal, of_graph).tried
    best = found.made
    mine = next((point for point in (*best.points, best.aside) if point is not None and point.is_chosen), None)
    each = [one.made for one in every if one.made is not None]
    points = [mine, *(_other(point, mine) for one in each for point in (*one.points, one.aside) if point is not None and point is not mine)]
    left = undominated([point for point in points if point is not None], best.measures)
    unknown = {measure: steps for one in each for measure, steps in one.unknown.items()}
    lost = len([point for point in points if point is not None]) - len(left) - (mine is not None and mine not in left)
    return replace(
        best,
        points=tuple(left),
        chosen=found.deployment,
        aside=None if mine is None or mine in left else mine,
        is_complete=all(one.is_complete for one in each),
        unknown=unknown,
        beaten=lost + sum(one.beaten for one in each),
        beyond=sum(one.beyond for one in each),
    )


def _set(made: Trade, settings: Settings) -> Trade:
    points = tuple(replace(point, settings=settings) for point in made.points)
    return replace(made, points=points, aside=made.aside and replace(made.aside, settings=settings))


def _other(point: Point, own: Point | None) -> Point:
    """Return a point as one that the goal did not choose: each graph has a choice of its own."""
    return replace(point, is_chosen=False) if point is not own else point
