"""driver: jobs that have ended update the profiles, in a thread of its own: no job waits for it, and nothing it meets breaks one."""

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from murakkab.errors import MurakkabError
from murakkab.observing import observations_of
from murakkab.ports import ProfileStore
from murakkab.profiling.halving import label
from murakkab.runtime.result import JobResult
from murakkab.this_machine import machine

_log = logging.getLogger("murakkab.profiles")


class Learner:
    """Hears of jobs, and learns from what their tasks took. `open_store` is called once, in the thread, when the first job has ended."""

    def __init__(self, open_store: Callable[[], ProfileStore]) -> None:
        self._open_store = open_store
        self._store: ProfileStore | None = None
        self._is_broken = False
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="murakkab-profiles")

    def hear(self, result: JobResult) -> None:
        """Learn from a job, soon."""
        self._thread.submit(self._learn, result)

    def close(self) -> None:
        """Learn from what is still waiting, and release the store."""
        self._thread.shutdown(wait=True)
        if self._store is not None:
            self._store.close()

    def _learn(self, result: JobResult) -> None:
        if self._is_broken:
            return
        try:
            observations = observations_of(result, where=machine())
            if observations:
                self._store = self._store or self._open_store()
                for drift in self._store.learn(observations):
                    _log.warning(
                        "%s: %s are %.2g times what they were, for %d tasks now",
                        label(drift.setting),
                        drift.measure,
                        drift.ratio,
                        drift.count,
                    )
        except MurakkabError as error:
            _log.warning("job %s taught nothing: %s", result.job, error)
        except Exception:
            # A defect here must not be met by every job: say it once.
            self._is_broken = True
            _log.exception("no profile is updated any more in this process")
