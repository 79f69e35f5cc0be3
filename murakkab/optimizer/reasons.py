"""policy: why a way to do a step was chosen, what the next best would have meant, and which limits cannot be kept together - in words."""

import math
from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import Final

from murakkab.figures import Figure
from murakkab.optimizer.configurations import Configuration
from murakkab.optimizer.estimate import Forecast, Scene, forecast
from murakkab.plan import Estimate, Node, Other
from murakkab.spec import Goal

_UNITS: Final[Mapping[str, str]] = {"latency": "s", "latency_p90": "s", "cost": "USD", "energy": "J", "quality": ""}
_HAIR: Final = 1e-9
#: Seconds from which on nobody reads seconds, and days from which on nobody reads hours.
_LONG: Final = 900.0
_DAYS: Final = 3
#: So many steps are named.
_NAMED: Final = 6


def why(node: Node, way: Configuration, ways: Sequence[Configuration], goal: Goal) -> str:
    """Return why *way* does the step, of the *ways* there are."""
    if node.executor and len(ways) == 1:
        return "asked for by the step"
    if len(ways) == 1:
        return f"the only executor for {node.uses}{_asked(node)}"
    if not goal.minimize and not goal.limits:
        return f"registered first of {len(ways)}"
    aim = f"best {', then '.join(goal.minimize)}" if goal.minimize else "keeps the limits"
    within = f" within {', '.join(map(said, goal.limits))}" if goal.limits and goal.minimize else ""
    return f"{aim} of {len(ways)}{within} by {_basis(way)} figures"


def _basis(way: Configuration) -> str:
    return str(way.taken.source)


def _asked(node: Node) -> str:
    prefer = node.prefer
    asked = [
        *(["these knobs"] if node.knobs else []),
        *([f"the device {prefer.device}"] if prefer.device else []),
        *([f"the model {prefer.model}"] if prefer.model else []),
    ]
    return f" with {' and '.join(asked)}" if asked else ""


# ------------------------------------------------------------------------------------------------------------ the next best


def runner_up(path: str, ways: Sequence[Configuration], scene: Scene, goal: Goal, made: Forecast) -> Other | None:
    """Return the best of the other ways to do a step when all other steps stay as they are, and what it would have meant."""
    others = [way for way in ways if way is not made.chosen[path]][:_MOST_OTHERS]
    found: list[tuple[tuple[float, ...], Other]] = []
    for way in others:
        tried = forecast(scene, {**made.chosen, path: way}, with_interval=False)
        estimate = tried.estimate
        broken = [_is_broken(name, value, limit) for name, (value, limit) in tried.passed.items()] + broken_limits(estimate, goal.limits)
        lost = broken[0] if broken else worse(made.estimate, estimate, goal)
        found.append(((float(len(broken)), *values_of(estimate, goal.minimize)), Other(way.label, lost, estimate)))
    return min(found, key=itemgetter(0))[1] if found else None


#: How many other ways a step is looked at for the next best.
_MOST_OTHERS: Final = 12
#: Tasks in all the runs on virtual time that the next best of steps are found by: a second's work or less.
_RUNS: Final = 2500


def looked_at(ways: Mapping[str, Sequence[Configuration]], goal: Goal, made: Forecast) -> frozenset[str]:
    """Return the steps whose next best is looked for: all, or of very many those that matter most for what is minimised."""
    open_ = [path for path, found in ways.items() if len(found) > 1]
    runs = max(1, round(_RUNS / max(1.0, math.fsum(made.tasks.values()))))
    first = goal.minimize[0] if goal.minimize else "latency"
    found: list[str] = []
    for path in sorted(open_, key=lambda one: _weight(one, first, made), reverse=True):
        runs -= min(_MOST_OTHERS, len(ways[path]) - 1)
        if runs < 0 and found:
            break
        found.append(path)
    return frozenset(found)


def _weight(path: str, measure: str, made: Forecast) -> tuple[bool, float]:
    """Return how much a step matters for a measure of the job; what is most comes first."""
    step = made.steps[path]
    seconds = step.seconds.value * made.tasks[path]
    if measure == "latency":
        return path in made.timeline.critical, seconds
    value = measure_of(step, measure)
    return value is not None, seconds if value is None else -value if measure == "quality" else value


def broken_limits(estimate: Estimate, limits: Mapping[str, float]) -> list[str]:
    """Return which *limits* an estimate goes beyond, in words."""
    found = []
    for name, limit in limits.items():
        value = judged_of(estimate, name)
        if value is not None and not is_kept(name, value, limit):
            found.append(_is_broken(name, value, limit))
    return found


def _is_broken(name: str, value: float, limit: float) -> str:
    return f"{said(name)} would be {amount(name, value)}, and its limit is {amount(name, limit)}"


