"""A store of profiles that lives as long as the test; it keeps the promises of `ports.ProfileStore`."""

from collections.abc import Sequence

from murakkab.ports import Revision
from murakkab.profiles import Profile, Setting
from murakkab.profiling.codec import setting_key
from murakkab.profiling.keeping import family_key, from_elsewhere, grouped
from murakkab.profiling.observation import Drift, Known, Observation, Shape
from murakkab.profiling.online import updated


class MemoryProfileStore:
    """See `ports.ProfileStore`."""

    def __init__(self) -> None:
        self._known: dict[str, Known] = {}
        self._changed: dict[str, tuple[float, int]] = {}
        self._failed: dict[str, list[Observation]] = {}
        self._all: list[Observation] = []
        self._drifts: list[Drift] = []
        self._revisions: dict[str, list[Revision]] = {}
        self._shapes: list[Shape] = []

    def profiles(self) -> Sequence[Profile]:
        return [known.profile for known in self._known.values()]

    def known(self, setting: Setting) -> Known | None:
        return self._known.get(setting_key(setting))

    def learn(self, observations: Sequence[Observation]) -> Sequence[Drift]:
        drifts: list[Drift] = []
        for key, fresh in grouped(observations).items():
            known = self._known.get(key)
            before = [] if known else self._failed.pop(key, [])
            after, found = updated(known, [*before, *fresh], prior=None if known else self._prior(fresh[0].setting))
            drifts += found
            if after is None:
                self._failed[key] = [*before, *fresh]
            else:
                self._save(key, after, fresh[-1].time, "drift" if found else "learned")
        self._all += observations
        self._drifts += drifts
        return drifts

    def put(self, profiles: Sequence[Profile], *, time: float, why: str = "imported") -> int:
        count = 0
        for given in profiles:
            key = setting_key(given.setting)
            known = self._known.get(key)
            if known is None or not known.observations:
                shared = from_elsewhere(given)
                self._save(key, Known(shared, prior=shared), time, why)
                count += 1
        return count

    def remember(self, shapes: Sequence[Shape]) -> None:
        self._shapes += shapes

    def shapes(self, workflow: str) -> Sequence[Shape]:
        return [one for one in self._shapes if one.workflow == workflow][-64:]

    def studied(self, study: str) -> Sequence[Observation]:
        return [one for one in self._all if one.study == study]

    def forget(self, study: str) -> int:
        gone = len(self.studied(study))
        self._all = [one for one in self._all if one.study != study]
        for key, known in self._known.items():
            left = tuple(one for one in known.observations if one.study != study)
            self._known[key] = Known(known.profile, left, (), known.clipped, known.prior, known.since)
        return gone

    def drifts(self, *, since: float = 0.0) -> Sequence[Drift]:
        return [drift for drift in self._drifts if drift.found > since]

    def revisions(self, setting: Setting) -> Sequence[Revision]:
        return self._revisions.get(setting_key(setting), [])[::-1]

    def close(self) -> None:
        pass

    def _save(self, key: str, known: Known, time: float, why: str) -> None:
        self._known[key] = known
        self._changed[key] = (time, len(self._changed))
        self._revisions.setdefault(key, []).append(Revision(time, why, known.profile))

    def _prior(self, setting: Setting) -> Profile | None:
        others = [key for key, known in self._known.items() if family_key(known.profile.setting) == family_key(setting)]
        return self._known[max(others, key=lambda key: self._changed[key])].profile if others else None
