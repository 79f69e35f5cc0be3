"""driver: the best choices for a job, by all that is known when it is to run - this installation, what was measured, what it is about."""

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from typing import Any

from murakkab import app
from murakkab.optimizer.choose import decide
from murakkab.optimizer.situation import Situation
from murakkab.profiles import Profile
from murakkab.rechoosing import Again
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
    view = app.installation().view
    at = Situation(view, _profiles_by_executor(settings), inputs, capacity=app.slots_of(settings).capacity)
    decision = decide(work.graph, app.catalog(), aim, at)
    is_open = any(len(ways) > 1 for ways in decision.ways.values())
    return replace(work, deployment=decision.deployment, again=partial(Again, decision) if is_open else None)


def _profiles_by_executor(settings: app.Settings) -> Mapping[str, Sequence[Profile]]:
    """Return what was measured here, none where nobody has measured."""
    if not app.has_profiles(settings):
        return {}
    found: dict[str, list[Profile]] = {}
    with closing(app.open_profiles(settings)) as store:
        for profile in store.profiles():
            found.setdefault(profile.setting.executor, []).append(profile)
    return found
