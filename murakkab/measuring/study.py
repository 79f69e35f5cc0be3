"""driver: a whole study - what to measure is asked of the race, measured, and learned at once, so that nothing is lost when it stops."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Protocol

from murakkab.catalog import Capability, ExecutorCard
from murakkab.errors import MurakkabError
from murakkab.measuring.bench import Bench
from murakkab.measuring.cold import ColdBench
from murakkab.measuring.configurations import configurations
from murakkab.measuring.rows import Data
from murakkab.ports import Clock, ProfileStore
from murakkab.profiles import Setting
from murakkab.profiling.codec import setting_key
from murakkab.profiling.halving import Race, next_round
from murakkab.profiling.observation import Observation, setting_of
from murakkab.runtime.driver import Work

#: Batches at each further load.
_BATCHES: Final = 3


class Witness(Protocol):
    """Somebody who watches a study."""

    def measured(self, done: int, most: int, now: str) -> None:
        """Hear how many measurements are done, how many there are at most, and what is being measured."""
        ...

    def dropped(self, setting: Setting, reason: str) -> None:
        """Hear that a configuration is out, once."""
        ...


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do: on all rows of the data, `repeat` times, at these loads, for `seconds` at most (None: as long as it takes)."""

    data: Data
    repeat: int = 3
    loads: tuple[int, ...] = (1,)
    seconds: float | None = None
    limits: Mapping[str, float] = field(default_factory=dict)
    metric: str = ""
    #: Only knobs that trade are turned: those that the optimizer may turn.
    only_trades: bool = False
    #: What is certain to lose is dropped.
    drops: bool = True
    #: How often each executor is started in a process of its own.
    starts: int = 3


@dataclass(slots=True)
class Outcome:
    """What came of it. `dropped`: reasons by the key of the setting. `is_whole`: nothing is left to measure. `notes`: in words."""

    settings: list[Setting] = field(default_factory=list)
    observations: list[Observation] = field(default_factory=list)
    dropped: dict[str, str] = field(default_factory=dict)
    is_whole: bool = False
    notes: list[str] = field(default_factory=list)


def study_id(of: str, plan: Plan) -> str:
    """Return the name of a study: the same for the same thing measured with the same data and metric."""
    return hashlib.sha256(f"{of}\n{plan.data.digest}\n{plan.metric}".encode()).hexdigest()[:16]


