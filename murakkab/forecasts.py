"""policy: what a job was expected to take, as JSON data that is written down with it, and back."""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from murakkab.figures import Figure, Provenance, Source
from murakkab.plan import Choice, Deployment, Estimate
from murakkab.spec import Goal


def forecast_json(deployment: Deployment) -> dict[str, Any]:
    """Return the forecast of a deployment and the goal that it was made for; empty where nothing was forecast."""
    if deployment.estimate is None:
        return {}
    bound = deployment.bound
    return {
        "goal": goal_json(deployment.goal),
        "job": _estimate_json(deployment.estimate),
        "steps": {path: _choice_json(choice) for path, choice in deployment.choices.items() if choice.estimate is not None},
        "critical": list(deployment.critical),
        "status": deployment.status,
        "gap": deployment.gap,
        "bound": bound if bound is not None and math.isfinite(bound) else None,
        "beyond": list(deployment.beyond),
        "held_by": deployment.held_by,
        "unjudged": {name: list(steps) for name, steps in deployment.unjudged.items()},
    }


def with_forecast(deployment: Deployment, data: Mapping[str, Any]) -> Deployment:
    """Return *deployment* with the forecast that `forecast_json` wrote; as it is where that is empty."""
    if not data:
        return deployment
    steps = data["steps"]
    choices = {path: _with_estimate(choice, steps.get(path)) for path, choice in deployment.choices.items()}
    return Deployment(
        choices,
        _goal_from(data["goal"]),
        _estimate_from(data["job"]),
        tuple(data["critical"]),
        data["status"],
        data["gap"],
        data["bound"],
        tuple(data["beyond"]),
        held_by=data.get("held_by", ""),
        unjudged={name: tuple(steps) for name, steps in data.get("unjudged", {}).items()},
    )


def goal_json(goal: Goal) -> dict[str, Any]:
    """Return a goal as plain data."""
    return {"minimize": list(goal.minimize), "limits": dict(goal.limits), "quality": str(goal.quality)}


def _goal_from(data: Mapping[str, Any]) -> Goal:
    return Goal(tuple(data["minimize"]), dict(data["limits"]), data["quality"])


def _choice_json(choice: Choice) -> dict[str, Any]:
    where: dict[str, Any] = {name: value for name, value in (("model", choice.model), ("pool", choice.pool)) if value}
    where |= {"devices": choice.devices} if choice.devices != 1 else {}
    where |= {"startup": figure_json(choice.startup)} if choice.startup is not None else {}
    return {**where, "tasks": choice.tasks, **(_estimate_json(choice.estimate) if choice.estimate is not None else {})}


def _with_estimate(choice: Choice, data: Mapping[str, Any] | None) -> Choice:
    if data is None:
        return choice
    startup = data.get("startup")
    return replace(
        choice,
        model=data.get("model", ""),
        pool=data.get("pool", ""),
        devices=data.get("devices", 1),
        startup=None if startup is None else _figure_from(startup),
        tasks=data["tasks"],
        estimate=_estimate_from(data),
    )


def _estimate_json(estimate: Estimate) -> dict[str, Any]:
    figures = {"seconds": estimate.seconds, "usd": estimate.usd, "joules": estimate.joules, "quality": estimate.quality}
    figures |= {"least_joules": estimate.least_joules}
    return {"p90": estimate.p90, **{name: figure_json(one) for name, one in figures.items() if one is not None}}


def _estimate_from(data: Mapping[str, Any]) -> Estimate:
    told = (data.get(name) for name in ("joules", "quality", "least_joules"))
    return Estimate(
        _figure_from(data["seconds"]),
        data["p90"],
        _figure_from(data["usd"]),
        *(None if one is None else _figure_from(one) for one in told),
    )


def figure_json(figure: Figure) -> dict[str, Any]:
    """Return a figure as plain data."""
    of = figure.of
    return {"value": figure.value, "low": figure.low, "high": figure.high, "source": str(of.source), "where": of.where, "date": of.date}


def _figure_from(data: Mapping[str, Any]) -> Figure:
    return Figure(data["value"], data["low"], data["high"], Provenance(Source(data["source"]), data["where"], data["date"]))
