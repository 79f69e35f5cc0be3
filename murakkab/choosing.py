"""driver: the best choices for a job, by all that is known when it is to run - this installation, what was measured, what it is about."""

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from typing import Any

from murakkab import app
from murakkab.optimizer.choose import choose
from murakkab.optimizer.situation import Situation
from murakkab.profiles import Profile
from murakkab.spec import Goal


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
    Blocks for some milliseconds, and for a second where an engine does not answer. Raises `PlanError` when no choice keeps the limits of
    the goal.
    """
    settings = settings or app.Settings()
    aim = work.deployment.goal if goal is None else goal
    view = app.installation().view
    at = Situation(view, _profiles_by_executor(settings), inputs, capacity=app.slots_of(settings).capacity, with_others=with_others)
    return replace(work, deployment=choose(work.graph, app.catalog(), aim, at))


def is_open(work: app.Work) -> bool:
    """Return whether there is anything to choose or to keep for a job: limits, or a step that can be done in more than one way."""
    if work.deployment.goal.limits:
        return True
    known = app.catalog()
    # Most steps are alike in this: a thousand functions are one question.
    alike = {(node.uses, node.executor) for node in work.graph.every_node() if node.is_plain}
    cards = ([known.executors[pinned]] if pinned else known.providers(uses) for uses, pinned in alike)
    return any(len(found) > 1 or any(knob.trades for card in found for knob in card.knobs) for found in cards)


def _profiles_by_executor(settings: app.Settings) -> Mapping[str, Sequence[Profile]]:
    """Return what was measured here, none where nobody has measured."""
    if not app.has_profiles(settings):
        return {}
    found: dict[str, list[Profile]] = {}
    with closing(app.open_profiles(settings)) as store:
        for profile in store.profiles():
            found.setdefault(profile.setting.executor, []).append(profile)
    return found
