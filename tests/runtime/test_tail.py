"""The tail of a journal: what is flushed is there, what is torn is not, and who is alive."""

import os
import threading
from pathlib import Path

import pytest

from murakkab.runtime.tail import Line, Recovery, Tail, dead_owners, is_alive, is_known, lines_of, segments

LINES: list[Line] = [("job", 0, "header", "{}"), ("job", 1, "TaskSucceeded", '["Bär\u2028 ☃"]'), ("my job", 2, "finish", "1.5 failed")]


@pytest.fixture(params=[False, True], ids=["", "sync"])
def tail(request: pytest.FixtureRequest, tmp_path: Path) -> Tail:
    return Tail(tmp_path / "tails", sync=request.param)


def written(folder: Path, owner: str) -> list[Line]:
    return [line for segment in segments(folder, owner) for line in lines_of(segment)]


def test_what_is_flushed_is_in_the_file_and_nothing_before(tail: Tail, tmp_path: Path) -> None:
    for line in LINES:
        tail.append(line)
    assert written(tmp_path / "tails", tail.owner) == []
    tail.flush()
    assert written(tmp_path / "tails", tail.owner) == LINES
    tail.flush()
    assert written(tmp_path / "tails", tail.owner) == LINES
    tail.close(is_folded=True)


@pytest.mark.parametrize("taken", [0, 1, 10, 40])
def test_a_write_that_fails_half_way_leaves_no_half_line_and_is_made_good(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, taken: int
) -> None:
    tail = Tail(tmp_path)
    tail.append(LINES[0])
    tail.flush()
    tail.append(LINES[1])
    tail.append(LINES[2])
    last: Line = ("job", 3, "kind", "body")
    write, left = os.write, taken

    def full(handle: int, content: bytes) -> int:
        nonlocal left
        if not left:
            raise OSError(28, "No space left on device")
        done, left = write(handle, content[:left]), 0
        return done

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        with pytest.raises(OSError, match="No space left"):
            tail.flush()
    assert written(tmp_path, tail.owner) == [LINES[0]]
    tail.append(last)
    tail.flush()

    assert written(tmp_path, tail.owner) == [*LINES, last]
    tail.close(is_folded=True)


def test_a_new_segment_begins_where_the_old_one_ends(tail: Tail, tmp_path: Path) -> None:
    folder = tmp_path / "tails"
    tail.append(LINES[0])
    tail.flush()
    tail.append(LINES[1])
    (old,) = tail.rotate()
    tail.append(LINES[2])
    tail.flush()

    assert list(lines_of(old)) == LINES[:2]
    assert written(folder, tail.owner) == LINES
    tail.close(is_folded=False)


def test_what_could_not_be_removed_is_handed_out_again(tail: Tail) -> None:
    (first,) = tail.rotate()
    again = tail.rotate()

    assert again[0] == first
    assert len(again) == 2
    first.unlink()
    assert first not in tail.rotate()
    tail.close(is_folded=True)


def test_segments_keep_their_order_beyond_ten(tail: Tail, tmp_path: Path) -> None:
    for number in range(25):
        tail.append(("job", number, "kind", "body"))
        tail.rotate()

    assert [number for _, number, _, _ in written(tmp_path / "tails", tail.owner)] == list(range(25))
    tail.close(is_folded=False)


def test_an_owner_lives_until_it_closes(tail: Tail, tmp_path: Path) -> None:
    folder = tmp_path / "tails"
    assert is_alive(folder, tail.owner)
    assert is_known(folder, tail.owner)
    assert dead_owners(folder) == []
    tail.append(LINES[0])
    tail.flush()
    tail.close(is_folded=False)

    assert not is_alive(folder, tail.owner)
    assert is_known(folder, tail.owner)
    assert dead_owners(folder) == [tail.owner]
    assert written(folder, tail.owner) == LINES[:1]


def test_who_closes_with_everything_folded_leaves_nothing(tail: Tail, tmp_path: Path) -> None:
    tail.close(is_folded=True)

    assert list((tmp_path / "tails").iterdir()) == []
    assert not is_known(tmp_path / "tails", tail.owner)


def test_two_owners_do_not_see_each_others_segments(tmp_path: Path) -> None:
    one, two = Tail(tmp_path), Tail(tmp_path)
    one.append(LINES[0])
    two.append(LINES[1])
    one.flush()
    two.flush()

    assert written(tmp_path, one.owner) == LINES[:1]
    (folded,) = one.rotate()
    folded.unlink()
    assert written(tmp_path, two.owner) == LINES[1:2]
    one.close(is_folded=True)
    assert dead_owners(tmp_path) == []
    assert is_alive(tmp_path, two.owner)
    two.close(is_folded=True)


def test_a_late_flush_writes_to_nobodys_file(tail: Tail, tmp_path: Path) -> None:
    tail.append(LINES[0])
    tail.close(is_folded=False)
    # Takes the number of the file that was just closed.
    files = [os.open(tmp_path / f"other-{number}", os.O_WRONLY | os.O_CREAT) for number in range(3)]
    tail.flush()

    assert [(tmp_path / f"other-{number}").stat().st_size for number in range(3)] == [0, 0, 0]
    for file in files:
        os.close(file)


def test_asking_whether_an_owner_lives_does_not_make_it_look_dead_or_alive(tail: Tail, tmp_path: Path) -> None:
    folder = tmp_path / "tails"
    answers: list[bool] = []

    def ask() -> None:
        answers.extend(is_alive(folder, tail.owner) for _ in range(200))

    def ask_many() -> None:
        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    ask_many()
    assert answers == [True] * 800
    answers.clear()
    tail.close(is_folded=False)
    ask_many()
    assert answers == [False] * 800


def test_a_folder_that_is_not_there_has_no_owners(tmp_path: Path) -> None:
    assert dead_owners(tmp_path / "none") == []
    assert not is_alive(tmp_path, "nobody")


def test_a_tail_without_a_lock_is_a_dead_owners(tmp_path: Path) -> None:
    (tmp_path / "abc.000000000.tail").write_bytes(b"")
    (tmp_path / "recovery.lock").write_bytes(b"")

    assert dead_owners(tmp_path) == ["abc"]


WHOLE = b"job\t1\tkind\tone\n"


@pytest.mark.parametrize(
    "after",
    [
        b"job\t2\tkind\tcut of",
        b"job\t2\n" + WHOLE,
        b"job\ttwo\tkind\tbody\n" + WHOLE,
        b"job\t2\tkind\t\xff\xfe\n" + WHOLE,
        b"job\t2\tkind\tbo\0\0\0\n" + WHOLE,
        b"\0" * 4096 + b"\n" + WHOLE,
        b"\n" + WHOLE,
    ],
    ids=["cut off", "fields missing", "no number", "not UTF-8", "a block of nothing inside", "a block of nothing", "empty line"],
)
def test_what_follows_a_line_that_is_not_whole_is_void(tmp_path: Path, after: bytes) -> None:
    (tmp_path / "segment").write_bytes(WHOLE + after)

    assert list(lines_of(tmp_path / "segment")) == [("job", 1, "kind", "one")]


def test_one_recovers_at_a_time(tmp_path: Path) -> None:
    inside: list[int] = []
    most: list[int] = []

    def recover(number: int) -> None:
        for _ in range(20):
            with Recovery(tmp_path / "tails"):
                inside.append(number)
                most.append(len(inside))
                inside.remove(number)

    threads = [threading.Thread(target=recover, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert most == [1] * 80
