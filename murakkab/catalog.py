"""data: what an installation can do - capabilities, and the executors that provide them. No code is called from here."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from murakkab.spec import Effect
from murakkab.types import ANY, Type, mismatch


class Device(StrEnum):
    """The kind of device that an executor runs on."""

    CPU = "cpu"
    GPU = "gpu"
    REMOTE = "remote"


@dataclass(frozen=True, slots=True)
class Parameter:
    """An input of a capability, or a knob of an executor; `choices` or `low`/`high` bound what a knob may be.

    `trades`: the values of a knob are better or cheaper ways to the same result, so that the optimizer may pick one of its `choices`.
    """

    name: str
    type: Type = ANY
    default: Any = None
    required: bool = True
    description: str = ""
    choices: tuple[Any, ...] = ()
    low: float | None = None
    high: float | None = None
    trades: bool = False


@dataclass(frozen=True, slots=True)
class Capability:
    """What a step can ask for: a name, a description, typed inputs and the type of the result.

    `open_inputs`: any further input is handed through (a `python` step takes what its function takes). `streams`: the result is a list
    whose elements are given one by one, as they are made.
    """

    name: str
    description: str
    inputs: tuple[Parameter, ...] = ()
    result: Type = ANY
    open_inputs: bool = False
    streams: bool = False

    def input(self, name: str) -> Parameter | None:
        """Return the input of that name, or None."""
        return next((p for p in self.inputs if p.name == name), None)


@dataclass(frozen=True, slots=True)
class Needs:
    """What one running task occupies; it waits for all of it. `slots` names further limits: {"gpu-memory-mb": 8000}."""

    cores: float = 0.0
    slots: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of one executor may run in this process: tasks at a time, and starts per second."""

    concurrency: int | None = None
    rate_per_second: float | None = None


@dataclass(frozen=True, slots=True)
class Quote:
    """What one task is expected to take. `source` says where the figures are from: measured, modelled or assumed.

    `quality` lies between 0 and 1, by the metric that suits the capability; cards that ship have it from `benchmarks.alternatives`, which
    scores them on the sample data, made harder in part. It tells executors of one capability apart; your own data may say otherwise.
    """

    seconds: float = 1.0
    usd: float = 0.0
    joules: float | None = None
    quality: float | None = None
    source: str = "assumed"
    tokens: int = 0
    #: Those of `tokens` that a model writes.
    tokens_out: int = 0


@dataclass(frozen=True, slots=True)
class ExecutorCard:
    """One way to provide a capability, with its knobs. `version` changes whenever its results may: it is part of the cache key.

    `extra` names the optional libraries and `settings` the environment variables without which it cannot run. `leaves_undone`: it gives
    the empty result and does nothing, which is one way to switch a step off (`optional` is the other); it is never chosen unless the step
    or a limit allows it.
    """

    name: str
    capability: str
    description: str
    knobs: tuple[Parameter, ...] = ()
    effect: Effect = Effect.WRITE
    device: Device = Device.CPU
    needs: Needs = Needs()
    limits: Limits = Limits()
    quote: Quote = Quote()
    version: str = "1"
    extra: str = ""
    settings: tuple[str, ...] = ()
    leaves_undone: bool = False

    def knob(self, name: str) -> Parameter | None:
        """Return the knob of that name, or None."""
        return next((k for k in self.knobs if k.name == name), None)

    def admits(self, name: str, value: Any) -> bool:
        """Return whether there is a knob of that name that can be *value*."""
        knob = self.knob(name)
        return knob is not None and not mismatch(knob.type, value) and (not knob.choices or value in knob.choices)


@dataclass(frozen=True, slots=True)
class Catalog:
    """Every capability and executor of an installation, by name. `lacking` says of those that cannot run here what they lack, in words."""

    capabilities: Mapping[str, Capability] = field(default_factory=dict)
    executors: Mapping[str, ExecutorCard] = field(default_factory=dict)
    lacking: Mapping[str, str] = field(default_factory=dict)

    def providers(self, capability: str) -> tuple[ExecutorCard, ...]:
        """Return the executors that provide *capability*, in the order they were registered."""
        return tuple(card for card in self.executors.values() if card.capability == capability)
