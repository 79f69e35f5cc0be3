"""driver: `murakkab plan --pareto` - the frontier of two or three measures of a job, on a terminal, as data and as a picture."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from murakkab import app
from murakkab.choosing import traded
from murakkab.cli.options import measures_of
from murakkab.cli.plans import aim_text, limit_lines, tier_text
from murakkab.cli.printing import answer, console_of, tell
from murakkab.cli.report import diagnostic_json
from murakkab.cli.scatter import scatter
from murakkab.cli.trades import ASIDE, axis_of, difference_lines, marks_of, remarks_of, trade_json, trade_table
from murakkab.errors import InputError
from murakkab.forecasts import goal_json
from murakkab.optimizer.trades import Trade
from murakkab.spec import Goal

_PICTURES: Final = (".png", ".svg")
#: Columns of a terminal on which the table has room for what each point does otherwise.
_WIDE: Final = 72


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which frontier: `measures` as they were typed, how many `points` at most, and the file of the picture."""

    measures: str
    points: int = 12
    output: Path | None = None

    def checked(self) -> tuple[str, ...]:
        """Return the measures. Raises `InputError` for anything of this that cannot be."""
        measures = measures_of(self.measures)
        if len(set(measures)) != len(measures) or len(measures) not in (2, 3):
            raise InputError("a frontier is of two or three different measures", hint="--pareto energy,latency")
        if self.output is not None and self.output.suffix.lower() not in _PICTURES:
            raise InputError(f"{str(self.output)!r} is neither .png nor .svg", hint="name the picture frontier.png or frontier.svg")
        return measures


def pareto(work: app.Work, wanted: Wanted, goal: Goal, inputs: Mapping[str, Any] | None, *, home: Path, as_json: bool) -> None:
    """Print the frontier of a job of *work*, and draw it where a file is named."""
    measures = wanted.checked()
    trade = traded(work, measures, app.Settings(home=home), inputs=inputs, goal=goal, points=wanted.points)
    name, goal = work.graph.workflow.name, trade.chosen.goal
    if wanted.output is not None:
        _draw(trade, f"{name}: {aim_text(goal)}", wanted.output)
    if as_json:
        warnings = [*map(diagnostic_json, work.warnings)]
        answer({"workflow": name, "goal": goal_json(goal), **trade_json(trade), "warnings": warnings}, plain=True)
        return
    tell(*map(str, work.warnings))
    _print(trade, f"{name}: {aim_text(goal)}")
    if wanted.output is not None:
        tell(f"the picture is in {wanted.output}")


def _print(trade: Trade, title: str) -> None:
    console = console_of()
    console.print(title, markup=False, highlight=False, style="bold")
    marks = marks_of(trade)
    if len(marks) > 1:
        x, y, *more = map(axis_of, trade.measures)
        edge = [] if more else [mark for mark in marks if mark.sign != ASIDE]
        console.print()
        console.print(scatter(marks, x, y, width=console.width, steps=edge), no_wrap=True, crop=True)
    is_wide = console.width >= _WIDE
    console.print(trade_table(trade, with_differences=is_wide))
    for line in () if is_wide else difference_lines(trade):
        console.print(line, markup=False, highlight=False)
    told = limit_lines(trade.chosen)
    for remark in (*map(tier_text, trade.chosen.tiers), *remarks_of(trade), *told):
        console.print(f"- {remark}", markup=False, highlight=False, style="yellow" if remark in told else "dim")


def _draw(trade: Trade, title: str, file: Path) -> None:
    # Matplotlib is an extra, and takes long to load.
    from murakkab.cli.frontier_picture import picture_of
    from murakkab.local_files import write_whole

    content = picture_of(trade, title, form=file.suffix.lower().lstrip("."))
    try:
        write_whole(file, content)
    except OSError as error:
        raise InputError(f"{str(file)!r} cannot be written: {error.strerror}") from None
