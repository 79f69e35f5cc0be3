"""driver: the best choices for a job, by all that is known when it is to run - this installation, what was measured, what it is about."""

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from murakkab import app
from murakkab.optimizer.choose import Decision, decide
from murakkab.optimizer.configurations import Configuration
from murakkab.optimizer.expected import seen_in
from murakkab.optimizer.models import can_choose_models
from murakkab.optimizer.situation import Situation
from murakkab.optimizer.tiers import Amounts, Version, amounts_of
from murakkab.plan import Choice, Deployment, TaskGraph
from murakkab.planner.graph_knobs import Settings, graph_knobs, without_leaving_out
from murakkab.profiles import Profile
from murakkab.profiling.observation import Shape, way_text
from murakkab.rechoosing.again import Again
from murakkab.spec import Goal
from murakkab.tiers import tiers_for, with_numbers
from murakkab.varying import varied

if TYPE_CHECKING:
    from murakkab.optimizer.quick import Prepared
    from murakkab.optimizer.trades import Trade

#: How often the choice is made again with what jobs became that were done in such a way.
_AGAIN: Final = 2


def chosen(
    work: app.Work,
    settings: app.Settings | None = None,
    *,
    inputs: Mapping[str, Any] | None = None,
    goal: Goal | None = None,
    with_others: bool = True,
) -> app.Work:
    """Return *work* with the best choices for a job of it by all that is known: what runs here, profiles, and what the job is about.

    *goal* instead of its own; *inputs* None: for any job; *with_others*: with the next best of each step, which takes a forecast each.
    Blocks for some milliseconds, and for a second where an engine does not answer. Tiers of the goal become numbers, in the workflow too: a
    job is journalled with those that it began with. Raises `PlanError` when no choice keeps the limits of the goal.
    """
    settings = settings or app.Settings()
    aim = work.deployment.goal if goal is None else goal
    profiles, shapes = _known(settings, work.graph.workflow.name)
    at = replace(_situation(settings, inputs, profiles), with_others=with_others)
    decision, uses = with_numbers(work.graph, aim, at, settings, lambda numbers: _varied(work, numbers, at, shapes))
    made, graph = decision.deployment, decision.graph
    if graph.workflow.goal.tiers:
        graph = replace(graph, workflow=replace(graph.workflow, goal=made.goal))
    has_others = any(len(ways) > 1 for ways in decision.ways.values())
    # A job is about to begin: what choosing again needs is made ready here, where nothing waits for it yet.
    prepared = _prepared(decision) if has_others and not with_others else None
    again = partial(Again, decision, prepared) if has_others else None
    return replace(work, graph=graph, deployment=replace(made, tiers=uses), again=again)


def _varied(work: app.Work, goal: Goal, at: Situation, shapes: Sequence[Shape]) -> Decision:
    """Return the decision for the best of the graphs that a workflow can become."""
    knobs = graph_knobs(work.graph.workflow)
    if "quality" not in goal.limits:
        knobs = without_leaving_out(knobs)
    if not knobs:
        return _decided(work.graph, goal, at, shapes)
    alone = replace(at, with_others=False)

    def decide_one(settings: Settings) -> tuple[Deployment, Decision]:
        made = _decided(app.varied_graph(work, settings), goal, alone, shapes)
        return made.deployment, made

    found = varied(knobs, goal, decide_one)
    # The next best of each step are told of the graph that was chosen alone: they take a forecast each.
    made = _decided(found.made.graph, goal, at, shapes) if at.with_others else found.made
    return replace(made, deployment=replace(made.deployment, graph=found.deployment.graph, status=found.deployment.status))


def _decided(graph: TaskGraph, goal: Goal, at: Situation, shapes: Sequence[Shape]) -> Decision:
    """Return the decision for a job that becomes what earlier ones did that were done in such a way."""
    decision = decide(graph, app.catalog(), goal, replace(at, seen=seen_in(graph, shapes)))
    for _ in range(_AGAIN if shapes else 0):
        # How much there is to do depends on who does what comes before.
        before = _ways(decision.deployment)
        decision = decide(graph, app.catalog(), goal, replace(at, seen=seen_in(graph, shapes, before)))
        if _ways(decision.deployment) == before:
            break
    return decision


def _prepared(decision: Decision) -> "Prepared | None":
    if decision.problem is None:
        return None
    from murakkab.optimizer.quick import prepare

    return prepare(decision.problem)


def going_on(work: app.Work, settings: app.Settings | None = None, *, inputs: Mapping[str, Any] | None = None) -> app.Work:
    """Return the *work* of a job that goes on: as it was chosen, and done otherwise only where a way of doing a step fails.

    What the job was expected to take says nothing any more once it has stood still. Blocks like `chosen`.
    """
    settings = settings or app.Settings()
    at = replace(_situation(settings, inputs, _known(settings)[0]), is_hurried=True)
    decision = decide(work.graph, app.catalog(), work.deployment.goal, at)
    ways = {path: _with_own(found, work.deployment.choices[path]) for path, found in decision.ways.items()}
    if all(len(found) == 1 for found in ways.values()):
        return work
    kept = replace(decision, deployment=work.deployment, ways=ways, chosen={path: found[0] for path, found in ways.items()})
    return replace(work, again=partial(Again, kept))


