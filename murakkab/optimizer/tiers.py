"""policy: the tiers of a workflow - best, good, fair, basic - and what they are for one job. How they are set: `tier_setting`.

A tier is the measure of a *choice*: of all choices that are on the frontier of this measure against another known one, from worst to best,
the one at percentile 100, 95, 80 or 50, rounded down to a choice that there is (the percentiles of Murakkab, OSDI '25, section 5, where
they are over all configurations; here what another choice beats has no say). Steps are not left undone for a tier.

That choice is kept with its figures, its pools and what tasks shared. What a tier means for a job is what that choice would take for *it*,
by the figures of then: so it grows with the inputs, and nothing moves it that is added, measured or changed later.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from murakkab.catalog import Device, ExecutorCard, Limits, Needs
from murakkab.devices import Allowance, ClusterView, DeviceKind, Pool
from murakkab.errors import PlanError
from murakkab.figures import Figure
from murakkab.optimizer.candidates import missing_of
from murakkab.optimizer.configurations import Configuration, Taken
from murakkab.optimizer.estimate import Scene, forecast
from murakkab.optimizer.expected import expected_counts
from murakkab.optimizer.limits import FLOORS
from murakkab.optimizer.problem import Rule
from murakkab.optimizer.reasons import measure_of
from murakkab.optimizer.resources import PLAIN, Footprint
from murakkab.optimizer.situation import Situation
from murakkab.plan import TaskGraph
from murakkab.spec import TIERS, Goal

_DIGITS: Final = 3


@dataclass(frozen=True, slots=True)
class Held:
    """How a step is done in a choice that a tier stands for, with the figures of then: `label` names executor and knobs.

    What is loaded or started first is among them, and so is what a task takes while others run (`loads`): as in the forecast of a plan.
    """

    executor: str
    label: str
    taken: Taken
    pool: str = ""
    needs: Needs = field(default_factory=Needs)
    concurrency: int | None = None
    footprint: Footprint = PLAIN
    loads: tuple[tuple[int, Taken], ...] = ()


@dataclass(frozen=True, slots=True)
class HeldPool:
    """What of a pool a forecast asks for, as it was: `is_engine`: executors do not run in its devices, an engine does."""

    device: Device = Device.GPU
    count: float = 1.0
    is_on: bool = True
    is_engine: bool = False
    base_watts: Figure | None = None


#: A whole choice, by the paths of the steps.
Choices = Mapping[str, Held]


@dataclass(frozen=True, slots=True)
class Tiers:
    """What tiers stand for: by measure, the choice for each name of `TIERS`, in that order.

    `steps`: capability by path, of the workflow that they were set for. `capacity`: what tasks shared; `pools`: those that were used;
    `allowances`: what endpoints allowed. `ways`: how many ways each step had. `counted`: how many choices, by measure.
    """

    steps: Mapping[str, str]
    choices: Mapping[str, Sequence[Choices]]
    capacity: Mapping[str, float] = field(default_factory=dict)
    pools: Mapping[str, HeldPool] = field(default_factory=dict)
    allowances: Sequence[Allowance] = ()
    ways: Mapping[str, int] = field(default_factory=dict)
    counted: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Version:
    """The tiers of a workflow as they were set: `since` is a day and time in UTC, `why` the reason, `amounts` those for any job then.

    `software` is the version of Murakkab, `profiles` how many there were of what was measured.
    """

    workflow: str
    number: int
    since: str
    why: str
    tiers: Tiers
    amounts: "Amounts" = field(default_factory=dict)
    software: str = ""
    profiles: int = 0


#: By measure and name of a tier: seconds, USD, joules, quality.
Amounts = Mapping[str, Mapping[str, float]]


def steps_of(graph: TaskGraph) -> dict[str, str]:
    """Return the capability of every step that an executor does, by path: while these are the same, tiers stay."""
    return {node.path: node.uses for node in graph.every_node() if node.is_plain}


def amounts_of(tiers: Tiers, graph: TaskGraph, at: Situation) -> Amounts:
    """Return what each tier is for a job: what the choice it stands for would take for it by the figures of then.

    As in a plan, what is not warm in this process is loaded first. Rounded to three digits, to the side that is easier to reach. For other
    inputs the order of choices may be another; the best of the four stays the best.
    """
    counts, rule = expected_counts(graph, at.inputs, at.seen), Rule(graph.workflow.goal.quality)
    scene = Scene(graph, counts, _view(tiers), tiers.capacity, rule, at.warm, missing_of(graph, at.profiles))
    found: dict[str, Mapping[str, float]] = {}
    for measure, choices in tiers.choices.items():
        estimates = [forecast(scene, _ways(one), with_interval=False).estimate for one in choices]
        values = [value for one in estimates if (value := measure_of(one, measure)) is not None]
        if len(values) == len(TIERS):
            values.sort(reverse=measure in FLOORS)
            found[measure] = {tier: rounded(measure, value) for tier, value in zip(TIERS, values, strict=True)}
    return found


def in_numbers(goal: Goal, amounts: Amounts) -> Goal:
    """Return *goal* with numbers in the place of its tiers. Raises `PlanError` for one of a measure of which nothing was known."""
    for name, tier in goal.tiers.items():
        if name not in amounts:
            hint = "`murakkab profile` measures it; then `murakkab tiers FILE --renew`"
            raise PlanError(f"the tier {tier!r} of {name} stands for nothing: no {name} was known when the tiers were set", hint=hint)
    return replace(goal, limits={**goal.limits, **{name: amounts[name][tier] for name, tier in goal.tiers.items()}}, tiers={})


def weaker(goal: Goal) -> Goal | None:
    """Return *goal* with each tier one step easier to reach; None where all are the easiest."""
    if all(tier == TIERS[-1] for tier in goal.tiers.values()):
        return None
    tiers = {name: TIERS[min(TIERS.index(tier) + 1, len(TIERS) - 1)] for name, tier in goal.tiers.items()}
    return replace(goal, tiers=tiers)


def rounded(measure: str, value: float) -> float:
    """Return a value in three digits that is no harder to reach."""
    if not value:
        return 0.0
    digits = _DIGITS - 1 - math.floor(math.log10(abs(value)))
    turn = math.floor if measure in FLOORS else math.ceil
    # What is a whole number of these digits but for the arithmetic stays.
    return round(turn(round(value * 10.0**digits, 6)) / 10.0**digits, max(0, digits))


def _view(tiers: Tiers) -> ClusterView:
    """Return the pools of then; what endpoints allow is that of pools which nothing else is known of."""
    pools = {
        name: Pool(name, DeviceKind(name, held.device), held.count, held.is_on, held.base_watts, endpoint=name if held.is_engine else "")
        for name, held in tiers.pools.items()
    }
    allowed = {f"allowance of {one.of}": Pool(one.of, DeviceKind(one.of, Device.REMOTE), allowance=one) for one in tiers.allowances}
    return ClusterView({**pools, **allowed})


def _ways(choices: Choices) -> dict[str, Configuration]:
    return {
        path: Configuration(
            ExecutorCard(held.executor, "", "", needs=held.needs, limits=Limits(concurrency=held.concurrency)),
            {},
            "",
            held.pool,
            held.taken,
            held.loads,
            held.footprint,
        )
        for path, held in choices.items()
    }