@dataclass(slots=True)
class Study:
    """A study under way."""

    plan: Plan
    bench: Bench
    store: ProfileStore
    witness: Witness
    clock: Clock
    outcome: Outcome = field(default_factory=Outcome)
    #: Measures cold starts; None: nobody does.
    cold: ColdBench | None = None
    _end: float | None = None
    #: Executors that cannot run here.
    _unable: set[str] = field(default_factory=set)

    async def of_capability(
        self, capability: Capability, cards: Sequence[ExecutorCard], most_at_once: Callable[[ExecutorCard], int]
    ) -> None:
        """Measure every configuration of *cards*, until it is certain to lose."""
        await self._begin()
        by_name = {card.name: card for card in cards}
        settings = [setting_of(card, knobs) for card in cards for knobs in configurations(card, only_trades=self.plan.only_trades)]
        settings = [one for one in settings if await self._is_warm(one, capability)]
        self.outcome.settings = list(settings)
        await self._start_cold(settings, capability)
        race = Race(
            tuple(settings),
            len(self.plan.data.rows),
            self.plan.repeat,
            limits=self.plan.limits,
            metric=self.plan.metric,
            seed=len(settings),
            drops=self.plan.drops,
        )
        most = len(settings) * race.rows * race.repeat
        while True:
            following = next_round(race, self.outcome.observations)
            self._drop(following.dropped, settings)
            if following.is_done:
                break
            for trial in following.trials:
                if self._is_over():
                    return
                row = trial.row, self.plan.data.rows[trial.row]
                self.witness.measured(len(self.outcome.observations), most, trial.setting.executor)
                self._learn(await self.bench.tasks(trial.setting, capability, [row], trial.repetition))
        left = [one for one in settings if setting_key(one) not in self.outcome.dropped]
        self.outcome.is_whole = await self._under_load(left, capability, lambda name: most_at_once(by_name[name]))

    async def of_workflow(self, work: Work) -> None:
        """Run a workflow on every row, and attribute what it takes to its steps."""
        await self._begin()
        graph = work.graph
        setting = Setting(f"workflow:{graph.workflow.name}", graph.digest[:12])
        self._show(self.outcome.observations)
        done = {(one.row, one.repetition) for one in self.outcome.observations if one.setting == setting}
        rows = list(enumerate(self.plan.data.rows))
        todo = [(row, n) for n in range(self.plan.repeat) for row in rows if (row[0], n) not in done]
        if todo and not self._is_over():
            self.witness.measured(len(done), len(done) + len(todo), "warming up")
            await self.bench.job(work, setting, rows[0], 0)
        for number, (row, repetition) in enumerate(todo):
            if self._is_over():
                return
            self.witness.measured(len(done) + number, len(done) + len(todo), graph.workflow.name)
            observations, shape = await self.bench.job(work, setting, row, repetition)
            self._learn(observations)
            self.store.remember([shape] if shape is not None else [])
        self.outcome.is_whole = True

    async def _under_load(self, left: Sequence[Setting], capability: Capability, most: Callable[[str], int]) -> bool:
        rows = list(enumerate(self.plan.data.rows))
        for load in self.plan.loads:
            for plain in left if load > 1 else ():
                if most(plain.executor) < load:
                    self.outcome.notes.append(
                        f"{plain.executor}: no more than {most(plain.executor)} run at a time here, so no load {load}"
                    )
                    continue
                setting = replace(plain, load=load)
                done = sum(one.setting == setting for one in self.outcome.observations)
                for batch in range(done // load, _BATCHES):
                    if self._is_over():
                        return False
                    self.witness.measured(batch, _BATCHES, f"{plain.executor}, {load} at a time")
                    chosen = [rows[(batch * load + n) % len(rows)] for n in range(load)]
                    self._learn(await self.bench.tasks(setting, capability, chosen, batch))
        return True

    async def _begin(self) -> None:
        self._end = None if self.plan.seconds is None else self.clock() + self.plan.seconds
        self.outcome.observations = list(self.store.studied(self.bench.study))
        await self.bench.calibrate(sorted({1, *self.plan.loads}))

    async def _is_warm(self, setting: Setting, capability: Capability) -> bool:
        """Run a configuration once for nothing, so that what it loads is loaded; False where its executor cannot run here at all."""
        if self._is_over():
            return True
        if setting.executor in self._unable:
            return False
        self.witness.measured(len(self.outcome.observations), 0, f"warming up {setting.executor}")
        try:
            await self.bench.tasks(setting, capability, [(0, self.plan.data.rows[0])], 0)
        except MurakkabError as error:
            self._unable.add(setting.executor)
            self.outcome.notes.append(f"{setting.executor} cannot be measured here: {error}")
            return False
        return True

    async def _start_cold(self, settings: Sequence[Setting], capability: Capability) -> None:
        """Start each executor in processes of its own, with the first of its settings: what it loads hardly depends on them."""
        firsts: dict[str, Setting] = {}
        for setting in settings:
            firsts.setdefault(setting.executor, setting)
        for setting in firsts.values():
            known = self.store.known(setting)
            if self.cold is None or (known is not None and known.profile.startup is not None):
                continue
            found: list[Observation] = []
            while len(found) < self.plan.starts and not self._is_over():
                self.witness.measured(len(self.outcome.observations), 0, f"starting {setting.executor}")
                try:
                    found.append(await self.cold.start(setting, capability.name, self.plan.data.rows[0]))
                except MurakkabError as error:
                    self.outcome.notes.append(str(error))
                    break
            # All of it or nothing: an interval is made of several.
            if len(found) == self.plan.starts:
                self.store.learn(found)

    def _learn(self, observations: Sequence[Observation]) -> None:
        self.store.learn(observations)
        self.outcome.observations += observations
        self._show(observations)

    def _show(self, observations: Sequence[Observation]) -> None:
        """Put on the list what was measured and is not on it yet."""
        listed = set(map(setting_key, self.outcome.settings))
        for one in observations:
            if (key := setting_key(one.setting)) not in listed:
                listed.add(key)
                self.outcome.settings.append(one.setting)

    def _drop(self, dropped: Mapping[str, str], settings: Sequence[Setting]) -> None:
        for setting in settings:
            key = setting_key(setting)
            if key in dropped and key not in self.outcome.dropped:
                self.witness.dropped(setting, dropped[key])
        self.outcome.dropped = dict(dropped)

    def _is_over(self) -> bool:
        return self._end is not None and self.clock() >= self._end