def _with_own(ways: Sequence[Configuration], choice: Choice) -> Sequence[Configuration]:
    """Return the ways to do a step, that which is chosen for it first."""
    same = [way for way in ways if way.card.name == choice.executor.name]
    mine = next((way for way in same if dict(way.knobs) == dict(choice.knobs)), None)
    if mine is None:
        usual = same or ways
        mine = replace(usual[0], card=choice.executor, knobs=choice.knobs, model=choice.model, pool=choice.pool)
    return [mine, *(way for way in ways if way is not mine)]


def is_open(work: app.Work) -> bool:
    """Return whether there is anything to choose or to keep for a job: limits, or a step that can be done in more than one way."""
    goal = work.deployment.goal
    if goal.limits or goal.tiers or any(len(knob.choices) > 1 for knob in graph_knobs(work.graph.workflow)):
        return True
    known = app.catalog()
    # Most steps are alike in this: a thousand functions are one question.
    alike = {(node.uses, node.executor) for node in work.graph.every_node() if node.is_plain}
    cards = ([known.executors[pinned]] if pinned else known.providers(uses) for uses, pinned in alike)
    return any(len(found) > 1 or any(can_choose_models(one) or any(knob.trades for knob in one.knobs) for one in found) for found in cards)


def traded(
    work: app.Work,
    measures: Sequence[str],
    settings: app.Settings | None = None,
    *,
    inputs: Mapping[str, Any] | None = None,
    goal: Goal | None = None,
    points: int = 12,
) -> "Trade":
    """Return what one of two or three *measures* of a job of *work* costs in another, under the limits of its goal or of *goal*.

    Blocks for a second or two. Raises `PlanError` when no choice keeps the limits, or nothing is known of a measure.
    """
    aim = work.deployment.goal if goal is None else goal
    settings = settings or app.Settings()
    profiles, shapes = _known(settings, work.graph.workflow.name)
    at = replace(_situation(settings, inputs, profiles), seen=seen_in(work.graph, shapes))

    # NumPy and SciPy are loaded for a frontier, and not for every job.
    from murakkab.optimizer.trades import trade_of
    from murakkab.varied_trades import varied_trade

    def under(numbers: Goal) -> "Trade":
        def trade(settings: Settings) -> "Trade":
            graph = app.varied_graph(work, settings) if settings else work.graph
            return trade_of(graph, app.catalog(), numbers, at, measures=measures, points=points)

        every = graph_knobs(work.graph.workflow)
        fewer = without_leaving_out(every)
        # What the goal chooses leaves nothing out unless it says how much quality there must be; other points may.
        own = every if "quality" in numbers.limits else fewer
        return varied_trade(every if "quality" in measures else own, own, numbers, trade)

    found, uses = with_numbers(work.graph, aim, at, settings, under)
    return replace(found, chosen=replace(found.chosen, tiers=uses))


def tiered(
    work: app.Work, settings: app.Settings | None = None, *, inputs: Mapping[str, Any] | None = None, renew: bool = False
) -> tuple[Version, Amounts]:
    """Return the tiers of a workflow that hold, or (*renew*) new ones, and what they are for a job with *inputs* (None: for any)."""
    settings = settings or app.Settings()
    profiles, shapes = _known(settings, work.graph.workflow.name)
    at = replace(_situation(settings, inputs, profiles), seen=seen_in(work.graph, shapes))
    version = tiers_for(work.graph, at, settings, renew=renew)
    return version, amounts_of(version.tiers, work.graph, at)


def _situation(settings: app.Settings, inputs: Mapping[str, Any] | None, profiles: Mapping[str, Sequence[Profile]]) -> Situation:
    here, capacity = app.installation(), app.slots_of(settings).capacity
    return Situation(here.view, profiles, inputs, capacity=capacity, known=here.known, warm=app.warm())


def _ways(deployment: Deployment) -> dict[str, str]:
    return {path: way_text(one.executor.name, one.knobs) for path, one in deployment.choices.items()}


def _known(settings: app.Settings, workflow: str = "") -> tuple[Mapping[str, Sequence[Profile]], Sequence[Shape]]:
    """Return all profiles by executor, those that ship and what was measured here, and what earlier jobs of a workflow became."""
    every = list(app.shipped_profiles())
    shapes: tuple[Shape, ...] = ()
    if app.has_profiles(settings):
        with closing(app.open_profiles(settings)) as store:
            every += store.profiles()
            shapes = tuple(store.shapes(workflow))
    found: dict[str, list[Profile]] = {}
    for profile in every:
        found.setdefault(profile.setting.executor, []).append(profile)
    return found, shapes
