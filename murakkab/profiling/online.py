"""policy: a profile after each real run - newer observations count more, wild ones are cut back, and drift is told.

The newest observations are kept and the profile is made of them anew, each weighed by its place and its age. So nothing accumulates:
what was forgotten plays no part any more, and the same observations give the same profile.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from murakkab.profiles import Profile
from murakkab.profiling.drift import ENOUGH, heard, watches_of
from murakkab.profiling.estimate import estimate
from murakkab.profiling.observation import Drift, Known, Observation, Watch, succeeded

_DAY: Final = 86_400.0


@dataclass(frozen=True, slots=True)
class Forgetting:
    """How fast observations fade: half of the weight after so many newer ones, and half after so many days. `kept`: how many at most."""

    observations: float = 50.0
    days: float = 14.0
    kept: int = 256


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
    drifts: list[Drift] = []
    for one in fresh:
        kept.append(one)
        watches, found = _watched(watches, one)
        if found:
            drifts += found
            kept = [old for old in kept if old.time >= min(drift.since for drift in found)]
            watches, prior = (), None
        if not watches or one.study:
            watches = watches_of(succeeded(kept[-4 * ENOUGH :]))
    kept = sorted(kept, key=lambda one: one.time)[-forgetting.kept :]
    revision = 1 if known is None else known.profile.revision + 1
    if not succeeded(kept) and prior is None:
        return None, drifts
    made = estimate(kept, weights_of(kept, forgetting), prior=prior, revision=revision)
    return Known(made.profile, tuple(kept), watches, made.clipped, prior), drifts


def _watched(watches: tuple[Watch, ...], one: Observation) -> tuple[tuple[Watch, ...], list[Drift]]:
    if one.study or one.error:
        return watches, []
    both = [heard(watch, one) for watch in watches]
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
