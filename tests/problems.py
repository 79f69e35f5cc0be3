"""Small selections made by Hypothesis with every feature, and the brute force that knows all of their answers."""

import itertools
import random
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from murakkab.optimizer.limits import FLOORS
from murakkab.optimizer.problem import Bounds, Link, Option, Percentile, PoolBound, Problem, Rate, Rule, Task, Totals
from murakkab.optimizer.totals import is_feasible, totals_of

_POOLS = ("gpu", "cpu")
_MODELS = ("large", "small")
#: Of these, and on how many devices each may lie.
_SPLIT = {"wide": 6.0, "thin": 2.0, "plain": 3.0}
_SOME = st.integers(0, 9)


def _maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | strategy


@st.composite
def _resident(draw: st.DrawFn) -> dict[str, float]:
    model = draw(st.sampled_from((*_MODELS, *_SPLIT)))
    return {model: _SPLIT.get(model) or float(draw(st.integers(1, 9)))}


@st.composite
def options(draw: st.DrawFn, label: str, *, rated: bool, streaming: bool) -> Option:
    seconds = float(draw(st.integers(1, 9)))
    pool = draw(st.sampled_from(_POOLS))
    return Option(
        label,
        seconds,
        draw(_maybe(st.integers(0, 5).map(lambda more: seconds + more))),
        joules=float(draw(_SOME)),
        usd=draw(_SOME) / 100,
        quality=draw(st.integers(3, 10)) / 10 if rated else None,
        first=seconds / draw(st.integers(1, 4)) if streaming else None,
        last=seconds / draw(st.integers(1, 4)) if streaming else None,
        use={pool: float(draw(_SOME))} if draw(st.booleans()) else {},
        calls={"api": float(draw(st.integers(0, 3)))} if draw(st.booleans()) else {},
        resident={pool: draw(_resident())} if draw(st.booleans()) else {},
        keys={"same": draw(st.sampled_from("ab"))},
    )


@st.composite
def tasks(draw: st.DrawFn, most: int) -> tuple[Task, ...]:
    made: list[Task] = []
    streaming = draw(st.booleans())
    for number in range(draw(st.integers(1, most))):
        names = [task.name for task in made]
        parents = draw(st.lists(st.sampled_from(names), max_size=2, unique=True)) if names else []
        split = draw(st.integers(0, len(parents))) if streaming else len(parents)
        rated = draw(st.integers(0, 3)) > 0
        count = draw(st.integers(1, 4))
        of = tuple(draw(options(f"o{place}", rated=rated, streaming=streaming)) for place in range(count))
        made.append(
            Task(
                f"t{number}",
                of,
                tuple(parents[:split]),
                tuple(parents[split:]),
                ready=float(draw(st.sampled_from((0, 0, 0, 4)))),
                weight=float(draw(st.integers(1, 2))),
            )
        )
    return tuple(made)


@st.composite
def problems(draw: st.DrawFn, most: int = 4, measures: tuple[str, ...] = ("latency", "cost", "energy", "quality")) -> Problem:
    """Return a selection with limits near what one of its selections takes, so that they matter."""
    of = draw(tasks(most))
    pools = tuple(
        PoolBound(
            name,
            draw(_maybe(st.integers(1, 3))),
            base_watts=float(draw(_SOME)),
            is_on=draw(st.booleans()),
            split=draw(st.dictionaries(st.sampled_from(tuple(_SPLIT)), st.integers(1, 2))),
            # What is woken of both together may be no more than what one of them draws.
            part_of=_POOLS[0] if name != _POOLS[0] and draw(st.booleans()) else "",
        )
        for name in _POOLS
    )
    rates = (Rate("api", float(draw(st.integers(1, 4))), draw(_maybe(st.integers(1, 5)))),)
    rule = draw(st.sampled_from(Rule))
    percentile = draw(st.sampled_from(Percentile))
    linked = draw(st.lists(st.sampled_from([task.name for task in of]), min_size=2, max_size=3, unique=True)) if len(of) > 1 else []
    links = (Link("same", tuple(linked)),) if linked and draw(st.booleans()) else ()
    chosen = tuple(draw(st.permutations(measures)))[: draw(st.integers(1, 2))]
    if not any(option.quality is not None for task in of for option in task.options):
        chosen = tuple(measure for measure in chosen if measure != "quality") or ("energy",)
    bare = Problem(of, pools, rates, Bounds(percentile=percentile, rule=rule), chosen, links)
    return _bounded(draw, bare)


