"""driver: the best choices for a job, by all that is known when it is to run - this installation, what was measured, what it is about."""

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from murakkab import app
from murakkab.optimizer.choose import choose
from murakkab.optimizer.situation import Situation
from murakkab.optimizer.tiers import Amounts, Version, amounts_of
from murakkab.profiles import Profile
from murakkab.spec import Goal
from murakkab.tiers import tiers_for, with_numbers

if TYPE_CHECKING:
    from murakkab.optimizer.trades import Trade


def chosen(
    work: app.Work, settings: app.Settings | None = None, *, inputs: Mapping[str, Any] | None = None, goal: Goal | None = None
) -> app.Work:
    """Return *work* with the best choices for a job of it by all that is known: what runs here, profiles, and what the job is about.

    *goal* instead of its own; *inputs* None: for any job. Blocks for some milliseconds, and for a second where an engine does not answer.
    Tiers of the goal become numbers, in the workflow too: a job is journalled with those that it began with. Raises `PlanError` when no
    choice keeps the limits of the goal.
    """
    settings = settings or app.Settings()
    aim = work.deployment.goal if goal is None else goal
    at = _situation(settings, inputs)
    made, uses = with_numbers(work.graph, aim, at, settings, lambda numbers: choose(work.graph, app.catalog(), numbers, at))
    graph = work.graph
    if graph.workflow.goal.tiers:
        graph = replace(graph, workflow=replace(graph.workflow, goal=made.goal))
    return replace(work, graph=graph, deployment=replace(made, tiers=uses))


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
    at = _situation(settings, inputs)

    # NumPy and SciPy are loaded for a frontier, and not for every job.
    from murakkab.optimizer.trades import trade_of

    def under(numbers: Goal) -> "Trade":
        return trade_of(work.graph, app.catalog(), numbers, at, measures=measures, points=points)

    found, uses = with_numbers(work.graph, aim, at, settings, under)
    return replace(found, chosen=replace(found.chosen, tiers=uses))


def tiered(
    work: app.Work, settings: app.Settings | None = None, *, inputs: Mapping[str, Any] | None = None, renew: bool = False
) -> tuple[Version, Amounts]:
    """Return the tiers of a workflow that hold, or (*renew*) new ones, and what they are for a job with *inputs* (None: for any)."""
    settings = settings or app.Settings()
    at = _situation(settings, inputs)
    version = tiers_for(work.graph, at, settings, renew=renew)
    return version, amounts_of(version.tiers, work.graph, at)


def _situation(settings: app.Settings, inputs: Mapping[str, Any] | None) -> Situation:
    view = app.installation().view
    return Situation(view, _profiles_by_executor(settings), inputs, capacity=app.slots_of(settings).capacity)


def _profiles_by_executor(settings: app.Settings) -> Mapping[str, Sequence[Profile]]:
    """Return what was measured here, none where nobody has measured."""
    if not app.has_profiles(settings):
        return {}
    found: dict[str, list[Profile]] = {}
    with closing(app.open_profiles(settings)) as store:
        for profile in store.profiles():
            found.setdefault(profile.setting.executor, []).append(profile)
    return found
