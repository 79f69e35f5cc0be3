"""What every store of profiles promises."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from murakkab.errors import InputError
from murakkab.figures import Figure, Provenance, Source
from murakkab.ports import ProfileStore
from murakkab.profile_store import SqliteProfileStore
from murakkab.profiles import Profile, Setting, Spread
from murakkab.profiling.observation import Observation, Shape
from tests.profile_stores import MemoryProfileStore

SLOW = Setting("slow", "1", (("depth", 3), ("exact", True), ("words", None)))
FAST = Setting("fast", load=4)


def seen(setting: Setting = SLOW, seconds: float = 2.0, *, at: float = 0.0, **more: object) -> Observation:
    return replace(Observation(setting, 1e9 + at, seconds, where="here"), **more)  # type: ignore[arg-type]


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ProfileStore]:
    if request.param == "memory":
        yield MemoryProfileStore()
        return
    with closing(SqliteProfileStore(tmp_path / "sub" / "profiles.db")) as opened:
        yield opened


def test_an_empty_store_knows_nothing(store: ProfileStore) -> None:
    assert list(store.profiles()) == []
    assert store.known(SLOW) is None
    assert list(store.studied("s")) == list(store.drifts()) == list(store.revisions(SLOW)) == []


def test_the_newest_jobs_of_a_workflow_are_remembered(store: ProfileStore) -> None:
    shapes = [Shape("w", float(number), {"a": "one speed=2"}, {"a": 3.0}, {"a": 1.5}) for number in range(70)]
    store.remember(shapes[:30])
    store.remember([*shapes[30:], replace(shapes[0], workflow="other")])

    assert list(store.shapes("w")) == shapes[-64:]
    assert [one.workflow for one in store.shapes("other")] == ["other"]
    assert list(store.shapes("never")) == []


def test_what_is_learned_comes_back_whole(store: ProfileStore) -> None:
    store.learn(
        [seen(quality={"f1": 0.5}, units=3.0, tokens=7.0, joules=1.5, energy=Source.MODELLED, usd=0.25, study="s", row=2, repetition=1)]
    )

    known = store.known(SLOW)
    assert known is not None
    (one,) = known.observations
    assert one == seen(
        quality={"f1": 0.5}, units=3.0, tokens=7.0, joules=1.5, energy=Source.MODELLED, usd=0.25, study="s", row=2, repetition=1
    )
    (profile,) = store.profiles()
    assert profile == known.profile
    assert profile.setting == SLOW
    assert profile.seconds == Spread(2.0, 2.0, 2.0, 2.0)
    assert profile.joules is not None
    assert profile.joules.of.source is Source.MODELLED
    assert profile.quality["f1"].value == 0.5
    assert profile.of == Provenance(Source.MEASURED, "here", "2001-09-09", 1)


def test_profiles_of_several_settings_stay_apart(store: ProfileStore) -> None:
    store.learn([seen(SLOW, 2.0), seen(FAST, 0.1), seen(SLOW, 4.0, at=1)])

    assert {one.setting.executor: one.seconds.mean for one in store.profiles()} == pytest.approx({"slow": 3.0, "fast": 0.1}, rel=0.02)


def test_every_update_is_a_revision(store: ProfileStore) -> None:
    for number in range(3):
        store.learn([seen(at=number)])

    assert [(one.profile.revision, one.why) for one in store.revisions(SLOW)] == [(3, "learned"), (2, "learned"), (1, "learned")]


def test_failures_before_the_first_success_count(store: ProfileStore) -> None:
    store.learn([seen(error="broken", quality={"f1": 0.0})])
    assert store.known(SLOW) is None
    store.learn([seen(at=1, quality={"f1": 1.0})])

    (profile,) = store.profiles()
    assert profile.quality["f1"].value == pytest.approx(0.5, abs=0.01)
    assert profile.of.count == 1


def test_a_new_version_starts_anew_with_the_old_as_a_marked_prior(store: ProfileStore) -> None:
    store.learn([seen(seconds=10.0, at=n) for n in range(20)])
    later = replace(SLOW, version="2")
    store.learn([seen(later, 2.0, at=100)])

    profile = next(one for one in store.profiles() if one.setting.version == "2")
    assert 2.0 < profile.seconds.mean < 10.0
    assert "prior: version 1" in profile.of.where
    store.learn([seen(later, 2.0, at=101 + n) for n in range(100)])
    profile = next(one for one in store.profiles() if one.setting.version == "2")
    assert profile.seconds.mean == pytest.approx(2.0, rel=0.3)


def test_the_observations_of_a_study_can_be_told_and_forgotten(store: ProfileStore) -> None:
    store.learn([seen(study="a", row=1), seen(FAST, study="b", at=1), seen(at=2)])

    assert [one.row for one in store.studied("a")] == [1]
    assert store.forget("a") == 1
    assert list(store.studied("a")) == []
    assert len(store.studied("b")) == 1
    assert len(store.profiles()) == 2
    store.learn([seen(seconds=8.0, at=3)])
    known = store.known(SLOW)
    assert known is not None
    assert [one.seconds for one in known.observations] == [2.0, 8.0]


def test_drift_is_told_and_kept(store: ProfileStore) -> None:
    store.learn([seen(seconds=1.0 + 0.01 * (n % 3), at=n) for n in range(20)])
    found = [drift for n in range(20) for drift in store.learn([seen(seconds=2.0, at=100 + n)])]

    assert [drift.measure for drift in found] == ["seconds"]
    assert found[0].ratio == pytest.approx(2.0, rel=0.05)
    assert list(store.drifts()) == found
    assert list(store.drifts(since=found[0].found)) == []
    assert "drift" in [one.why for one in store.revisions(SLOW)]
    (profile,) = store.profiles()
    assert profile.seconds.p50 == pytest.approx(2.0, rel=0.01)


SHARED = Profile(
    SLOW,
    Spread(5.0, 5.0, 6.0, 7.0),
    joules=Figure(3.0, 2.0, 4.0, Provenance(Source.MEASURED, "there")),
    of=Provenance(Source.MEASURED, "there"),
)


def test_profiles_from_elsewhere_are_published_ones_and_priors(store: ProfileStore) -> None:
    assert store.put([SHARED, replace(SHARED, setting=FAST)], time=1e9) == 2

    known = store.known(SLOW)
    assert known is not None
    assert known.profile.of.source is Source.PUBLISHED
    assert known.profile.joules is not None
    assert known.profile.joules.of.source is Source.PUBLISHED
    store.learn([seen(seconds=1.0)])
    known = store.known(SLOW)
    assert known is not None
    assert 1.0 < known.profile.seconds.mean < 5.0
    assert "prior: there" in known.profile.of.where
    assert store.put([SHARED], time=1e9) == 0


# ------------------------------------------------------------------------------------------------------------------- on disk


def test_a_file_serves_the_next_process(tmp_path: Path) -> None:
    with closing(SqliteProfileStore(tmp_path / "p.db")) as first:
        first.learn([seen()])

    with closing(SqliteProfileStore(tmp_path / "p.db")) as second:
        assert len(second.profiles()) == 1


def test_many_processes_learn_at_once_and_nothing_is_lost(tmp_path: Path) -> None:
    program = """
