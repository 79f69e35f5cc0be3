"""data: what `choose` knows beside the graph and the catalog - what runs here, what was measured, what this job is about."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from murakkab.devices import ClusterView
from murakkab.known import Known
from murakkab.optimizer.expected import Seen
from murakkab.profiles import Profile


@dataclass(frozen=True, slots=True)
class Situation:
    """`profiles` by executor; `inputs` of the job, None when it is planned for any; `seen`: what earlier jobs of the workflow became.

    `capacity`: amounts that tasks share, as the runtime has them ({"cores": 2.0}). `time_limit`: seconds for the solver, and `gap` the part
    of the best that suffices. `is_hurried`: each step is chosen for itself, no limit is looked at, and nothing is forecast.
    `with_others`: the next best of each step is told; that is many forecasts. `known`: devices, models, and how these run on them.
    `warm`: executors whose libraries and models are loaded in this process; nothing is in a fresh one.
    """

    view: ClusterView = field(default_factory=ClusterView)
    profiles: Mapping[str, Sequence[Profile]] = field(default_factory=dict)
    inputs: Mapping[str, Any] | None = None
    seen: Seen = field(default_factory=Seen)
    capacity: Mapping[str, float] = field(default_factory=dict)
    time_limit: float = 1.0
    gap: float = 0.01
    is_hurried: bool = False
    with_others: bool = True
    known: Known = field(default_factory=Known)
    warm: frozenset[str] = frozenset()
