"""What every artifact store promises, and what each does beyond that."""

import hashlib
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from murakkab.errors import InputError, NotFoundError
from murakkab.local_files import write_whole
from murakkab.ports import Artifacts
from murakkab.runtime.artifacts import FsspecArtifacts, LocalArtifacts, file_value

STORES: dict[str, Callable[[Path], Artifacts]] = {
    "local": lambda folder: LocalArtifacts(folder / "store"),
    "fsspec-memory": lambda folder: FsspecArtifacts(f"memory://{folder.name}-{os.getpid()}", downloads=folder / "downloads"),
    "fsspec-file": lambda folder: FsspecArtifacts(f"file://{folder}/store", downloads=folder / "downloads"),
}


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Artifacts:
    return STORES[request.param](tmp_path)


def test_what_is_put_is_got(store: Artifacts) -> None:
    content = bytes(range(256)) * 100

    file = store.put(content, suffix=".wav", media_type="audio/wav")

    assert store.get(file) == content
    assert Path(store.local_path(file)).read_bytes() == content
    assert file["size"] == len(content)
    assert file["sha256"] == hashlib.sha256(content).hexdigest()
    assert file["media_type"] == "audio/wav"


def test_an_empty_file_is_a_file(store: Artifacts) -> None:
    file = store.put(b"")

    assert store.get(file) == b""
    assert Path(store.local_path(file)).read_bytes() == b""


def test_the_same_bytes_are_the_same_file(store: Artifacts) -> None:
    assert store.put(b"same", suffix=".txt") == store.put(b"same", suffix=".txt")
    assert store.put(b"same", suffix=".txt")["uri"] != store.put(b"other", suffix=".txt")["uri"]


def test_the_suffix_is_kept_and_tells_the_media_type(store: Artifacts) -> None:
    file = store.put(b"x", suffix=".png")

    assert file["uri"].endswith(".png")
    assert store.local_path(file).endswith(".png")
    assert file["media_type"] == "image/png"


@pytest.mark.parametrize("suffix", ["/../x", "wav", ".a/b", ".a b", ".", "." + "a" * 17])
def test_a_suffix_cannot_lead_elsewhere(store: Artifacts, suffix: str) -> None:
    with pytest.raises(InputError, match=r"write it like '\.wav'"):
        store.put(b"x", suffix=suffix)


def test_a_file_that_does_not_exist_is_not_found(store: Artifacts) -> None:
    file = store.put(b"x")
    gone = {"uri": file["uri"].replace(file["sha256"], "0" * 64)}

    with pytest.raises(NotFoundError, match="does not exist"):
        store.get(gone)
    with pytest.raises(NotFoundError, match="does not exist"):
        store.local_path(gone)


def test_a_value_without_uri_points_nowhere(store: Artifacts) -> None:
    with pytest.raises(NotFoundError, match="without a uri"):
        store.get({"size": 1})
    with pytest.raises(NotFoundError, match="without a uri"):
        store.local_path({"uri": ""})


def test_files_of_this_machine_are_reached_by_path_and_by_uri(store: Artifacts, tmp_path: Path) -> None:
    path = tmp_path / "ein Bild #1 100%.png"
    path.write_bytes(b"png")

    for uri in (str(path), path.as_uri()):
        assert store.local_path({"uri": uri}) == str(path)
        assert store.get({"uri": uri}) == b"png"


def test_a_folder_is_not_a_file(store: Artifacts, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="is a folder"):
        store.local_path({"uri": str(tmp_path)})


