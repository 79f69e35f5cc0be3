"""policy: a profile after each real run - newer observations count more, wild ones are cut back, and drift is told.

The newest observations are kept and the profile is made of them anew, each weighed by its place and its age. So nothing accumulates:
what was forgotten plays no part any more, and the same observations give the same profile.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from murakkab.profiles import Profile
from murakkab.profiling.drift import heard, is_young, watches_of
from murakkab.profiling.estimate import estimate
from murakkab.profiling.observation import Drift, Known, Observation, Watch, looks, succeeded

_DAY: Final = 86_400.0


@dataclass(frozen=True, slots=True)
class Forgetting:
    """How fast observations fade: half of the weight after so many newer ones, and half after so many days.

    `kept`: how many at most, and `of_a_job` those of one job, so that a single large job is not all that is known.
    """

    observations: float = 50.0
    days: float = 14.0
    kept: int = 256
    of_a_job: int = 8


FORGETTING: Final = Forgetting()


def updated(
    known: Known | None, fresh: Sequence[Observation], *, prior: Profile | None = None, forgetting: Forgetting = FORGETTING
) -> tuple[Known | None, list[Drift]]:
    """Return what is known after *fresh* observations of one setting, oldest first, and the drifts that they show.

    *prior*: what is known from elsewhere or of an earlier version, when this is the first that is heard of a setting. Observations of a
    study measure what is expected; only those of real runs raise alarms. After an alarm what was seen before it began counts no more.
    None where no task has ever succeeded.
    """
    prior = known.prior if known is not None else prior
    kept = list(known.observations) if known is not None else []
    watches = known.watches if known is not None else ()
    since = known.since if known is not None else 0.0
    drifts: list[Drift] = []
    for look in looks(fresh):
        kept += _sample(look, forgetting.of_a_job)
        watches, found = _watched(watches, look)
        if found:
            drifts += found
            kept = [old for old in kept if old.time >= min(drift.since for drift in found)]
            watches, prior, since = (), None, look[-1].time
    kept = sorted(kept, key=lambda one: one.time)[-forgetting.kept :]
    if any(one.study for one in fresh) or all(map(is_young, watches)):
        # Looks of the drift itself would make the new level look more extreme than it is.
        watches = _made_anew(watches, watches_of([one for one in succeeded(kept) if one.time > since]))
    revision = 1 if known is None else known.profile.revision + 1
    if not succeeded(kept) and prior is None:
        return None, drifts
    made = estimate(kept, weights_of(kept, forgetting), prior=prior, revision=revision)
    if known is not None and made.profile.startup is None:
        # It is measured seldom, and what was seen of it may be among the observations that are no longer kept.
        made = replace(made, profile=replace(made.profile, startup=known.profile.startup))
    return Known(made.profile, tuple(kept), watches, made.clipped, prior, since), drifts


def _made_anew(old: tuple[Watch, ...], new: tuple[Watch, ...]) -> tuple[Watch, ...]:
    """Return the new watches with the sums of the old."""
    sums = {one.measure: one for one in old}
    return tuple(
        replace(one, up=had.up, down=had.down, up_since=had.up_since, down_since=had.down_since) if (had := sums.get(one.measure)) else one
        for one in new
    )


def _sample(look: Sequence[Observation], most: int) -> Sequence[Observation]:
    """Return at most so many of the tasks of a job, spread evenly over it."""
    return look if len(look) <= most else [look[number * len(look) // most] for number in range(most)]


def _watched(watches: tuple[Watch, ...], look: Sequence[Observation]) -> tuple[tuple[Watch, ...], list[Drift]]:
    real = [one for one in look if not (one.study or one.error)]
    if not real:
        return watches, []
    both = [heard(watch, real) for watch in watches]
    return tuple(watch for watch, _ in both), [drift for _, drift in both if drift is not None]


def weights_of(observations: Sequence[Observation], forgetting: Forgetting = FORGETTING) -> list[float]:
    """Return how much each of *observations*, oldest first, counts beside the newest, which counts 1."""
    if not observations:
        return []
    now, last = observations[-1].time, len(observations) - 1
    return [
        0.5 ** ((last - number) / forgetting.observations + max(0.0, now - one.time) / _DAY / forgetting.days)
        for number, one in enumerate(observations)
    ]
