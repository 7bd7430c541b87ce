"""Copies of a store in a folder: made, checked, kept, and brought back."""

import threading
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest
from typing_extensions import override

from actors.auth.key_file import changing_keys, keys_path, read_keys
from actors.auth.keys import make_key
from actors.copies.bucket import Bucket
from actors.copies.generations import Generations, Manifest
from actors.copies.restore import restore
from actors.errors import CopyError, StartupError
from actors.layout import shard_folder
from recsys.codec import pack
from recsys.errors import StoreError
from recsys.keyfile import load_key
from recsys.learners.envelope import key_mark
from recsys.store import sqlite_file
from recsys.store.base import Append, Outcome
from recsys.store.sqlite import SqliteStore
from recsys.store.sqlite_copy import copy_closed
from recsys.store.sqlite_verify import verify
from tests.stores import clicks, sequences


@pytest.fixture
def bucket(tmp_path: Path) -> Bucket:
    return Bucket((tmp_path / "far away").as_uri())


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "workshop").mkdir()
    return tmp_path


def log_of(place: Path) -> Path:
    return place / "shard-0" / "log.sqlite"


def copied(place: Path, bucket: Bucket, keep: int = 3, *, key: str = "") -> Manifest | None:
    """Copy the closed store."""
    return Generations(bucket, 0, keep).add(
        lambda target: copy_closed(log_of(place), target),
        place / "workshop",
        shards=1,
        partitions=8,
        key_mark=key,
    )


def append(place: Path, first: int, last: int) -> None:
    with closing(SqliteStore(log_of(place))) as store:
        store.append(clicks(first, last), {"feedback-0": last})
        store.commit_snapshot(last, {"model": pack(last)}, {"ann": pack(last)})


def broken(bucket: Bucket, place: Path, manifest: Manifest, content: bytes | None) -> None:
    path = place / "far away" / "shard-0" / f"{manifest.name}.copy"
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)


def test_a_generation_comes_back_and_goes_on(place: Path, bucket: Bucket) -> None:
    append(place, 1, 20)
    key = load_key(log_of(place).with_name("key"))
    manifest = copied(place, bucket, key=key_mark(key).hex())
    assert manifest is not None
    assert (manifest.sequence, manifest.snapshot, manifest.epoch) == (20, 20, 1)
    assert list((place / "workshop").iterdir()) == []
    (one,) = restore(bucket, place / "new", {}, keys=place)
    assert (one.manifest, one.passed_over, one.has_key) == (manifest, [], True)
    log = shard_folder(place / "new", 0) / "log.sqlite"
    assert log.with_name("key").read_bytes() == key
    assert log.with_name("key").stat().st_mode & 0o777 == 0o600
    assert verify(log).damage == []
    with closing(SqliteStore(log)) as store:
        assert sequences(store) == list(range(1, 21))
        assert (store.positions(), store.load()) == ({"feedback-0": 20}, {"model": pack(20)})
        assert store.load_user("ann") == pack(20)
        assert store.append(clicks(20, 21)) == [
            Append(Outcome.DUPLICATE, 20),
            Append(Outcome.ACCEPTED, 21),
        ]


def test_what_says_the_same_is_not_copied_again(place: Path, bucket: Bucket) -> None:
    append(place, 1, 20)
    assert copied(place, bucket) is not None
    assert copied(place, bucket) is None
    assert len(Generations(bucket, 0).all()) == 1


def test_the_newest_are_kept(place: Path, bucket: Bucket) -> None:
    orphan = place / "far away" / "shard-0" / "00000001-0000000000000001-abcdef012345.copy"
    made = []
    for turn in range(6):
        append(place, turn * 10 + 1, turn * 10 + 10)
        made.append(copied(place, bucket))
        if turn == 0:
            orphan.write_bytes(b"half an upload")
    assert Generations(bucket, 0).all() == made[-3:]
    names = {path.name for path in orphan.parent.iterdir()}
    assert names == {f"{one.name}.{end}" for one in made[-3:] if one for end in ("copy", "json")}