def test_writing_the_same_from_many_threads_leaves_one_whole_file(store: Artifacts) -> None:
    content = b"0123456789" * 50_000
    files: list[dict[str, object]] = []
    threads = [threading.Thread(target=lambda: files.append(store.put(content, suffix=".bin"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(files) == 8
    assert all(file == files[0] for file in files)
    assert store.get(files[0]) == content


def test_a_local_store_leaves_no_part_files(tmp_path: Path) -> None:
    store = LocalArtifacts(tmp_path)
    store.put(b"a", suffix=".txt")
    store.put(b"a", suffix=".txt")

    assert [p.suffix for p in tmp_path.rglob("*") if p.is_file()] == [".txt"]


def test_a_local_store_says_what_could_read_a_remote_file(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="an artifact store that reads s3://"):
        LocalArtifacts(tmp_path).local_path({"uri": "s3://bucket/x"})


def test_a_remote_file_is_downloaded_once_and_again_when_it_changed(tmp_path: Path) -> None:
    import fsspec

    memory = fsspec.filesystem("memory")
    name = f"/changing-{os.getpid()}.txt"
    store = FsspecArtifacts("memory://", downloads=tmp_path)
    memory.pipe_file(name, b"old")
    first = store.local_path({"uri": f"memory:/{name}"})
    assert store.local_path({"uri": f"memory:/{name}"}) == first
    memory.pipe_file(name, b"newer")

    assert Path(store.local_path({"uri": f"memory:/{name}"})).read_bytes() == b"newer"


def test_a_half_written_remote_file_is_written_again(tmp_path: Path) -> None:
    import fsspec

    store = FsspecArtifacts(f"memory://half-{os.getpid()}", downloads=tmp_path)
    file = store.put(b"whole content")
    fsspec.filesystem("memory").pipe_file(file["uri"].removeprefix("memory:/"), b"whole")

    assert store.get(store.put(b"whole content")) == b"whole content"


def test_an_unknown_scheme_is_the_users_mistake(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be reached"):
        FsspecArtifacts("nonsense://bucket", downloads=tmp_path).put(b"x")


def test_the_value_of_a_local_file_tells_its_facts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "clip one.mp4").write_bytes(b"12345")
    monkeypatch.chdir(tmp_path)

    expected = {"uri": (tmp_path / "clip one.mp4").as_uri(), "media_type": "video/mp4", "size": 5}
    assert file_value("clip one.mp4") == expected
    assert file_value(expected["uri"]) == expected  # type: ignore[arg-type]


def test_the_value_of_a_remote_file_is_its_uri_and_what_its_name_tells() -> None:
    assert file_value("s3://bucket/a.mp4") == {"uri": "s3://bucket/a.mp4", "media_type": "video/mp4"}


def test_a_missing_local_file_is_not_found_from_where_it_was_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    with pytest.raises(NotFoundError) as caught:
        file_value("clip.mp4")

    assert str(caught.value) == f"clip.mp4 does not exist; looked for it from {tmp_path}"


def test_a_failed_write_leaves_the_old_content_and_no_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file.txt"
    path.write_text("old")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_whole(path, b"new")

    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_writing_keeps_permissions_and_follows_links(tmp_path: Path) -> None:
    target, link = tmp_path / "target.sh", tmp_path / "link.sh"
    target.write_text("old")
    target.chmod(0o750)
    link.symlink_to(target)

    write_whole(link, b"new")

    assert link.is_symlink()
    assert target.read_text() == "new"
    assert target.stat().st_mode & 0o777 == 0o750


def test_a_sweep_removes_what_is_old_and_not_needed(tmp_path: Path) -> None:
    store = LocalArtifacts(tmp_path / "store")
    old, needed, young = (store.put(text, suffix=".bin") for text in (b"old", b"needed", b"young"))
    for file in (old, needed):
        os.utime(store.local_path(file), (100.0, 100.0))

    assert store.sweep({needed["sha256"]}, 200.0, dry_run=True) == (1, 3)
    assert store.get(old) == b"old"
    assert store.sweep({needed["sha256"]}, 200.0) == (1, 3)
    assert store.sweep({needed["sha256"]}, 200.0) == (0, 0)
    assert sorted(path.read_bytes() for path in store.stored()) == [b"needed", b"young"]
    assert store.get(young) == b"young"
    assert LocalArtifacts(tmp_path / "none").sweep((), 1e12) == (0, 0)


def test_what_is_put_again_is_as_if_new_also_when_it_is_somebody_elses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = LocalArtifacts(tmp_path)
    path = Path(store.local_path(store.put(b"x")))
    os.utime(path, (100.0, 100.0))
    before = path.stat().st_ino
    store.put(b"x")
    assert path.stat().st_mtime > 1e9
    assert path.stat().st_ino == before, "it is not written again"

    def foreign(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "utime", foreign)
    assert store.get(store.put(b"x")) == b"x"
