"""driver: the best choices for a job, by all that is known when it is to run - this installation, what was measured, what it is about."""

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from typing import Any, Final

from murakkab import app
from murakkab.optimizer.choose import choose
from murakkab.optimizer.expected import seen_in
from murakkab.optimizer.situation import Situation
from murakkab.plan import Deployment
from murakkab.profiles import Profile
from murakkab.profiling.observation import Shape, way_text
from murakkab.spec import Goal

#: How often the choice is made again with what jobs became that were done in such a way.
_AGAIN: Final = 2


def chosen(
    work: app.Work, settings: app.Settings | None = None, *, inputs: Mapping[str, Any] | None = None, goal: Goal | None = None
) -> app.Work:
    """Return *work* with the best choices for a job of it by all that is known: what runs here, profiles, and what the job is about.

    *goal* instead of its own; *inputs* None: for any job. Blocks for some milliseconds, and for a second where an engine does not answer.
    Raises `PlanError` when no choice keeps the limits of the goal.
    """
    settings = settings or app.Settings()
    aim = work.deployment.goal if goal is None else goal
    profiles, shapes = _known(settings, work.graph.workflow.name)
    at = Situation(app.installation().view, profiles, inputs, seen_in(work.graph, shapes), capacity=app.slots_of(settings).capacity)
    deployment = choose(work.graph, app.catalog(), aim, at)
    for _ in range(_AGAIN if shapes else 0):
        # How much there is to do depends on who does what comes before.
        before = _ways(deployment)
        deployment = choose(work.graph, app.catalog(), aim, replace(at, seen=seen_in(work.graph, shapes, before)))
        if _ways(deployment) == before:
            break
    return replace(work, deployment=deployment)


def _ways(deployment: Deployment) -> dict[str, str]:
    return {path: way_text(one.executor.name, one.knobs) for path, one in deployment.choices.items()}


def _known(settings: app.Settings, workflow: str) -> tuple[Mapping[str, Sequence[Profile]], Sequence[Shape]]:
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