@pytest.mark.parametrize("content", [None, b"", b"\x00" * 100, "flipped", "cut"])
def test_a_damaged_generation_is_passed_over(
    place: Path, bucket: Bucket, content: bytes | str | None
) -> None:
    append(place, 1, 10)
    older = copied(place, bucket)
    append(place, 11, 20)
    newer = copied(place, bucket)
    assert newer is not None
    path = place / "far away" / "shard-0" / f"{newer.name}.copy"
    whole = bytearray(path.read_bytes())
    if content == "flipped":
        whole[len(whole) // 2] ^= 4
        content = bytes(whole)
    elif content == "cut":
        content = bytes(whole[:-1])
    assert not isinstance(content, str)
    broken(bucket, place, newer, content)
    (one,) = restore(bucket, place / "new", {}, None)
    assert one.manifest == older
    assert len(one.passed_over) == 1
    assert newer.name in one.passed_over[0]
    with closing(SqliteStore(shard_folder(place / "new", 0) / "log.sqlite")) as store:
        assert store.last_sequence == 10


def test_a_store_that_was_damaged_when_copied_is_passed_over(place: Path, bucket: Bucket) -> None:
    append(place, 1, 10)
    older = copied(place, bucket)
    append(place, 11, 20)
    log = log_of(place)
    content = log.read_bytes()
    at = content.rindex(b"e15")
    log.write_bytes(content[:at] + b"E" + content[at + 1 :])
    assert copied(place, bucket) is not None
    (one,) = restore(bucket, place / "new", {}, None)
    assert one.manifest == older
    assert "damaged" in one.passed_over[0]


def test_any_generation_can_be_chosen(place: Path, bucket: Bucket) -> None:
    made = []
    for turn in range(3):
        append(place, turn * 10 + 1, turn * 10 + 10)
        made.append(copied(place, bucket))
    for number, manifest in enumerate(made):
        assert manifest is not None
        (one,) = restore(bucket, place / f"new-{number}", {0: manifest.name}, None)
        assert one.manifest == manifest
    with pytest.raises(CopyError, match="no generation of shard 0 can be used: there is none of"):
        restore(bucket, place / "other", {0: "nothing"}, None)


def test_a_restored_store_supersedes_the_lost_one(place: Path, bucket: Bucket) -> None:
    """Its copies are of a later epoch, and the old machine's are refused from then on."""
    append(place, 1, 10)
    first = copied(place, bucket)
    assert first is not None
    for last in (20, 30):
        append(place, last - 9, last)
    lost = copied(place, bucket)
    assert lost is not None
    assert lost.epoch == 3
    restore(bucket, place / "new", {0: first.name}, None)
    append(place / "new", 11, 12)
    (place / "new" / "workshop").mkdir()
    again = copied(place / "new", bucket)
    assert again is not None
    assert (again.epoch, again.sequence) == (4, 12)
    assert Generations(bucket, 0).all()[-1] == again
    append_before = Generations(bucket, 0).all()
    with pytest.raises(CopyError, match=r"later owner of shard 0 .epoch 4, this is 3.: was it"):
        copied(place, bucket)
    assert Generations(bucket, 0).all() == append_before


def test_another_store_is_refused(place: Path, bucket: Bucket) -> None:
    append(place, 1, 10)
    copied(place, bucket)
    other = place / "other"
    append(other, 1, 10)
    (other / "workshop").mkdir()
    with pytest.raises(CopyError, match="holds copies of another store of shard 0; choose another"):
        copied(other, bucket)
    assert len(Generations(bucket, 0).all()) == 1


class Lossy(Bucket):
    """Takes uploads and keeps something else."""

    @override
    def put(self, name: str, file: Path) -> None:
        content = file.read_bytes()
        file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        super().put(name, file)


def test_what_was_uploaded_is_read_back(place: Path, tmp_path: Path) -> None:
    append(place, 1, 10)
    lossy = Lossy((tmp_path / "lossy").as_uri())
    with pytest.raises(CopyError, match="is not what was uploaded"):
        copied(place, lossy)
    assert Generations(lossy, 0).all() == []


def test_keys_must_be_the_right_ones(place: Path, bucket: Bucket) -> None:
    append(place, 1, 10)
    copied(place, bucket, key=key_mark(b"k" * 32).hex())
    for number, content in enumerate([None, b"short", b"w" * 32]):
        keys = place / f"keys-{number}" / "shard-0"
        keys.mkdir(parents=True)
        if content is not None:
            (keys / "key").write_bytes(content)
        with pytest.raises(StartupError, match=r"No such file|is not the key under which shard 0"):
            restore(bucket, place / f"new-{number}", {}, keys.parent)
        assert not (place / f"new-{number}" / "layout.json").exists()


def test_a_folder_that_is_not_empty_or_a_bucket_that_is(place: Path, bucket: Bucket) -> None:
    with pytest.raises(CopyError, match="holds no generations"):
        restore(bucket, place / "new", {}, None)
    append(place, 1, 10)
    copied(place, bucket)
    with pytest.raises(StartupError, match="is not empty; restore into a new folder"):
        restore(bucket, place, {}, None)


def test_keys_that_were_made_first_are_no_hindrance(place: Path, bucket: Bucket) -> None:
    append(place, 1, 10)
    copied(place, bucket)
    with changing_keys(keys_path(None, place / "new")) as keys:
        _, keys["shop"] = make_key("shop", ["events"], 0)
    assert len(restore(bucket, place / "new", {}, None)) == 1
    assert [key.name for key in read_keys(place / "new" / "keys.json")] == ["shop"]


def test_a_manifest_that_is_none_is_named(place: Path, bucket: Bucket) -> None:
    append(place, 1, 10)
    copied(place, bucket)
    bucket.put_new("shard-0/00000009-x.json", b"{}")
    with pytest.raises(CopyError, match=r"shard-0/00000009-x.json is no manifest"):
        restore(bucket, place / "new", {}, None)


def test_a_name_is_given_once(bucket: Bucket) -> None:
    bucket.put_new("shard-0/a.json", msgspec.json.encode(1))
    with pytest.raises(CopyError, match=r"shard-0/a.json is there already: another server"):
        bucket.put_new("shard-0/a.json", msgspec.json.encode(2))
    assert bucket.read("shard-0/a.json") == b"1"
    bucket.delete("shard-0/a.json")
    bucket.delete("shard-0/a.json")
    with pytest.raises(CopyError, match=r"shard-0/a.json: "):
        bucket.read("shard-0/a.json")


@pytest.mark.parametrize("url", ["", "/srv/copies", "https://user:secret@host/x?token=secret"])
def test_urls_that_are_none(url: str) -> None:
    with pytest.raises(StartupError, match="copies go to a file://") as refusal:
        Bucket(url)
    assert "secret" not in str(refusal.value)


@pytest.mark.parametrize("url", ["s3://me:secret@bucket/x", "s3://bucket/x?key=secret"])
def test_no_secret_in_a_url(url: str) -> None:
    with pytest.raises(StartupError, match=r"s3://bucket/x: keys come from the environment") as no:
        Bucket(url)
    assert "secret" not in str(no.value)


def test_a_folder_that_takes_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StartupError, match="cannot be used for copies"):
        Bucket((tmp_path / "file" / "below").as_uri())