import sys
from murakkab.profile_store import SqliteProfileStore
from murakkab.profiles import Setting
from murakkab.profiling.observation import Observation, Shape
store = SqliteProfileStore(sys.argv[1])
for n in range(15):
    store.learn([Observation(Setting("x"), 1e9 + n, 1.0, study=sys.argv[2])])
"""
    running = [subprocess.Popen([sys.executable, "-c", program, str(tmp_path / "p.db"), str(n)]) for n in range(3)]
    assert [process.wait(20) for process in running] == [0, 0, 0]

    with closing(SqliteProfileStore(tmp_path / "p.db")) as store:
        (profile,) = store.profiles()
        assert profile.of.count == profile.revision == 45


def test_observations_are_bounded(tmp_path: Path) -> None:
    with closing(SqliteProfileStore(tmp_path / "p.db")) as store:
        store.learn([seen(at=n) for n in range(1000)])
        for n in range(5):
            store.learn([seen(at=1000 + n)])
        known = store.known(SLOW)

    assert known is not None
    assert len(known.observations) == 256


def test_another_kind_of_file_and_that_of_a_later_version_are_refused(tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("no database, but a text that is long enough to be read as one " * 50)
    with pytest.raises(InputError, match="is no store of profiles"):
        SqliteProfileStore(tmp_path / "text.db")
    with closing(SqliteProfileStore(tmp_path / "p.db")) as store:
        store._database.execute("PRAGMA user_version=99")
    with pytest.raises(InputError, match="later version"):
        SqliteProfileStore(tmp_path / "p.db")
