"""driver: jobs that have ended update the profiles, in a thread of its own: no job waits for it, and nothing it meets breaks one."""

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from murakkab.errors import MurakkabError
from murakkab.observing import observations_of, shape_of, without_startup
from murakkab.ports import ProfileStore
from murakkab.profiles import Profile
from murakkab.profiling.halving import label
from murakkab.profiling.observation import Observation
from murakkab.runtime.result import JobResult
from murakkab.this_machine import machine

_log = logging.getLogger("murakkab.profiles")
#: Seconds between updates, and jobs that one learns from.
_PAUSE: Final = 0.5
_MOST: Final = 32


class Learner:
    """Hears of jobs, and learns from what their tasks took. `open_store` is called once, in the thread, when the first job has ended.

    `shipped`: profiles from elsewhere, which may tell how long executors take to start.
    """

    def __init__(self, open_store: Callable[[], ProfileStore], shipped: Callable[[], Sequence[Profile]] = tuple) -> None:
        #: Hears, in the thread, that what an executor does takes so many times what its profile said.
        self.drifted: Callable[[str, float], None] | None = None
        self._open_store = open_store
        self._shipped = shipped
        self._store: ProfileStore | None = None
        #: Executors that have done something in this process.
        self._warm: set[str] = set()
        self._is_broken = False
        self._closing = threading.Event()
        self._lock = threading.Lock()
        #: Those that nothing was learned from yet.
        self._heard: list[JobResult] = []
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="murakkab-profiles")

    def hear(self, result: JobResult) -> None:
        """Learn from a job, within a second; of very many that end at once from the last."""
        with self._lock:
            self._heard.append(result)
            is_first = len(self._heard) == 1
            if len(self._heard) > _MOST:
                del self._heard[0]
        if is_first:
            self._thread.submit(self._learn)

    def close(self) -> None:
        """Learn from what is still waiting, and release the store."""
        self._closing.set()
        self._thread.shutdown(wait=True)
        if self._store is not None:
            self._store.close()

    def _learn(self) -> None:
        # Jobs that end one after the other are learned from together: it costs them little then.
        self._closing.wait(_PAUSE)
        with self._lock:
            results, self._heard = self._heard, []
        if self._is_broken:
            return
        try:
            by_job = [found for result in results if (found := observations_of(result, where=machine()))]
            if by_job:
                self._store = self._store or self._open_store()
                observations = [one for each in by_job for one in self._warmed(each, self._store)]
                self._store.remember([shape for one in results if (shape := shape_of(one)) is not None])
                for drift in self._store.learn(observations):
                    said = (
                        f"{label(drift.setting)}: {drift.measure} are {drift.ratio:.2g} times what they were in the last {drift.count} jobs"
                    )
                    _log.info(said)
                    if drift.measure == "seconds" and self.drifted is not None:
                        self.drifted(drift.setting.executor, drift.ratio)
        except MurakkabError as error:
            _log.warning("%d jobs taught nothing: %s", len(results), error)
        except Exception:
            # A defect here must not be met by every job: say it once.
            self._is_broken = True
            _log.exception("no profile is updated any more in this process")

    def _warmed(self, observations: Sequence[Observation], store: ProfileStore) -> Sequence[Observation]:
        """Return observations of a job as they are once everything is loaded."""
        names = {one.setting.executor for one in observations}
        if names <= self._warm:
            return observations
        found = without_startup(observations, self._warm, startups_of([*self._shipped(), *store.profiles()]))
        self._warm |= names
        return found


def startups_of(profiles: Sequence[Profile]) -> Mapping[str, float]:
    """Return how many seconds executors take to start, as the last of *profiles* says that tells."""
    return {one.setting.executor: one.startup.value for one in profiles if one.startup is not None}
