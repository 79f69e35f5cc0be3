"""driver: the best choices for a job, by all that is known when it is to run - this installation, what was measured, what it is about."""

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from typing import Any

from murakkab import app
from murakkab.optimizer.choose import choose
from murakkab.optimizer.situation import Situation
from murakkab.optimizer.trades import Trade, trade_of
from murakkab.profiles import Profile
from murakkab.spec import Goal


def chosen(
    work: app.Work, settings: app.Settings | None = None, *, inputs: Mapping[str, Any] | None = None, goal: Goal | None = None
) -> app.Work:
    """Return *work* with the best choices for a job of it by all that is known: what runs here, profiles, and what the job is about.

    *goal* instead of its own; *inputs* None: for any job. Blocks for some milliseconds, and for a second where an engine does not answer.
    Raises `PlanError` when no choice keeps the limits of the goal.
    """
    settings = settings or app.Settings()
    aim = work.deployment.goal if goal is None else goal
    return replace(work, deployment=choose(work.graph, app.catalog(), aim, _situation(settings, inputs)))


def traded(
    work: app.Work,
    measures: Sequence[str],
    settings: app.Settings | None = None,
    *,
    inputs: Mapping[str, Any] | None = None,
    goal: Goal | None = None,
    points: int = 12,
) -> Trade:
    """Return what one of two or three *measures* of a job of *work* costs in another, under the limits of its goal or of *goal*.

    Blocks for a second or two. Raises `PlanError` when no choice keeps the limits, or nothing is known of a measure.
    """
    aim = work.deployment.goal if goal is None else goal
    at = _situation(settings or app.Settings(), inputs)
    return trade_of(work.graph, app.catalog(), aim, at, measures=measures, points=points)


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
