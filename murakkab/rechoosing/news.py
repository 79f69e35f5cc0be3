"""state: how far one job is off what was expected of it since the last look, and whether that is worth another."""

from collections.abc import Iterable, Mapping
from typing import Final

from murakkab.optimizer.choose import Decision

#: Steps are chosen again when what was observed is off by this part of what the whole job was expected to take, and changed for no less;
#: but for a limit, which may be passed by none.
WORTH: Final = 0.01
#: So small a part is the arithmetic's.
_HAIR: Final = 1e-6


class News:
    """What happened otherwise than expected, in seconds, USD and joules."""

    def __init__(self, decision: Decision) -> None:
        estimate, goal = decision.deployment.estimate, decision.deployment.goal
        self._whole = {"latency": 0.0, "cost": 0.0, "energy": 0.0}
        if estimate is not None:
            joules = estimate.joules.value if estimate.joules is not None else 0.0
            self._whole = {"latency": estimate.seconds.value, "cost": estimate.usd.value, "energy": joules}
        #: Of which of these there is only so much, beside time.
        self.limited = {"cost", "energy"} & {*goal.limits, *decision.graph.workflow.budget}
        #: By which part of what the whole job was expected to take what happened is off.
        self._off = 0.0
        #: How much more than expected the job has taken, and may take without passing a limit.
        self._late = dict.fromkeys(self._whole, 0.0)
        self._slack = {name: goal.limits[name] - value for name, value in self._whole.items() if name in goal.limits}

    @property
    def seconds(self) -> float:
        """Return what the whole job was expected to take."""
        return self._whole["latency"]

    def limit(self, measures: Iterable[str]) -> None:
        """Take note that there is only so much of these."""
        self.limited |= {"cost", "energy"} & set(measures)

    def notice(self, seconds: float, usd: float, joules: float) -> None:
        """Take note that the job has taken so much more, or less, than expected."""
        for measure, amount in (("latency", seconds), ("cost", usd), ("energy", joules)):
            if amount:
                self._notice(measure, amount)

    def _notice(self, measure: str, amount: float) -> None:
        whole = self._whole[measure]
        if amount > 0:
            self._late[measure] += amount
        if measure == "latency" or measure in self.limited:
            self._off += abs(amount) / whole if whole > 0 else float("inf") if measure != "latency" else 0.0

    def alarm(self) -> None:
        """Take note of what asks for another look in any case."""
        self._off = float("inf")

    def is_any(self) -> bool:
        """Return whether it is worth another look: what is off is much, or more than a limit leaves."""
        if self._off > WORTH:
            return True
        return any(self._late[name] > slack + _HAIR * self._whole[name] for name, slack in self._slack.items())

    def end(self, slack: Mapping[str, float]) -> None:
        """Take note that it was looked at, and how much more each limit then left."""
        self._off = 0.0
        self._late = dict.fromkeys(self._late, 0.0)
        self._slack = dict(slack)
