"""driver: puts the questions of a job to the person at the terminal."""

import getpass
import json
import os
import select
import sys
from collections.abc import Callable
from typing import Any, Final

from rich.console import Console
from rich.markup import escape

from murakkab.cli.inputs import read_form
from murakkab.cli.printing import console_of
from murakkab.cli.replies import Question
from murakkab.cli.visible import visible
from murakkab.errors import InputError
from murakkab.runtime.messages import Answered
from murakkab.spec import Input

_YES: Final = ("y", "yes")
_NO: Final = ("n", "no")
_LATER: Final = ("l", "later", "")
#: Seconds between looks whether the question still stands.
_LOOK_EVERY: Final = 0.3
#: Says whether what is asked was answered elsewhere.
Settled = Callable[[], bool]


class _LaterError(Exception):
    """The person has better things to do."""


class AnsweredElsewhere(Exception):
    """Somebody else was faster: the question is asked no more."""


def can_ask() -> bool:
    """True when a person reads what is written and can answer."""
    return sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()


def user_name() -> str:
    """Return who uses this machine, "" where it does not say."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""


def ask(asked: Question, now: float, settled: Settled) -> Answered | None:
    """Return what the person says, None for "later". Raises `AnsweredElsewhere` as soon as *settled* says so."""
    console = console_of(stderr=True)
    console.print()
    console.print(f"[bold yellow]?[/] [bold]{_plain(asked.task)}[/] asks: {_plain(asked.message)}", highlight=False)
    prompt = _Prompt(console, settled)
    try:
        approved = _decision(prompt)
        values = {name: _field(prompt, name, one) for name, one in asked.form.items()} if approved else _reason(prompt)
    except (_LaterError, EOFError, KeyboardInterrupt):
        console.print()
        return None
    except AnsweredElsewhere:
        console.print()
        console.print("  answered elsewhere", style="dim")
        raise
    return Answered(now, asked.task, approved, values, user_name())


def ask_fields(form: dict[str, Input]) -> dict[str, Any] | None:
    """Return what the person writes into the fields of *form*, None for "later"."""
    console = console_of(stderr=True)
    prompt = _Prompt(console, lambda: False)
    try:
        return {name: _field(prompt, name, one) for name, one in form.items()}
    except (EOFError, KeyboardInterrupt):
        console.print()
        return None


def confirm(question: str) -> bool:
    """Return whether the person says yes; anything else is a no."""
    console = console_of(stderr=True)
    try:
        return _Prompt(console, lambda: False).line(f"{_plain(question)} \\[y/N] ").lower() in _YES
    except (EOFError, KeyboardInterrupt):
        console.print()
        return False


class _Prompt:
    """Asks for lines at the terminal, as long as what is asked is not settled elsewhere."""

    def __init__(self, console: Console, settled: Settled) -> None:
        self.console = console
        self._settled = settled
        self._read = b""

    def line(self, prompt: str) -> str:
        """Return the next line that is typed. Raises `AnsweredElsewhere`, and `EOFError` where there is none."""
        self.console.print(prompt, end="")
        number = sys.stdin.fileno()
        # The terminal hands over whole lines; what is typed so far is still its own.
        while b"\n" not in self._read:
            ready, _, _ = select.select([number], [], [], _LOOK_EVERY)
            if ready:
                more = os.read(number, 4096)
                if not more:
                    raise EOFError
                self._read += more
            elif self._settled():
                raise AnsweredElsewhere
        line, _, self._read = self._read.partition(b"\n")
        return line.decode(sys.stdin.encoding or "utf-8", "replace").strip()


def _decision(prompt: _Prompt) -> bool:
    while True:
        word = prompt.line("  \\[y]es, \\[n]o, or \\[l]ater: ").lower()
        if word in _LATER:
            raise _LaterError
        if word in (*_YES, *_NO):
            return word in _YES


def _field(prompt: _Prompt, name: str, one: Input) -> Any:
    about = f"  {one.description}" if one.description else ""
    default = "" if one.required and one.type.kind != "optional" else f" [dim]\\[{_plain(json.dumps(one.default, ensure_ascii=False))}][/]"
    while True:
        text = prompt.line(f"  {name} [dim]({_plain(str(one.type))}){_plain(about)}[/]{default}: ")
        if not text:
            if not one.required or one.type.kind == "optional":
                return one.default
            prompt.console.print("  it is needed", style="red")
            continue
        try:
            return read_form([f"{name}={text}"], {name: one})[name]
        except InputError as error:
            prompt.console.print(f"  {_plain(error.message)}", style="red", highlight=False)


def _reason(prompt: _Prompt) -> dict[str, Any]:
    reason = prompt.line("  why? [dim](may be left out)[/] ")
    return {"reason": reason} if reason else {}


def _plain(text: str) -> str:
    """Return *text* so that nothing in it is taken for markup, or moves the cursor."""
    return escape(visible(text))
