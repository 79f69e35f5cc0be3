"""policy: which configurations to measure next - a race in which whatever is certain to lose is dropped, so that few are measured often.

Maron and Moore 1994, "Hoeffding races", with blocks as in F-race (Birattari et al. 2002): every round gives the same row of the data to
all that are left, and configurations are compared by the differences on common rows, which takes out how hard the rows are.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final, TypeVar

from murakkab.profiles import Setting
from murakkab.profiling.codec import setting_key
from murakkab.profiling.numbers import Interval, mean_interval, student
from murakkab.profiling.observation import Observation

#: Nothing is dropped before it was measured on so many rows.
FEWEST: Final = 4
#: What fails on so many rows, and never succeeds, is dropped.
_FAILURES: Final = 3
#: Differences below these play no part: of logarithms of seconds and joules, and of quality.
_ALIKE: Final = 0.05
_ALIKE_QUALITY: Final = 0.03
#: The spread of differences is taken to be at least this: rows that happen to agree do not make certain.
_LEAST: Final = 0.01

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Trial:
    """One measurement: a setting on a row of the data."""

    setting: Setting
    row: int
    repetition: int


@dataclass(frozen=True, slots=True)
class Race:
    """What there is to measure: `settings` on `rows` rows, each `repeat` times, with `budget` measurements in all (None: all of them).

    `limits`: seconds (`latency`), joules (`energy`), USD (`cost`) at most and `quality` at least, per task. `mistakes`: how likely it is at
    most that a configuration is dropped which is not worse. `metric` is the quality that counts. `drops`: whether any is dropped at all.
    """

    settings: tuple[Setting, ...]
    rows: int
    repeat: int = 1
    limits: Mapping[str, float] = field(default_factory=dict)
    budget: int | None = None
    metric: str = ""
    mistakes: float = 0.1
    seed: int = 0
    drops: bool = True


@dataclass(frozen=True, slots=True)
class Round:
    """What to do next: `trials` in this order, none when it is done; and why others were dropped, by the key of the setting."""

    trials: tuple[Trial, ...]
    dropped: Mapping[str, str]

    @property
    def is_done(self) -> bool:
        """True when nothing is left to measure."""
        return not self.trials


def next_round(race: Race, observations: Sequence[Observation]) -> Round:
    """Return the next measurements, given those so far; the same for the same race and observations, in whatever order they came.

    A round is one row for all that are left, in an order that changes from round to round, so that no configuration always comes first.
    """
    samples = _samples(race, observations)
    dropped = _dropped(race, samples) if race.drops else {}
    left = [setting for setting in race.settings if setting_key(setting) not in dropped]
    blocks = [(row, repetition) for repetition in range(race.repeat) for row in _order(race, repetition)]
    for number, block in enumerate(blocks):
        todo = [setting for setting in left if block not in samples[setting_key(setting)]]
        if todo:
            rest = len(todo) if race.budget is None else race.budget - sum(map(len, samples.values()))
            mixed = _mixed(todo, f"{race.seed} {number}")
            return Round(tuple(Trial(setting, *block) for setting in mixed[: max(0, rest)]), dropped)
    return Round((), dropped)


def _order(race: Race, repetition: int) -> list[int]:
    return _mixed(range(race.rows), f"{race.seed} rows {repetition}")


def _mixed(things: Iterable[_T], seed: str) -> list[_T]:
    """Return *things* in an order that depends on nothing but their names and the seed."""
    return sorted(things, key=lambda thing: sha256(f"{seed} {thing}".encode()).digest())


Sample = dict[tuple[int, int], Observation]


def _samples(race: Race, observations: Sequence[Observation]) -> dict[str, Sample]:
    samples: dict[str, Sample] = {setting_key(setting): {} for setting in race.settings}
    for one in observations:
        of = samples.get(setting_key(one.setting))
        if of is not None and one.row < race.rows and one.repetition < race.repeat:
            of[one.row, one.repetition] = one
    return samples


# ----------------------------------------------------------------------------------------------------------------- dropping


def _dropped(race: Race, samples: Mapping[str, Sample]) -> dict[str, str]:
    """Return why each that is out of the race is. One that is out drops nobody any more, unless it lost by dominance alone."""
    names = {setting_key(setting): setting for setting in race.settings}
    usual: dict[str, Setting] = {}
    for setting in race.settings:
        usual.setdefault(setting.executor, setting)
    # Each is compared with all others and held to every limit: by Bonferroni.
    confidence = 1 - 2 * race.mistakes / max(1, len(names) - 1 + len(race.limits))
    out: dict[str, str] = {}
    for key in names:
        if reason := _failing(samples[key]) or _over_a_limit(race, samples[key], confidence):
            out[key] = reason
    for key in names:
        rivals = (other for other in names if other != key and other not in out)
        if key not in out and (winner := next((o for o in rivals if _dominates(race, samples[o], samples[key], confidence)), None)):
            out[key] = f"dominated by {label(names[winner], usual[names[winner].executor])}"
    return out


def _failing(sample: Sample) -> str:
    errors = [one.error for one in sample.values() if one.error]
    return f"it failed {len(errors)} times: {errors[0]}" if len(errors) >= _FAILURES and len(errors) == len(sample) else ""


_LIMITED: Final = {"latency": ("seconds", "s"), "energy": ("joules", "J"), "cost": ("usd", "$")}


def _over_a_limit(race: Race, sample: Sample, confidence: float) -> str:
    for measure, limit in race.limits.items():
        if measure == "quality":
            scores = _qualities(race, sample.values())
            found = _interval(list(scores.values()), confidence)
            if found is not None and found.high < limit:
                return f"quality {found.value:.2f} is below {limit:g}"
            continue
        name, unit = _LIMITED[measure]
        found = _interval(list(_logs(sample, name).values()), confidence)
        if found is not None and limit > 0 and found.low > math.log(limit):
            return f"{measure} {math.exp(found.value):.3g} {unit} is above {limit:g} {unit}"
    return ""


def _dominates(race: Race, winner: Sample, loser: Sample, confidence: float) -> bool:
    """Return whether *loser* is with confidence no better in any measure, and worse in one by more than a hair."""
    both = [(_logs(winner, name), _logs(loser, name), _ALIKE) for name in ("seconds", "joules", "usd")]
    scores = [{at: -score for at, score in _qualities(race, one.values()).items()} for one in (winner, loser)]
    known = [(_least_gap(one, other, confidence), hair) for one, other, hair in both if one or other]
    if race.metric:
        # Where results are scored nobody loses before they are: the first rows may have no label.
        known.append((_least_gap(scores[0], scores[1], confidence), _ALIKE_QUALITY))
    return all(gap > -hair for gap, hair in known) and any(gap > hair for gap, hair in known)


def _least_gap(winner: Mapping[tuple[int, int], float], loser: Mapping[tuple[int, int], float], confidence: float) -> float:
    """Return by how much the loser is higher at least."""
    found = _interval([loser[at] - winner[at] for at in sorted(winner.keys() & loser.keys())], confidence)
    return -math.inf if found is None else found.low


def _interval(values: Sequence[float], confidence: float) -> Interval | None:
    """Return the mean with its t interval, no narrower than that of values with a spread of `_LEAST`; None of too few."""
    if len(values) < FEWEST:
        return None
    found = mean_interval(values, confidence=confidence)
    least = student((1 + confidence) / 2, len(values) - 1) * _LEAST / math.sqrt(len(values))
    half = max(found.high - found.value, least)
    return Interval(found.value, found.value - half, found.value + half)


def _logs(sample: Sample, name: str) -> dict[tuple[int, int], float]:
    return {at: math.log(value) for at, one in sample.items() if not one.error and (value := getattr(one, name))}


def _qualities(race: Race, observations: Iterable[Observation]) -> dict[tuple[int, int], float]:
    return {(one.row, one.repetition): one.quality[race.metric] for one in observations if race.metric in one.quality}


def label(setting: Setting, default: Setting | None = None) -> str:
    """Return a setting as people read it: the executor and its knobs, or only those that differ from *default*."""
    usual = dict(default.knobs) if default is not None and default.executor == setting.executor else {}
    knobs = [f"{name}={value}" for name, value in setting.knobs if name not in usual or usual[name] != value]
    load = [f"load={setting.load}"] if setting.load != 1 else []
    return " ".join([setting.executor, *knobs, *load])
