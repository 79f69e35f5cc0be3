"""driver: puts the questions of a job to the person at the terminal."""

import getpass
import json
import sys
from typing import Any, Final

from rich.console import Console

from murakkab.cli.inputs import read_form
from murakkab.cli.printing import console_of
from murakkab.cli.replies import Question
from murakkab.errors import InputError
from murakkab.runtime.messages import Answered
from murakkab.spec import Input

_YES: Final = ("y", "yes")
_NO: Final = ("n", "no")
_LATER: Final = ("l", "later", "")


class _LaterError(Exception):
    """The person has better things to do."""


def can_ask() -> bool:
    """True when a person reads what is written and can answer."""
    return sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()


def user_name() -> str:
    """Return who uses this machine, "" where it does not say."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""


def ask(asked: Question, now: float) -> Answered | None:
    """Return what the person says, None for "later"."""
    console = console_of(stderr=True)
    console.print()
    console.print(f"[bold yellow]?[/] [bold]{_plain(asked.task)}[/] asks: {_plain(asked.message)}", highlight=False)
    try:
        approved = _decision(console)
        values = {name: _field(console, name, one) for name, one in asked.form.items()} if approved else _reason(console)
    except (_LaterError, EOFError, KeyboardInterrupt):
        console.print()
        return None
    return Answered(now, asked.task, approved, values, user_name())


def ask_fields(form: dict[str, Input]) -> dict[str, Any] | None:
    """Return what the person writes into the fields of *form*, None for "later"."""
    console = console_of(stderr=True)
    try:
        return {name: _field(console, name, one) for name, one in form.items()}
    except (EOFError, KeyboardInterrupt):
        console.print()
        return None


def confirm(question: str) -> bool:
    """Return whether the person says yes; anything else is a no."""
    console = console_of(stderr=True)
    try:
        return console.input(f"{_plain(question)} \\[y/N] ").strip().lower() in _YES
    except (EOFError, KeyboardInterrupt):
        console.print()
        return False


def _decision(console: Console) -> bool:
    while True:
        word = console.input("  \\[y]es, \\[n]o, or \\[l]ater: ").strip().lower()
        if word in _LATER:
            raise _LaterError
        if word in (*_YES, *_NO):
            return word in _YES


def _field(console: Console, name: str, one: Input) -> Any:
    about = f"  {one.description}" if one.description else ""
    default = "" if one.required and one.type.kind != "optional" else f" [dim]\\[{_plain(json.dumps(one.default, ensure_ascii=False))}][/]"
    while True:
        text = console.input(f"  {name} [dim]({_plain(str(one.type))}){_plain(about)}[/]{default}: ")
        if not text.strip():
            if not one.required or one.type.kind == "optional":
                return one.default
            console.print("  it is needed", style="red")
            continue
        try:
            return read_form([f"{name}={text}"], {name: one})[name]
        except InputError as error:
            console.print(f"  {_plain(error.message)}", style="red", highlight=False)


def _reason(console: Console) -> dict[str, Any]:
    reason = console.input("  why? [dim](may be left out)[/] ").strip()
    return {"reason": reason} if reason else {}


def _plain(text: str) -> str:
    """Return *text* so that nothing in it is taken for markup, or moves the cursor."""
    shown = "".join(char if char.isprintable() or char == "\n" else " " for char in text)
    return shown.replace("\\", "\\\\").replace("[", "\\[")
