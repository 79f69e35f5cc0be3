"""driver: the best choices for a job, by all that is known when it is to run - this installation, what was measured, what it is about."""

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from typing import Any

from murakkab import app
from murakkab.optimizer.choose import decide
from murakkab.optimizer.configurations import Configuration
from murakkab.optimizer.models import can_choose_models
from murakkab.optimizer.situation import Situation
from murakkab.plan import Choice
from murakkab.profiles import Profile
from murakkab.rechoosing import Again
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
    here = app.installation()
    at = Situation(
        here.view,
        _profiles_by_executor(settings),
        inputs,
        capacity=app.slots_of(settings).capacity,
        with_others=with_others,
        known=here.known,
    )
    decision = decide(work.graph, app.catalog(), aim, at)
    has_others = any(len(ways) > 1 for ways in decision.ways.values())
    return replace(work, deployment=decision.deployment, again=partial(Again, decision) if has_others else None)


def going_on(work: app.Work, settings: app.Settings | None = None, *, inputs: Mapping[str, Any] | None = None) -> app.Work:
    """Return the *work* of a job that goes on: as it was chosen, and done otherwise only where a way of doing a step fails.

    What the job was expected to take says nothing any more once it has stood still. Blocks like `chosen`.
    """
    settings, here = settings or app.Settings(), app.installation()
    at = Situation(here.view, _profiles_by_executor(settings), inputs, is_hurried=True, known=here.known)
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
    if work.deployment.goal.limits:
        return True
    known = app.catalog()
    # Most steps are alike in this: a thousand functions are one question.
    alike = {(node.uses, node.executor) for node in work.graph.every_node() if node.is_plain}
    cards = ([known.executors[pinned]] if pinned else known.providers(uses) for uses, pinned in alike)
    return any(len(found) > 1 or any(can_choose_models(one) or any(knob.trades for knob in one.knobs) for one in found) for found in cards)


def _profiles_by_executor(settings: app.Settings) -> Mapping[str, Sequence[Profile]]:
    """Return what was measured here, none where nobody has measured."""
    if not app.has_profiles(settings):
        return {}
    found: dict[str, list[Profile]] = {}
    with closing(app.open_profiles(settings)) as store:
        for profile in store.profiles():
            found.setdefault(profile.setting.executor, []).append(profile)
    return found