class TestCopyOfAnOpenStore:
    def test_commits_go_on_and_the_copy_is_consistent(
        self, place: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        store = SqliteStore(log_of(place))
        store.append(clicks(1, 5000))
        appended = threading.Event()
        beside: list[bool] = []

        def breathe(_: float) -> None:
            # For as long as it takes somebody to use the pause, however busy the machine is.
            appended.clear()
            beside.append(appended.wait(20))

        monkeypatch.setattr(sqlite_file, "time", SimpleNamespace(sleep=breathe))
        target = place / "copy.sqlite"
        thread = threading.Thread(target=store.copy_to, args=(target, threading.Event()))
        thread.start()
        last = 5000
        while thread.is_alive():
            store.append(clicks(last + 1, last + 10))
            last += 10
            appended.set()
        thread.join()
        assert beside
        assert all(beside)
        store.close()
        with closing(SqliteStore(place / "copy.sqlite")) as copied_store:
            kept = copied_store.last_sequence
            assert 5000 <= kept <= last
            assert sequences(copied_store) == list(range(1, kept + 1))
        assert verify(place / "copy.sqlite").damage == []

    def test_it_can_be_stopped(self, place: Path) -> None:
        store = SqliteStore(log_of(place))
        store.append(clicks(1, 5000))
        stop = threading.Event()
        stop.set()
        with pytest.raises(StoreError, match="the copying was stopped"):
            store.copy_to(place / "copy.sqlite", stop)
        assert store.append(clicks(5001, 5001)) == [Append(Outcome.ACCEPTED, 5001)]
        store.close()

    def test_a_copy_that_cannot_be_written(self, place: Path) -> None:
        store = SqliteStore(log_of(place))
        store.append(clicks(1, 10))
        with pytest.raises(StoreError):
            store.copy_to(place / "nowhere" / "copy.sqlite", threading.Event())
        assert store.append(clicks(11, 11)) == [Append(Outcome.ACCEPTED, 11)]
        store.close()