def is_kept(name: str, value: float, limit: float) -> bool:
    """Return whether a value of what *name* limits keeps its limit, but for the noise of sums."""
    noise = _HAIR * max(abs(limit), abs(value))
    return value >= limit - noise if name == "quality" else value <= limit + noise


def excess(estimate: Estimate, goal: Goal) -> float:
    """Return by which part an estimate passes the limits of *goal*, all of them together; what nobody knows passes none."""
    over = 0.0
    for name, limit in goal.limits.items():
        value = judged_of(estimate, name)
        if value is not None and not is_kept(name, value, limit):
            over += abs(value - limit) / max(abs(limit), _HAIR)
    return over


def measure_of(estimate: Estimate, name: str) -> float | None:
    """Return the value of what *name* limits or minimises in an estimate, None where nobody knows it."""
    figure = figure_of(estimate, name)
    return None if figure is None else figure.value


def judged_of(estimate: Estimate, name: str) -> float | None:
    """Return the value by which a limit is judged and selections are compared: of the steps of which it is known, where not of all."""
    figure = judged_figure(estimate, name)
    return None if figure is None else figure.value


def judged_figure(estimate: Estimate, name: str) -> Figure | None:
    """Return the figure of `judged_of`."""
    figure = figure_of(estimate, name)
    return estimate.least_joules if figure is None and name == "energy" else figure


def unjudged(name: str, steps: Sequence[str]) -> str:
    """Return in words that a limit is judged without *steps*."""
    shown = f"{', '.join(steps[:_NAMED])}{f' and {len(steps) - _NAMED} more' if len(steps) > _NAMED else ''}"
    return f"{name} is limited, and judged without {shown}: nothing is known of it there"


def figure_of(estimate: Estimate, name: str) -> Figure | None:
    """Return what *name* limits or minimises in an estimate, None where nobody knows it."""
    if name == "latency_p90":
        usual, tail = estimate.seconds, estimate.p90
        part = tail / usual.value if usual.value else 1.0
        return Figure(tail, min(tail, usual.low * part), max(tail, usual.high * part), usual.of)
    return {"latency": estimate.seconds, "cost": estimate.usd, "energy": estimate.joules, "quality": estimate.quality}[name]


def values_of(estimate: Estimate, minimize: Sequence[str]) -> tuple[float, ...]:
    """Return what is minimised, less being better; infinite where nobody knows it."""
    found = []
    for name in minimize:
        value = judged_of(estimate, name)
        found.append(float("inf") if value is None else (-value if name == "quality" else value))
    return tuple(found)


def worse(best: Estimate, other: Estimate, goal: Goal, *, equal: str = "registered later") -> str:
    """Return by how much *other* is worse than *best* in the first thing that is minimised, in words."""
    for name in goal.minimize:
        mine, its = measure_of(best, name), measure_of(other, name)
        if its is None and mine is not None:
            return f"nobody knows its {name}"
        if mine is None or its is None or abs(mine - its) <= _HAIR * max(1.0, abs(mine)):
            continue
        is_better = its > mine if name == "quality" else its < mine
        more = "more" if its > mine else "less"
        beyond = ", by a hair of the solver" if is_better else ""
        return f"{amount(name, abs(its - mine))} {more} {name}{beyond}"
    return f"as good, and {equal}"


def said(name: str) -> str:
    """Return how messages name what is limited."""
    kind, _, of = name.partition(":")
    if of:
        return of if kind == "rate" else f"{kind} of pool {of}"
    return "latency at p90" if name == "latency_p90" else name


def amount(name: str, value: float) -> str:
    """Return an amount with its unit; what takes a quarter of an hour or more in hours, minutes and seconds."""
    kind, _, of = name.partition(":")
    if of:
        return f"{value / 1e9:.4g} GB" if kind == "memory" else f"{value:.3g} device-seconds" if kind == "capacity" else f"{value:.3g}"
    if _UNITS[name] == "s" and _LONG <= value < math.inf:
        return long_time(value)
    return f"{value:.3g} {_UNITS[name]}".rstrip()


def exact_amount(name: str, value: float) -> str:
    """Return an amount with its unit that, as a limit, what has this value keeps."""
    return f"{rounded_to_keep(name, value):.10g} {_UNITS[name]}".rstrip()


def rounded_to_keep(name: str, value: float) -> float:
    """Return a value as a limit that it keeps: rounded to four digits, down where more is better, else up."""
    if not value or not math.isfinite(value):
        return value
    size = 10.0 ** (math.floor(math.log10(abs(value))) - 3)
    return (math.floor if name == "quality" else math.ceil)(round(value / size, 6)) * size


def long_time(seconds: float) -> str:
    """Return `2 min 05 s`, `3 h 20 min` or `12 d 05 h`: no more of it than matters."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if not hours:
        return f"{minutes} min {rest:02} s"
    days, of_day = divmod(hours, 24)
    return f"{days} d {of_day:02} h" if days >= _DAYS else f"{hours} h {minutes:02} min"
