"""driver: the progress of a job while it runs - a table that redraws itself on a terminal, else one line per settled step."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from murakkab.cli.event_lines import change_text
from murakkab.cli.places import status_of
from murakkab.cli.progress import Progress, StepLine
from murakkab.cli.tables import STATUS_STYLES, seconds_text, step_name
from murakkab.runtime.messages import AskPerson, ChoicesChanged
from murakkab.runtime.records import Status, path_of
from murakkab.runtime.state import JobState

_MARKS = {
    "succeeded": "✓",
    "failed": "✗",
    "skipped": "-",
    "cancelled": "-",
    "doubt": "?",
    "awaiting": "◆",
    "backoff": "↻",
    "queued": "·",
    "waiting": "·",
}
_BAR_WIDTH = 24
#: Which steps to show when there are more than lines on the screen.
_INTEREST = {"failed": 0, "running": 0, "doubt": 0, "awaiting": 0, "backoff": 0, "queued": 1, "waiting": 3}
#: With more steps than this, draw less often.
_MANY = 200


class Display:
    """Shows one job on *console*. Give `observe` to the job as its observer; draws only while in `shown()`.

    It keeps a `JobState` of its own, which hears the same events as the one that decides: a display cannot disturb a job.
    """

    def __init__(self, console: Console, title: str, state: JobState) -> None:
        self._console = console
        self._title = title
        self._state = state
        self._progress = Progress()
        self._begin = time.time()
        self._spinner = Spinner("dots")
        #: What stands below the table: how to stop, that it is stopping.
        self.note = ""
        #: Steps whose end has been told; what an earlier run has settled is no news.
        self._told = {name for name, step in state.steps.items() if status_of(step) in ("succeeded", "skipped")}
        #: What waited for somebody before is no news either.
        self._waited = set(state.asking)
        #: Every change since the last look.
        self._news = state.log = []

    @property
    def is_live(self) -> bool:
        """True when it redraws itself on a terminal."""
        return self._console.is_terminal

    def observe(self, job: str, message: Any) -> None:
        """Hear an event of the job, or that it asks a person, of which the events tell as well."""
        if isinstance(message, AskPerson):
            return
        if isinstance(message, ChoicesChanged):
            self._console.print(change_text(message), style="yellow", markup=False, highlight=False)
        self._progress.hear(message)
        self._state.handle(message)
        self._progress.see(self._news)
        if not self._console.is_terminal:
            self._tell_news()
        self._news.clear()

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Draw while the block runs; what stays on the screen is the last state."""
        if not self._console.is_terminal:
            yield
            for name in self._state.steps:
                self._tell(self._progress.line(name, self._state, time.time()))
            return
        rate = 10 if len(self._state.steps) <= _MANY else 2
        with Live(get_renderable=self._drawn, console=self._console, refresh_per_second=rate, transient=True):
            yield

    def _lines(self) -> list[StepLine]:
        return self._progress.lines(self._state, time.time())

    def _tell_news(self) -> None:
        """Tell of the steps that settled since the last look. Reads only what is new: a job may have many thousand steps."""
        for _, task, status, cause in self._news:
            if status is Status.AWAITING and task not in self._waited:
                self._console.print(f"{task}: {cause}", markup=False, highlight=False)
        for step in dict.fromkeys(path_of(task) for _, task, _, _ in self._news):
            known = self._state.steps.get(step)
            if known is not None and step not in self._told and known.status is not Status.WAITING:
                self._tell(self._progress.line(step, self._state, time.time()))

    def _tell(self, line: StepLine) -> None:
        if line.is_settled and line.step not in self._told:
            self._told.add(line.step)
            tasks = self._progress.counted(line.step, self._state) if line.total != 1 else ""
            self._console.print(
                f"{line.step}: {line.status}{'  ' * bool(tasks)}{tasks}  {seconds_text(line.seconds)}", markup=False, highlight=False
            )

    def _drawn(self) -> Group:
        lines = self._lines()
        head = Text.assemble((self._title, "bold"), f"  {seconds_text(time.time() - self._begin)}")
        room = max(self._console.height - 4, 3)
        crowded = len(lines) > room
        if crowded:
            head.append(f"  {sum(line.is_settled for line in lines)} of {len(lines)} steps settled")
            lines = sorted(lines, key=lambda line: _INTEREST.get(line.status, 2))[:room]
        table = Table.grid(padding=(0, 2))
        for _ in range(6):
            table.add_column(no_wrap=True)
        for line in lines:
            table.add_row(*self._cells(line, indented=not crowded))
        return Group(head, table, Text(self.note, "yellow")) if self.note else Group(head, table)

    def _cells(self, line: StepLine, *, indented: bool) -> tuple[Any, ...]:
        style = STATUS_STYLES.get(line.status, "")
        mark = self._spinner if line.status == "running" else Text(_MARKS.get(line.status, " "), style)
        colour = "red" if line.status == "failed" else "cyan"
        bar = ProgressBar(max(line.total, 1), line.done, _BAR_WIDTH, complete_style=colour, finished_style="green")
        count = f"{line.done}/{line.total}{'+' if line.is_growing and not line.is_settled else ''}" if line.status != "waiting" else ""
        running = f"{line.running} running" if line.running else ""
        return (
            mark,
            Text(step_name(line.step) if indented else line.step, style),
            bar,
            count,
            running,
            seconds_text(line.seconds) if line.seconds is not None else "",
        )
