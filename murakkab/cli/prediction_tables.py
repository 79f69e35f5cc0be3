"""policy: what was predicted beside what was measured, as people see it."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from rich.table import Table
from rich.text import Text

from murakkab.cli.predictions import Compared, Kept, Pair, Step, compared
from murakkab.cli.tables import narrowed, new_table, seconds_text, usd_text
from murakkab.figures import Figure
from murakkab.optimizer.reasons import amount, said
from murakkab.runtime.result import JobResult

if TYPE_CHECKING:
    from rich.console import JustifyMethod

#: How many steps are listed.
_LISTED: Final = 10
#: Parts by which a prediction may be off before it is said as a factor.
_MUCH: Final = 10.0


def predictions(result: JobResult, *, width: int) -> Iterator[Table | Text]:
    """Yield what was predicted of a job that has succeeded beside what was measured; nothing where nothing was forecast."""
    found = compared(result) if result.status == "succeeded" else None
    if found is not None:
        yield job_table(found)
        yield steps_off_table(found.steps, width=width)
        yield from kept_lines(found)


def job_table(found: Compared) -> Table:
    """Return a line per measure of the whole job: what was predicted, in which interval, what was measured, and by how much it was off."""
    table = new_table()
    for name in ("the job", "predicted", "interval", "measured", "off", "figures"):
        table.add_column(name, justify="right" if name in ("predicted", "measured", "off") else "left")
    for name, pair in found.job.items():
        if pair.figure is not None or pair.measured is not None:
            table.add_row(
                name, _said(name, pair.figure), _interval(name, pair.figure), _measured(name, pair), off_text(pair), _source(pair)
            )
    return table


def steps_off_table(steps: Sequence[Step], *, width: int) -> Table:
    """Return a line per step, the furthest off first, at most ten; where *width* is too little, without the columns that matter least."""
    listed = steps[:_LISTED]
    columns = {
        "step": [one.step for one in listed],
        "tasks": [_tasks(one) for one in listed],
        "a task, predicted": [_said("latency", one.seconds.figure) for one in listed],
        "measured": [_measured("latency", one.seconds, none="-") for one in listed],
        "off": [off_text(one.seconds) for one in listed],
        "energy, predicted": [_said("energy", one.joules.figure) for one in listed],
        "energy, measured": [_measured("energy", one.joules, none="-") for one in listed],
        "cost": [_both("cost", one.usd) for one in listed],
        "figures": [_source(one.seconds) for one in listed],
    }
    if all(one.joules.measured is None for one in listed):
        del columns["energy, measured"]
    if all(not one.usd.measured and (one.usd.figure is None or not one.usd.figure.value) for one in listed):
        del columns["cost"]
    narrowed(columns, width, ("cost", "energy, predicted", "energy, measured", "figures"))
    table = new_table()
    for name in columns:
        justify: JustifyMethod = "left" if name in ("step", "figures") else "right"
        table.add_column(name, justify=justify, no_wrap=name != "step", overflow="fold" if name == "step" else "ellipsis")
    for i in range(len(listed)):
        table.add_row(*(Text(found[i]) for found in columns.values()))
    if len(steps) > _LISTED:
        table.caption = f"{len(steps) - _LISTED} more steps, less far off: --json has them all"
        table.caption_justify = "left"
    return table


def kept_lines(found: Compared) -> Iterator[Text]:
    """Yield whether each limit was kept, and what is to be said of the energy."""
    for one in found.limits:
        yield Text(_kept(one), {True: "green", False: "red", None: "yellow"}[one.is_kept])
    if found.has_base and found.job["energy"].measured is not None:
        yield Text("the energy measured has the base power of the machine in it, what is predicted for pools that are on has not", "dim")


def _kept(one: Kept) -> str:
    wanted = f"limit {said(one.name)} {amount(one.name, one.limit)}"
    if one.is_kept is None:
        figure = one.pair.figure
        return f"{wanted}: not measured" + ("" if figure is None else f"; predicted {amount(one.name, figure.value)}")
    return f"{wanted}: {'kept' if one.is_kept else 'NOT kept'}, {amount(one.name, one.pair.measured or 0.0)}"


def off_text(pair: Pair) -> str:
    """Return `+12 %`, `-30 %` or, where it was off by far, `x 14`; a dash where that means nothing."""
    off = pair.off
    if off is None:
        return "-"
    return f"x {off + 1.0:.3g}" if off > _MUCH else f"{off:+.0%}".replace("%", " %")


def _tasks(one: Step) -> str:
    return f"{one.expected:.3g}" if one.expected == one.done else f"{one.expected:.3g} / {one.done}"


def _both(name: str, pair: Pair) -> str:
    return f"{_said(name, pair.figure)} / {_measured(name, pair, none='-')}"


def _said(name: str, figure: Figure | None) -> str:
    return "not known" if figure is None else _text(name, figure.value)


def _interval(name: str, figure: Figure | None) -> str:
    return "" if figure is None or figure.is_exact else f"{_text(name, figure.low)} - {_text(name, figure.high)}"


def _measured(name: str, pair: Pair, *, none: str = "not measured") -> str:
    return none if pair.measured is None else _text(name, pair.measured)


def _text(name: str, value: float) -> str:
    if name == "latency":
        return seconds_text(value)
    return usd_text(value) if name == "cost" else amount(name, value)


def _source(pair: Pair) -> str:
    return "" if pair.figure is None else str(pair.figure.of.source)
