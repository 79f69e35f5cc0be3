"""policy: a frontier of a job as people and programs read it - a table, remarks and plain data."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from rich.table import Table
from rich.text import Text

from murakkab.cli.plans import estimate_json
from murakkab.cli.scatter import Axis, Mark
from murakkab.cli.tables import new_table, seconds_text, usd_text
from murakkab.figures import weakest
from murakkab.optimizer.configurations import Configuration
from murakkab.optimizer.limits import FLOORS
from murakkab.optimizer.reasons import amount, figure_of, rounded_to_keep
from murakkab.optimizer.trades import Point, Trade
from murakkab.plan import Choice

#: What stands for points, in their order; behind these, for the rest of them.
_SIGNS: Final = "123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_FURTHER: Final = "●"
#: The choice of the goal where other points beat it.
ASIDE: Final = "*"


def sign_of(number: int) -> str:
    """Return the sign of the point that is the *number*-th, the first being 0."""
    return _SIGNS[number] if number < len(_SIGNS) else _FURTHER


def signed_points(trade: Trade) -> list[tuple[str, Point]]:
    """Return the points with their signs, that of the goal behind them where others beat it."""
    beside = [] if trade.aside is None else [(ASIDE, trade.aside)]
    return [*((sign_of(number), point) for number, point in enumerate(trade.points)), *beside]


def axis_of(measure: str) -> Axis:
    """Return the side of a picture along which a measure is drawn."""
    return Axis(measure, lambda value: value_text(measure, value), measure in FLOORS)


def marks_of(trade: Trade) -> list[Mark]:
    """Return the points where their first two measures put them; that of the goal stands out."""
    found = [Mark(point.values[0], point.values[1], sign, point.is_chosen) for sign, point in signed_points(trade)]
    return sorted(found, key=lambda one: not one.stands_out)


def value_text(measure: str, value: float) -> str:
    """Return the value of a measure as plans write it; below a second exact enough to tell points apart."""
    if measure == "latency":
        return seconds_text(value) if value >= 1 else f"{value * 1000:.3g} ms"
    return usd_text(value) if measure == "cost" else amount(measure, value)


def trade_table(trade: Trade, *, with_differences: bool) -> Table:
    """Return one line per point: its sign, its values, where these are from, and what is done otherwise than by the plan."""
    table = new_table()
    table.add_column("", no_wrap=True)
    for measure in trade.measures:
        table.add_column(measure, justify="right", no_wrap=True)
    table.add_column("figures", no_wrap=True)
    if with_differences:
        table.add_column("other than the plan", overflow="fold", ratio=1)
    for sign, point in signed_points(trade):
        values = (value_text(measure, value) for measure, value in zip(trade.measures, point.values, strict=True))
        other = [Text("\n".join(_differences(trade, point)))] if with_differences else []
        table.add_row(Text(f"[{sign}]" if point.is_chosen else f" {sign}"), *values, sources_text(trade, point), *other)
    return table


def difference_lines(trade: Trade) -> Iterator[str]:
    """Yield what is done otherwise than by the plan, a line for each point."""
    for sign, point in signed_points(trade):
        yield f"{sign}: {', '.join(_differences(trade, point))}"


def _differences(trade: Trade, point: Point) -> list[str]:
    if point.is_chosen:
        return ["the plan"]
    settings = [f"{name}={value}" for name, value in settings_of(trade, point).items()]
    return [*settings, *(f"{path}: {label}" for path, label in differences(trade, point).items())]


def settings_of(trade: Trade, point: Point) -> dict[str, int | str]:
    """Return the knobs that change the graph and are set otherwise than in the choice of the goal."""
    mine = {one.name: one.value for one in trade.chosen.graph}
    return {name: value for name, value in point.settings.items() if value != mine.get(name)}


def sources_text(trade: Trade, point: Point) -> str:
    """Return where the least sure of the figures of a point is from."""
    figures = (figure_of(point.made.estimate, measure) for measure in trade.measures)
    return str(weakest(figure.of.source for figure in figures if figure is not None))


def differences(trade: Trade, point: Point) -> dict[str, str]:
    """Return what does each step that is done otherwise than by the choice of the goal, by path."""
    chosen = trade.chosen.choices
    return {path: label_of(way) for path, way in point.made.chosen.items() if path not in chosen or not _is(way, chosen[path])}


def _is(way: Configuration, choice: Choice) -> bool:
    mine = (way.card.name, dict(way.knobs), way.model, way.pool, way.devices)
    return mine == (choice.executor.name, dict(choice.knobs), choice.model, choice.pool, choice.devices)


def label_of(way: Configuration) -> str:
    """Return an executor, its knobs, and the pool where it is not the cores of this machine, with how many devices of it."""
    several = f"{way.devices} x " if way.devices > 1 else ""
    return way.label if way.pool in ("", "cpu") else f"{way.label} on {several}{way.pool}"


def remarks_of(trade: Trade) -> Iterator[str]:
    """Yield what the picture does not show, and how one of its points is had."""
    if len(trade.points) == 1:
        yield f"there is nothing to trade: one choice is best in {' and '.join(trade.measures)}"
    if trade.aside is not None:
        yield f"[{ASIDE}] is the plan: it aims at something else, and other points are better in {' and '.join(trade.measures)}"
    elif not any(point.is_chosen for point in trade.points):
        yield "the plan itself is not shown: not all of these measures are known of it"
    for measure, steps in trade.unknown.items():
        yield f"{measure} is that of the other steps: nothing is known of it for {', '.join(steps)}"
    if trade.beyond:
        yield f"{_points(trade.beyond)} left out: in a run on virtual time a limit of the goal is passed"
    if trade.beaten:
        yield f"{_points(trade.beaten)} left out: in a run on virtual time another is better"
    if not trade.is_complete:
        yield "there are more points between these: --points N shows up to so many"
    first, second, *third = trade.measures
    if third:
        yield f"the picture shows {first} and {second}; {third[0]} stands in the table"
    if len(trade.points) > 1:
        number = len(trade.points) // 2
        limits = " ".join(f"--limit {one}={limit_text(one, value)}" for one, value in _limits_to(trade, number))
        yield f"how to have a point, here {sign_of(number)}: --minimize {first} {limits}"


def _points(count: int) -> str:
    return f"{count} point{'' if count == 1 else 's'}"


def _limits_to(trade: Trade, number: int) -> Iterator[tuple[str, float]]:
    yield from zip(trade.measures[1:], trade.points[number].values[1:], strict=True)


def limit_text(measure: str, value: float) -> str:
    """Return a value as a limit that it keeps: rounded to four digits, down where more is better, else up."""
    return f"{rounded_to_keep(measure, value):.10g}" + {"latency": "s", "energy": "J"}.get(measure, "")


def trade_json(trade: Trade) -> dict[str, Any]:
    """Return the frontier as plain data."""
    return {
        "measures": list(trade.measures),
        "complete": trade.is_complete,
        "points": [_point_json(trade, sign, point) for sign, point in signed_points(trade) if point is not trade.aside],
        "plan": None if trade.aside is None else _point_json(trade, ASIDE, trade.aside),
        "unknown": {measure: list(steps) for measure, steps in trade.unknown.items()},
        "left_out": {"beaten": trade.beaten, "beyond_limits": trade.beyond},
    }


def _point_json(trade: Trade, sign: str, point: Point) -> dict[str, Any]:
    return {
        "sign": sign,
        "chosen": point.is_chosen,
        **dict(zip(trade.measures, point.values, strict=True)),
        "expected": estimate_json(point.made.estimate),
        "choices": {path: _way_json(way) for path, way in point.made.chosen.items()},
        "graph": dict(point.settings),
        "other_than_plan": differences(trade, point),
    }


def _way_json(way: Configuration) -> Mapping[str, Any]:
    return {"executor": way.card.name, "knobs": dict(way.knobs), "model": way.model, "pool": way.pool, "devices": way.devices}