def _bounded(draw: st.DrawFn, bare: Problem) -> Problem:
    hidden = totals_of(bare, [draw(st.sampled_from(task.options)) for task in bare.tasks])

    def near(name: str) -> float | None:
        value = hidden.limits.get(name)
        if value is None or draw(st.booleans()):
            return None
        return value * draw(st.sampled_from((0.7, 0.9, 1.0, 1.1, 1.5)))

    bounds = Bounds(near("latency"), near("cost"), near("energy"), near("quality"), bare.bounds.percentile, bare.bounds.rule)
    pools = tuple(replace(p, capacity=near(f"capacity:{p.name}"), memory=near(f"memory:{p.name}")) for p in bare.pools)
    return Problem(bare.tasks, pools, bare.rates, bounds, bare.minimize, bare.links)


def selections(problem: Problem) -> Iterator[tuple[tuple[Option, ...], Totals]]:
    """Yield every feasible selection."""
    for picked in itertools.product(*(task.options for task in problem.tasks)):
        totals = totals_of(problem, picked)
        if is_feasible(problem, picked, totals):
            yield picked, totals


def best_of(problem: Problem) -> tuple[float, ...] | None:
    """Return the values of what is minimised, in order, of the best selection; None where nothing is feasible."""
    found = [tuple(signed(measure, totals.limits[measure]) for measure in problem.minimize) for _, totals in selections(problem)]
    return min(found, default=None)


def signed(measure: str, value: float) -> float:
    """Return a value such that less is better."""
    return -value if measure in FLOORS else value


def rich_problem(seed: int, tasks: int = 5, measure: str = "") -> Problem:
    """Return a selection that has every feature at once, from a seed: what Hypothesis draws is often too small for them to matter."""
    rng = random.Random(seed)
    made: list[Task] = []
    for number in range(tasks):
        before = [task.name for task in made[-3:]]
        sources = rng.sample(before, rng.randint(0, min(2, len(before))))
        streams = [name for name in sources if rng.random() < 0.5]
        of = tuple(_rich_option(f"o{place}", rng) for place in range(rng.randint(3, 4)))
        made.append(Task(f"t{number}", of, tuple(name for name in sources if name not in streams), tuple(streams)))
    pools = tuple(PoolBound(name, rng.choice((None, 1, 2)), base_watts=rng.uniform(0, 2), is_on=rng.random() < 0.4) for name in _POOLS)
    bounds = Bounds(percentile=rng.choice(list(Percentile)), rule=rng.choice(list(Rule)))
    links = (Link("same", tuple(sorted(rng.sample([task.name for task in made], 2)))),)
    minimize = (measure or rng.choice(("latency", "cost", "energy", "quality")),)
    rates = (Rate("api", 4.0, rng.choice((None, 3.0))),)
    bare = Problem(tuple(made), pools, rates, bounds, minimize, links)
    key = rng.choice("ab")
    linked = set(links[0].tasks)
    hidden = totals_of(
        bare,
        [rng.choice([one for one in task.options if task.name not in linked or one.keys["same"] == key] or task.options) for task in made],
    )

    def near(name: str) -> float | None:
        room = rng.choice((1.0, 1.02, 1.1, None))
        return None if room is None else hidden.limits[name] * (2 - room if name == "quality" else room)

    bounds = replace(bounds, latency=near("latency"), cost=near("cost"), energy=near("energy"), quality=near("quality"))
    pools = tuple(replace(pool, capacity=near(f"capacity:{pool.name}"), memory=near(f"memory:{pool.name}")) for pool in pools)
    return replace(bare, bounds=bounds, pools=pools)


def _rich_option(label: str, rng: random.Random) -> Option:
    pool = rng.choice(_POOLS)
    seconds = rng.uniform(1, 10)
    return Option(
        label,
        seconds,
        seconds * rng.uniform(1, 2),
        joules=60 / seconds * rng.uniform(0.5, 1.5),
        usd=rng.uniform(1, 9) / 100,
        quality=rng.uniform(0.3, 1),
        first=seconds * rng.uniform(0, 0.5),
        last=seconds * rng.uniform(0, 0.5),
        use={pool: seconds * rng.uniform(0.5, 2)},
        calls={"api": float(rng.randint(0, 3))},
        resident={pool: {rng.choice(_MODELS): rng.uniform(1, 9)}},
        keys={"same": rng.choice("ab")},
    )
