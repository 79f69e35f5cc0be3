"""policy: selections made up from a seed - pools, models, configurations and limits that all bind.

Every bound lies within 5-10 % of what a hidden assignment takes, so that all of them bind and each instance has an answer.
"""

from typing import Any, Final, NamedTuple

import numpy as np

from murakkab.optimizer.problem import Bounds, Option, PoolBound, Problem, Task


class _Pool(NamedTuple):
    """TB/s, TFLOP/s (effective), watts when active, USD per hour, GPUs."""

    bandwidth: float
    flops: float
    watts: float
    usd: float
    gpus: int


POOLS: Final = {
    "L40S": _Pool(0.6, 150, 300, 0.9, 1),
    "A100": _Pool(1.5, 180, 330, 1.5, 1),
    "A100x2": _Pool(2.7, 330, 640, 3.0, 2),
    "H100": _Pool(2.5, 450, 560, 2.6, 1),
    "H100x2": _Pool(4.6, 820, 1080, 5.2, 2),
    "H200": _Pool(3.7, 450, 580, 3.3, 1),
    "H100x4": _Pool(8.5, 1500, 2050, 10.4, 4),
    "MI300X": _Pool(3.8, 420, 620, 2.5, 1),
}
#: Billions of parameters, base quality, and where it runs.
MODELS: Final = {
    "8B": (8, 0.62, ("L40S", "A100", "H100")),
    "14B": (14, 0.70, ("L40S", "A100", "H100")),
    "32B": (32, 0.77, ("A100", "H100", "H200")),
    "70B": (70, 0.82, ("A100x2", "H100x4", "MI300X")),
}
BATCH: Final = 16
MFU: Final = 0.45
STEP_SECONDS: Final = 0.004


def _option(model: str, pool: str, tokens: tuple[float, float], difficulty: float) -> Option:
    billions, base, _where = MODELS[model]
    spec = POOLS[pool]
    parameters = billions * 1e9
    prefill = 2 * parameters * tokens[0] / (spec.flops * 1e12 * MFU)
    decode = tokens[1] * (2 * parameters / (spec.bandwidth * 1e12) + STEP_SECONDS)
    busy = prefill + decode / BATCH
    quality = float(np.clip(base + 0.25 * (1 - difficulty) - 0.05, 0.0, 1.0))
    return Option(
        f"{model} on {pool}",
        prefill + decode,
        joules=busy * spec.watts,
        usd=busy * spec.usd / 3600,
        quality=quality,
        use={pool: busy * spec.gpus},
    )


def instance(tasks: int, seed: int) -> Problem:
    """Return a selection of *tasks* x 12 configurations on 8 pools that minimises energy while every limit binds."""
    random = np.random.default_rng(seed)
    made: list[Task] = []
    for number in range(tasks):
        before = [made[place].name for place in range(max(0, number - 4), number)]
        parents = random.choice(before, size=min(len(before), int(random.integers(1, 3))), replace=False) if before else []
        tokens = (float(random.lognormal(7.3, 1.0)), float(random.lognormal(5.2, 0.7)))
        difficulty = float(random.uniform(0, 1))
        options = tuple(_option(model, pool, tokens, difficulty) for model, (_b, _q, where) in MODELS.items() for pool in where)
        made.append(Task(f"t{number}", options, tuple(map(str, parents))))
    return _bounded(tuple(made), random)


def _bounded(tasks: tuple[Task, ...], random: Any) -> Problem:
    picks = _hidden(tasks, random)
    finish: dict[str, float] = {}
    use = dict.fromkeys(POOLS, 0.0)
    for task, pick in zip(tasks, picks, strict=True):
        finish[task.name] = max((finish[parent] for parent in task.parents), default=0.0) + pick.seconds
        for pool, amount in pick.use.items():
            use[pool] += amount
    total = sum(use.values())
    pools = tuple(PoolBound(name, capacity=1.10 * max(amount, 0.05 * total)) for name, amount in use.items())
    cost = 1.05 * sum(pick.usd for pick in picks)
    floor = min(0.80, sum(pick.quality or 0.0 for pick in picks) / len(picks))
    return Problem(tasks, pools, bounds=Bounds(1.05 * max(finish.values()), cost, quality=floor), minimize=("energy",))


def _hidden(tasks: tuple[Task, ...], random: Any) -> list[Option]:
    """Return an assignment by a random weighted score, of mean quality 0.80 or more where 200 tries find one, else the best found."""
    best: list[Option] = []
    best_quality = -1.0
    for _ in range(200):
        weights = random.uniform(0, 1, 4)
        picks = [_best(task, weights, random) for task in tasks]
        quality = sum(pick.quality or 0.0 for pick in picks) / len(picks)
        if quality > best_quality:
            best, best_quality = picks, quality
        if quality >= 0.80:
            return picks
    return best


def _best(task: Task, weights: Any, random: Any) -> Option:
    table = np.array([[one.seconds, one.joules, one.usd, -(one.quality or 0.0)] for one in task.options])
    table = (table - table.min(axis=0)) / np.maximum(np.ptp(table, axis=0), 1e-12)
    scores = table @ weights + random.uniform(0, 0.3, len(task.options))
    return task.options[int(np.argmin(scores))]
