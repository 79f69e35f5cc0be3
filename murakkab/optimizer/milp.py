"""policy: the exact solver - HiGHS through `scipy.optimize.milp`. SciPy is imported by the first problem that needs it."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from murakkab.optimizer.form import Form
from murakkab.optimizer.model import Model, Program, Sum, program_of, scaled


@dataclass(frozen=True, slots=True)
class Effort:
    """How long, in seconds of the solver's own clock, and how near to the best, as a part of it."""

    seconds: float = 1.0
    gap: float = 0.01


@dataclass(frozen=True, slots=True)
class Found:
    """What the solver says: columns of the options, or None; what the sum cannot be less than; whether nothing at all is feasible."""

    columns: tuple[int, ...] | None
    bound: float = -math.inf
    is_infeasible: bool = False


def least(form: Form, measure: str, effort: Effort = Effort(), *, below: float = math.inf) -> Found:
    """Return the columns whose sum for *measure* is least, of those *below* which it is. The quality's sum is negative."""
    program = program_of(form, [measure])
    of = program.sums[measure]
    if below < math.inf:
        scale = abs(below) or 1.0
        program.model.row(scaled(of, 1.0 / scale), upper=below / scale)
    return _read(program, solved(program.model, of, effort))


def solved(model: Model, minimised: Sum, effort: Effort) -> Any:
    """Return the solver's result; `scale` in it is what the objective was divided by, so that its absolute tolerances do not matter.

    HiGHS 1.12 (SciPy 1.17) has a line left in it that C code writes to file descriptor 1 whatever `disp` says, where a solution has to be
    mended after presolve. Nothing here turns descriptors round for it: threads share them, and C writes late.
    """
    from scipy.optimize import Bounds, LinearConstraint, milp
    from scipy.sparse import csr_array

    # The stubs of some checkers know these two with single numbers only.
    bounds: Any = Bounds
    constraint: Any = LinearConstraint
    size = len(model.lower)
    lengths = [len(row.columns) for row in model.rows]
    starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    columns = np.concatenate([row.columns for row in model.rows]).astype(np.int32)
    factors = np.concatenate([row.factors for row in model.rows])
    matrix = csr_array((factors, columns, starts), shape=(len(lengths), size))
    objective = np.zeros(size)
    np.add.at(objective, minimised.columns, minimised.factors)
    scale = float(np.abs(objective).max(initial=0.0)) / 100.0 or 1.0
    result = milp(
        objective / scale,
        integrality=np.array(model.whole, dtype=np.int64),
        bounds=bounds(np.array(model.lower), np.array(model.upper)),
        constraints=constraint(matrix, np.array(model.row_lower), np.array(model.row_upper)),
        options={"time_limit": effort.seconds, "mip_rel_gap": effort.gap},
    )
    result.scale = scale
    return result


def _read(program: Program, result: Any) -> Found:
    if result.status == 2:
        return Found(None, math.inf, is_infeasible=True)
    bound = result.get("mip_dual_bound")
    known = -math.inf if bound is None else float(bound) * result.scale
    return Found(columns_of(program, result), known)


def columns_of(program: Program, result: Any) -> tuple[int, ...] | None:
    """Return the column that every task picks in the solver's result; None where it has none."""
    if result.x is None:
        return None
    chosen = np.where(program.x >= 0, result.x[program.x], -1.0)
    return tuple(chosen.argmax(axis=1).tolist())
