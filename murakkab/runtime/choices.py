"""policy: choices as a journal has them, and which of them a task was done by where a step was chosen again."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from murakkab.catalog import ExecutorCard
from murakkab.plan import Choice
from murakkab.runtime.messages import ChoicesChanged, Event


class Earlier(NamedTuple):
    """How a step was to be done `until` it was chosen again, in seconds since the epoch; None where nobody knows any more."""

    until: float
    choice: Choice | None


def written(choice: Choice, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Return how a choice that was made again is journalled; *asked*: the knobs of the step itself, which are in the workflow."""
    where: dict[str, Any] = {name: value for name, value in (("model", choice.model), ("pool", choice.pool)) if value}
    where |= {"devices": choice.devices} if choice.devices != 1 else {}
    return {"executor": choice.executor.name, "knobs": choice.more_than(asked), **where}


def amounts_of(choice: Choice) -> dict[str, float]:
    """Return what one task is expected to take of what a budget may limit: `{cost, energy, tokens}`, as far as it is anything."""
    quote = choice.executor.quote
    amounts = {"cost": quote.usd, "energy": quote.joules or 0.0, "tokens": float(quote.tokens)}
    return {name: amount for name, amount in amounts.items() if amount}


def read_back(said: Any, base: Choice, cards: Mapping[str, ExecutorCard], asked: Mapping[str, Any], why: str) -> Choice | None:
    """Return the choice that a journal tells of; None where its executor is gone.

    *said*: the name of an executor, or a record. What it leaves out of model and pool is that of *base* where that is the same choice, else
    unknown.
    """
    name, knobs = (said["executor"], said["knobs"]) if isinstance(said, Mapping) else (said, {})
    if name not in cards:
        return None
    every = {**asked, **knobs}
    model, pool, devices = str(every.get("model", "")), "", 1
    if (name, every) == (base.executor.name, dict(base.knobs)):
        model, pool, devices = base.model, base.pool, base.devices
    if isinstance(said, Mapping) and ("model" in said or "pool" in said):
        model, pool, devices = said.get("model", ""), said.get("pool", ""), said.get("devices", 1)
    return replace(base, executor=cards[name], knobs=every, why=why, model=model, pool=pool, devices=devices)


def earlier_choices(
    history: Sequence[Event],
    last: Mapping[str, Choice],
    first: Mapping[str, Choice | None],
    cards: Mapping[str, ExecutorCard],
    asked: Mapping[str, Mapping[str, Any]],
) -> dict[str, list[Earlier]]:
    """Return how steps were to be done before they were chosen again, by path, in the order of time.

    *last*: how they are done now; *first*: how they were at the beginning, None where that is unknown.
    """
    found: dict[str, list[Earlier]] = {}
    present: dict[str, Choice | None] = dict(first)
    for event in history:
        if type(event) is ChoicesChanged:
            for path, said in event.choices.items():
                if path in last and path in asked:
                    found.setdefault(path, []).append(Earlier(event.time, present.get(path)))
                    present[path] = read_back(said, last[path], cards, asked[path], event.why)
    return found


def choice_at(last: Choice | None, earlier: Sequence[Earlier], started: float, executor: str) -> Choice | None:
    """Return what an attempt was done by that *started* then, None where nobody knows: the latest choice of its *executor* until then.

    A task may have waited in its old way while its step was chosen again.
    """
    several = [last]
    for until, choice in reversed(earlier):
        if started < until:
            several = [choice]
        else:
            several.append(choice)
    return next((one for one in several if one is None or executor in ("", one.executor.name)), None)
