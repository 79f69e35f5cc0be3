"""policy: whether a configuration still takes what it took - a two-sided CUSUM over log(observed / expected), with known false alarms.

Page 1954, "Continuous inspection schemes". All tasks of a job are one look, by the median of their logarithms: they share what else the
machine does just then. Each logarithm is divided by its spread and cut to +-3, so that no single look raises an alarm: the sum grows by
less than 2 with each, and an alarm takes more than 6. By Siegmund's approximation stationary log-normal looks, their centre and spread
known, raise one false alarm in about 400,000; with a centre that is off by 0.3 of the spread, as from a dozen looks, one in about 20,000.
`FALSE_ALARMS` is what is promised, and tested, with centre and spread estimated. A step to the double is found within 4 to 12 looks while
the spread is below 0.3. What changes by less than a seventh, or by some milliseconds, is no drift: no choice depends on it.
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from murakkab.profiling.estimate import line_of
from murakkab.profiling.numbers import deviation, median
from murakkab.profiling.observation import WATCHED, Drift, Observation, Watch, looks

#: Stationary looks raise fewer false alarms than this part of their number.
FALSE_ALARMS: Final = 0.001
#: What is expected is known once there are so many looks, and made more exact until there are `MATURE`.
ENOUGH: Final = 12
MATURE: Final = 40
#: In spreads: what a deviation must exceed to count, where the sum raises an alarm, and where a single look is cut.
_SLACK: Final = 1.0
_ALARM: Final = 6.0
_CUT: Final = 3.0
#: The spread is taken to be at least this, and deviations of the logarithm below `_SMALL` do not count.
_LEAST: Final = 0.1
_SMALL: Final = 0.14
#: Seconds that are as good as nothing: added to both sides before they are compared.
_INSTANT: Final = 0.01
_SILENT: Final = (0.0, 0, 0.0)


def watches_of(observations: Sequence[Observation]) -> tuple[Watch, ...]:
    """Return a watch per measure that enough of *observations* tell of: they are what is expected from now on."""
    found = (_watch(measure, [one for one in observations if getattr(one, measure)]) for measure in WATCHED)
    return tuple(watch for watch in found if watch is not None)


def is_young(watch: Watch) -> bool:
    """True for a watch that further looks may still make more exact: it knows few, and nothing speaks of a drift."""
    return watch.count < MATURE and max(watch.up, watch.down) < _ALARM / 3


def _watch(measure: str, observations: Sequence[Observation]) -> Watch | None:
    seen = looks(observations)
    if len(seen) < ENOUGH:
        return None
    if measure == "seconds":
        line = line_of(observations)
        watch = Watch(measure, line.at(None), _LEAST, len(seen), line.units, line.per_unit)
    else:
        watch = Watch(measure, median([getattr(one, measure) for one in observations]), _LEAST, len(seen))
    logs = [log for look in seen if (log := _log_ratio(watch, look)) is not None]
    if len(logs) < ENOUGH:
        return None
    centre = median(logs)
    # A dozen looks tell a spread to a fifth: allow for it.
    sigma = max(_LEAST, deviation(logs) * (1 + 1 / math.sqrt(len(logs))), _standard(logs, centre))
    return replace(watch, expected=watch.expected * math.exp(centre), per_unit=watch.per_unit * math.exp(centre), sigma=sigma)


def _standard(logs: Sequence[float], centre: float) -> float:
    """Return the standard deviation around *centre* of those that are not wild."""
    reach = 5 * max(_LEAST, deviation(logs))
    kept = [log - centre for log in logs if abs(log - centre) <= reach]
    return math.sqrt(math.fsum(one * one for one in kept) / max(1, len(kept) - 1))


def heard(watch: Watch, look: Sequence[Observation]) -> tuple[Watch, Drift | None]:
    """Return the watch after a look, and the drift that is certain by now. A watch that has raised an alarm begins again."""
    log = _log_ratio(watch, look)
    if log is None:
        return watch, None
    score = min(_CUT, max(-_CUT, log / watch.sigma))
    slack = max(_SLACK + 1 / math.sqrt(watch.count), _SMALL / watch.sigma)
    begin = min(one.time for one in look)
    up, up_since = _grown(watch.up, watch.up_since, score - slack, begin, log)
    down, down_since = _grown(watch.down, watch.down_since, -score - slack, begin, log)
    watch = replace(watch, up=up, up_since=up_since, down=down, down_since=down_since)
    if max(up, down) <= _ALARM:
        return watch, None
    since, count, logs = up_since if up > down else down_since
    begun = replace(watch, up=0.0, down=0.0, up_since=_SILENT, down_since=_SILENT)
    return begun, Drift(look[0].setting, watch.measure, math.exp(logs / count), since, look[-1].time, count)


def _grown(before: float, since: tuple[float, int, float], step: float, time: float, log: float) -> tuple[float, tuple[float, int, float]]:
    after = max(0.0, before + step)
    if not after:
        return 0.0, _SILENT
    begin, count, logs = since if before else (time, 0, 0.0)
    return after, (begin, count + 1, logs + log)


def _log_ratio(watch: Watch, look: Sequence[Observation]) -> float | None:
    """Return the median of log(observed / expected) over a look; None where one of the two is not known of any."""
    logs = [log for one in look if (log := _log_of(watch, one)) is not None]
    return median(logs) if logs else None


def _log_of(watch: Watch, one: Observation) -> float | None:
    observed = getattr(one, watch.measure)
    expected = watch.expected if one.units is None else watch.expected + watch.per_unit * (one.units - watch.at_units)
    nothing = _INSTANT if watch.measure == "seconds" else 0.0
    return math.log((observed + nothing) / (expected + nothing)) if observed and observed > 0 and expected > 0 else None
