"""What every result cache promises, and what makes two results the same."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from murakkab.catalog import ExecutorCard
from murakkab.errors import BackendError, InputError
from murakkab.ports import ResultCache
from murakkab.runtime.cache import MemoryResultCache, SqliteResultCache
from murakkab.runtime.cache_key import cache_key


@pytest.fixture(params=["memory", "sqlite"])
def cache(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ResultCache]:
    if request.param == "memory":
        yield MemoryResultCache()
        return
    with closing(SqliteResultCache(tmp_path / "sub" / "cache.db")) as opened:
        yield opened


@pytest.mark.parametrize("value", [None, False, 0, 1.5, "", "ein Bär \u2028", [], {"a": [1, {"b": None}]}])
def test_what_is_kept_comes_back(cache: ResultCache, value: Any) -> None:
    cache.put("key", value, None)

    assert cache.get("key", 1e12) == (value,)


def test_what_is_not_there_is_none(cache: ResultCache) -> None:
    assert cache.get("key", 0.0) is None


def test_a_result_is_gone_from_the_moment_it_expires(cache: ResultCache) -> None:
    cache.put("key", "value", 100.0)

    assert cache.get("key", 99.9) == ("value",)
    assert cache.get("key", 100.0) is None


def test_the_last_value_counts(cache: ResultCache) -> None:
    cache.put("key", "old", 100.0)
    cache.put("key", "new", None)

    assert cache.get("key", 1000.0) == ("new",)


def test_what_comes_out_is_nobody_elses(cache: ResultCache) -> None:
    value = {"list": [1]}
    cache.put("key", value, None)
    value["list"].append(2)
    got = cache.get("key", 0.0)
    assert got == ({"list": [1]},)
    got[0]["list"].append(3)

    assert cache.get("key", 0.0) == ({"list": [1]},)


def test_the_result_not_used_for_longest_makes_room() -> None:
    cache = MemoryResultCache(entries=2)
    cache.put("a", 1, None)
    cache.put("b", 2, None)
    cache.get("a", 0.0)
    cache.put("c", 3, None)

    assert [cache.get(key, 0.0) for key in "abc"] == [(1,), None, (3,)]


def test_a_file_serves_the_next_process(tmp_path: Path) -> None:
    with closing(SqliteResultCache(tmp_path / "cache.db")) as first:
        first.put("key", [1], None)

    with closing(SqliteResultCache(tmp_path / "cache.db")) as second:
        assert second.get("key", 0.0) == ([1],)


def test_two_processes_share_a_file(tmp_path: Path) -> None:
    with closing(SqliteResultCache(tmp_path / "cache.db")) as here, closing(SqliteResultCache(tmp_path / "cache.db")) as there:
        here.put("key", 1, None)
        there.put("other", 2, None)

        assert there.get("key", 0.0) == (1,)
        assert here.get("other", 0.0) == (2,)


def test_pruning_deletes_only_what_has_expired(tmp_path: Path) -> None:
    with closing(SqliteResultCache(tmp_path / "cache.db")) as cache:
        cache.put("old", 1, 10.0)
        cache.put("young", 2, 30.0)
        cache.put("for good", 3, None)
        assert cache.prune(20.0, dry_run=True) == 1
        assert cache.get("old", 0.0) == (1,)
        assert cache.prune(20.0) == 1
        assert cache.prune(20.0) == 0

        assert [cache.get(key, 0.0) for key in ("old", "young", "for good")] == [None, (2,), (3,)]


def test_a_file_that_is_mostly_empty_becomes_smaller(tmp_path: Path) -> None:
    path = tmp_path / "cache.db"
    with closing(SqliteResultCache(path)) as cache:
        for number in range(200):
            cache.put(str(number), "x" * 5000, 10.0 if number else None)
    before = path.stat().st_size
    with closing(SqliteResultCache(path)) as cache:
        assert cache.prune(20.0) == 199
        assert cache.get("0", 0.0) == ("x" * 5000,)

    assert path.stat().st_size < before / 5


def test_everything_that_is_kept_can_be_looked_through(tmp_path: Path) -> None:
    import sqlite3

    with closing(SqliteResultCache(tmp_path / "cache.db")) as cache:
        cache.put("one", {"uri": "file:///x"}, None)
        cache.put("two", 2, 10.0)
        assert sorted(cache.texts()) == ["2", '{"uri":"file:///x"}']
        with closing(sqlite3.connect(tmp_path / "cache.db")) as other:
            other.execute("DROP TABLE results")
        with pytest.raises(BackendError, match="the result cache cannot be read: no such table"):
            list(cache.texts())


def test_a_busy_file_costs_hits_and_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    import sqlite3

    with closing(SqliteResultCache(tmp_path / "cache.db")) as cache:
        cache._database.execute("PRAGMA busy_timeout = 10")
        with closing(sqlite3.connect(tmp_path / "cache.db", isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            cache.put("key", 1, None)
            other.execute("ROLLBACK")

        assert cache.get("key", 0.0) is None
    assert "passed over: database is locked" in caplog.text


def test_another_kind_of_file_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "cache.db"
    path.write_text("a diary, not a database " * 100)

    with pytest.raises(InputError, match="cannot be used as a result cache"):
        SqliteResultCache(path)
    assert path.read_text().startswith("a diary")


# -------------------------------------------------------------------------------------------------------------------- keys

CARD = ExecutorCard("whisper", "speech-to-text", "")


def test_the_same_work_has_the_same_key_whatever_the_order_of_names() -> None:
    assert cache_key(CARD, {"a": 1, "b": 2}, {"x": [1], "y": None}) == cache_key(CARD, {"b": 2, "a": 1}, {"y": None, "x": [1]})


@pytest.mark.parametrize(
    "other",
    [
        lambda: cache_key(ExecutorCard("vosk", "speech-to-text", ""), {"beam": 1}, {"x": 1}),
        lambda: cache_key(ExecutorCard("whisper", "speech-to-text", "", version="2"), {"beam": 1}, {"x": 1}),
        lambda: cache_key(CARD, {"beam": 2}, {"x": 1}),
        lambda: cache_key(CARD, {"beam": 1}, {"x": 2}),
        lambda: cache_key(CARD, {"beam": 1}, {"x": "1"}),
        lambda: cache_key(CARD, {"beam": 1}, {"x": True}),
        lambda: cache_key(CARD, {"beam": 1}, {"x": 1}, target=len),
    ],
)
def test_other_work_has_another_key(other: Callable[[], str]) -> None:
    assert other() != cache_key(CARD, {"beam": 1}, {"x": 1})


def test_a_description_plays_no_part() -> None:
    assert cache_key(ExecutorCard("whisper", "speech-to-text", "better words"), {}, {}) == cache_key(CARD, {}, {})


def test_a_changed_local_file_is_another_input(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("aaa")
    inputs = {"scenes": [{"video": {"uri": path.as_uri(), "size": 3}}]}
    before = cache_key(CARD, {}, inputs)
    assert cache_key(CARD, {}, inputs) == before
    path.write_text("bbb")
    os.utime(path, ns=(1, 1))

    assert cache_key(CARD, {}, inputs) != before


def test_a_file_with_a_hash_is_not_looked_at(tmp_path: Path) -> None:
    inputs = {"video": {"uri": (tmp_path / "a.txt").as_uri(), "sha256": "ab"}}
    before = cache_key(CARD, {}, inputs)
    (tmp_path / "a.txt").write_text("now there is one")

    assert cache_key(CARD, {}, inputs) == before
    assert cache_key(CARD, {}, {"video": {**inputs["video"], "sha256": "cd"}}) != before


def made(source: str) -> Any:
    names: dict[str, Any] = {"__name__": "steps"}
    exec(source, names)
    return names["step"]


def test_the_code_of_a_function_counts_and_its_place_does_not() -> None:
    def key(source: str) -> str:
        return cache_key(CARD, {}, {}, target=made(source))

    one = "def step(x, y=1):\n    return {x for x in ('a', 'b')}"
    assert key(one) == key("\n\n# moved\n" + one)
    assert key(one) != key(one.replace("'b'", "'c'"))
    assert key(one) != key(one.replace("y=1", "y=2"))
    assert key("def step(x):\n    return x + 1") != key("def step(x):\n    return x - 1")
    assert key("def step(x):\n    return (lambda: 1)()") != key("def step(x):\n    return (lambda: 2)()")


def test_what_a_function_closes_over_counts() -> None:
    def adder(amount: int) -> Callable[[int], int]:
        return lambda x: x + amount

    assert cache_key(CARD, {}, {}, target=adder(1)) == cache_key(CARD, {}, {}, target=adder(1))
    assert cache_key(CARD, {}, {}, target=adder(1)) != cache_key(CARD, {}, {}, target=adder(2))


def test_keys_are_the_same_in_every_process() -> None:
    program = (
        "from murakkab.catalog import ExecutorCard\nfrom murakkab.runtime.cache_key import cache_key\n"
        "def step(x): return x in {'a', 'b', 'c', 'd'}\n"
        "print(cache_key(ExecutorCard('n', 'c', ''), {'k': 1}, {'x': 'y'}, target=step))"
    )
    keys = {
        subprocess.run(
            [sys.executable, "-c", program], check=True, capture_output=True, text=True, env={**os.environ, "PYTHONHASHSEED": seed}
        ).stdout
        for seed in ("1", "2")
    }

    assert len(keys) == 1
