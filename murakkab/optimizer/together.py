"""policy: all steps of a job chosen at once - solved as one selection, run on virtual time, solved again where that shows it too slow."""

from dataclasses import replace

from murakkab.figures import Source
from murakkab.optimizer.configurations import Ways
from murakkab.optimizer.conflict import conflict_of
from murakkab.optimizer.estimate import Scene
from murakkab.optimizer.nearest import Clash, loosened, reached, refusal
from murakkab.optimizer.options import known_in, problem_of
from murakkab.optimizer.problem import Percentile, Status
from murakkab.optimizer.reasons import broken_limits, judged_figure
from murakkab.optimizer.selection import LATENCIES, LEAST_STEP, ROUNDS, Selection, by_tails, nudged, over_by, rank, solved, unproven
from murakkab.optimizer.situation import Situation
from murakkab.spec import Goal


def select(scene: Scene, goal: Goal, ways: Ways, at: Situation) -> Selection:
    """Return the best selection whose run on virtual time keeps the limits.

    Where none does by figures that are merely assumed, the one nearest to the limits: nobody is refused on a guess. Raises `PlanError`
    where none does by better figures.
    """
    found = _selected(scene, goal, ways, at)
    blind = sorted(goal.limits.keys() - known_in(scene, ways))
    return replace(
        found,
        beyond=(*found.beyond, *(f"{name} is limited, and nothing is known of it: whether that is kept cannot be told" for name in blind)),
    )


def _selected(scene: Scene, goal: Goal, ways: Ways, at: Situation) -> Selection:
    if "latency_p90" in goal.limits:
        return _steady(scene, goal, ways, at)
    limit = goal.limits.get("latency")
    bound = limit
    nearest: Selection | None = None
    for number in range(ROUNDS):
        # All rounds together take no longer than twice the first.
        effort = replace(at, time_limit=at.time_limit / 2**number)
        found = solved(scene, goal, ways, effort, {} if bound is None else {"latency": bound})
        if found is None:
            break
        seconds = found.made.estimate.seconds.value
        if limit is None or bound is None or seconds <= limit:
            return found
        if nearest is None or seconds < nearest.made.estimate.seconds.value:
            nearest = found
        # The selection sees the work of a pool, not how the tasks fall into it: as much less must be asked for.
        bound *= min(LEAST_STEP, limit / seconds)
    return _beyond(scene, goal, ways, at, nearest)


def _steady(scene: Scene, goal: Goal, ways: Ways, at: Situation) -> Selection:
    """Return the best selection found whose run keeps a limit at the 90th percentile, and every other.

    No sum over steps says how their tails add up on the critical path. By the expected times the limit is too loose: what keeps it anyway
    is the best there is. By the sum of the tails it is too tight, and is loosened as far as runs on virtual time allow; then one step
    after another is done in another way where that is better.
    """
    limit = goal.limits["latency_p90"]
    relaxed = solved(scene, goal, ways, at, {"latency": min(limit, goal.limits.get("latency", limit))})
    if relaxed is None:
        return _beyond(scene, goal, ways, at, None)
    if over_by(relaxed, goal) <= 1.0:
        return relaxed
    tried = [relaxed, *by_tails(scene, goal, ways, at, limit)]
    if all(over_by(one, goal) > 1.0 for one in tried):
        quickest = replace(goal, minimize=("latency",))
        tried += filter(None, (solved(scene, quickest, ways, at, {}, one) for one in (Percentile.P90, Percentile.P50)))
    best = nudged(scene, goal, ways, min(tried, key=lambda one: rank(one.made.estimate, goal)))
    if over_by(best, goal) > 1.0:
        return _beyond(scene, goal, ways, at, best)
    return replace(best, answer=unproven(best, relaxed.answer, goal, at))


def _beyond(scene: Scene, goal: Goal, ways: Ways, at: Situation, nearest: Selection | None) -> Selection:
    """Return the selection nearest to the limits, where what says that they cannot be kept is a guess. Raises `PlanError`."""
    clash = _clash(scene, goal, ways, at)
    if clash.conflict is None or clash.latency == "latency_p90":
        # Nothing proves that there is none: one that comes near to a limit may keep it.
        tried = [one for limit in goal.limits if limit in known_in(scene, ways) and (one := reached(scene, goal, ways, at, limit))]
        kept = [one for one in tried if not broken_limits(one.made.estimate, goal.limits)]
        if kept:
            best = min(kept, key=lambda one: rank(one.made.estimate, goal))
            return replace(best, answer=replace(best.answer, status=Status.HEURISTIC))
    if clash.conflict is not None:
        percentile = Percentile.P90 if clash.latency == "latency_p90" else Percentile.P50
        nearest = solved(scene, goal, ways, at, loosened(clash, goal, at), percentile) or nearest
    if nearest is None:
        raise refusal(scene, goal, ways, at, clash, None)
    estimate = nearest.made.estimate
    broken = [one for one in goal.limits if broken_limits(estimate, {one: goal.limits[one]})]
    figures = (judged_figure(estimate, one) for one in broken)
    if not all(figure is not None and figure.of.source is Source.ASSUMED for figure in figures):
        raise refusal(scene, goal, ways, at, clash, nearest)
    said_of = tuple(f"{one} (by figures that are assumed)" for one in broken_limits(estimate, goal.limits))
    return replace(nearest, beyond=said_of)


def _clash(scene: Scene, goal: Goal, ways: Ways, at: Situation) -> Clash:
    """Return the limits in conflict: the expected latency is asked about first."""
    others = {name: limit for name, limit in goal.limits.items() if name not in LATENCIES}
    found: Clash | None = None
    for name, percentile in (("latency", Percentile.P50), ("latency_p90", Percentile.P90)):
        if name in goal.limits or name == "latency":
            limits = {**others, **({"latency": goal.limits[name]} if name in goal.limits else {})}
            aim = replace(goal, limits=limits)
            problem = problem_of(scene, ways, aim, percentile=percentile)
            found = Clash(conflict_of(problem, time_limit=at.time_limit), name, problem)
            if found.conflict is not None:
                break
    assert found is not None
    return found
