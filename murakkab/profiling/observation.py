"""data: what was seen of one task of a configuration, and what is kept of them - the profile, the newest observations, the watches."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from murakkab.catalog import ExecutorCard
from murakkab.figures import Source
from murakkab.profiles import Profile, Setting

#: The measures that are watched for drift, as fields of an observation.
WATCHED: Final = ("seconds", "joules", "tokens")


@dataclass(frozen=True, slots=True)
class Observation:
    """One task as it was seen: it ended at `time` (seconds since the epoch) and took `seconds`. None is what nobody measured.

    `joules` are marginal: without the base power of the machine; `energy` tells how they came about. `quality`: by metric, between 0 and
    1. `startup`: the seconds that an earlier task of the same process took more, the first of all, while things were loaded. `error`: why
    it failed; then `seconds` tell nothing of the work. `job`: the job that it was part of. `study` names the profiling run
    that it belongs to instead, `row` and `repetition` its place there. `where`: the machine.
    """

    setting: Setting
    time: float
    seconds: float
    units: float | None = None
    joules: float | None = None
    energy: Source = Source.MEASURED
    cpu_seconds: float | None = None
    usd: float | None = None
    tokens: float | None = None
    startup: float | None = None
    quality: Mapping[str, float] = field(default_factory=dict)
    error: str = ""
    study: str = ""
    job: str = ""
    row: int = 0
    repetition: int = 0
    where: str = ""


@dataclass(frozen=True, slots=True)
class Watch:
    """A two-sided CUSUM over log(observed / expected) of one measure; see `murakkab.profiling.drift`.

    Expected are `expected + per_unit (units - at_units)`; `sigma` is the spread of the logarithm, from `count` looks. `up` and `down` are
    the sums; since the times `up_since` and `down_since` they have been above zero, over so many looks with such a sum of logarithms.
    """

    measure: str
    expected: float
    sigma: float
    count: int
    at_units: float = 0.0
    per_unit: float = 0.0
    up: float = 0.0
    down: float = 0.0
    up_since: tuple[float, int, float] = (0.0, 0, 0.0)
    down_since: tuple[float, int, float] = (0.0, 0, 0.0)


@dataclass(frozen=True, slots=True)
class Drift:
    """A measure of a configuration is not what it was: in `count` looks since `since` it was `ratio` times what was expected."""

    setting: Setting
    measure: str
    ratio: float
    since: float
    found: float
    count: int = 0


@dataclass(frozen=True, slots=True)
class Known:
    """All that is kept of a configuration. `observations`: the newest, oldest first. `clipped`: how many of them were cut back as outliers.

    `prior`: what was known before there were observations, from elsewhere or of an earlier version of the executor. `since`: when the last
    drift was found; what is expected is measured from then on.
    """

    profile: Profile
    observations: tuple[Observation, ...] = ()
    watches: tuple[Watch, ...] = ()
    clipped: int = 0
    prior: Profile | None = None
    since: float = 0.0


@dataclass(frozen=True, slots=True)
class Shape:
    """What one job of a workflow became, by path: how many tasks, the units of one on average, and `by` whom, with which knobs."""

    workflow: str
    time: float
    by: Mapping[str, str]
    tasks: Mapping[str, float]
    units: Mapping[str, float]


def way_text(executor: str, knobs: Mapping[str, Any]) -> str:
    """Return the name of a way to do a step: equal for equal ones."""
    return " ".join([executor, *(f"{name}={knobs[name]}" for name in sorted(knobs))])


def setting_of(
    card: ExecutorCard, knobs: Mapping[str, Any], *, model: str = "", device: str = "", devices: int = 1, load: int = 1
) -> Setting:
    """Return what is measured when *card* runs with *knobs*: every knob, those at their default too, sorted by name."""
    every = {knob.name: knob.default for knob in card.knobs} | dict(knobs)
    model = model or str(every.get("model") or "")
    return Setting(card.name, card.version, tuple(sorted(every.items())), model, device or card.device.value, devices, load)


def succeeded(observations: Sequence[Observation]) -> list[Observation]:
    """Return the observations of tasks that did not fail."""
    return [one for one in observations if not one.error]


def looks(observations: Sequence[Observation]) -> list[list[Observation]]:
    """Return observations by job, in order; without a job each is by itself. Tasks of one job run under the same conditions."""
    found: list[list[Observation]] = []
    place: dict[str, int] = {}
    for one in observations:
        if one.job and one.job in place:
            found[place[one.job]].append(one)
            continue
        if one.job:
            place[one.job] = len(found)
        found.append([one])
    return found
