"""Copies of the shards in an object store: made, listed, dropped, brought back, broken off."""

import asyncio
import os
from contextlib import closing
from pathlib import Path

import pytest

from actors.copies.bucket import Bucket
from actors.copies.generations import Generations
from actors.copies.keeper import Keeper
from actors.errors import CopyError
from actors.layout import shard_folder
from recsys.codec import pack
from recsys.store.sqlite import SqliteStore
from tests.copies import Witness, filled_folder, recsys, shards_in
from tests.s3.server import Way
from tests.stores import clicks, sequences

MEGABYTE = 1 << 20


def append(data: Path, shard: int, first: int, last: int) -> None:
    with closing(SqliteStore(shard_folder(data, shard) / "log.sqlite")) as store:
        store.append(clicks(first, last))


def log_of(data: Path, shard: int) -> list[int]:
    with closing(SqliteStore(shard_folder(data, shard) / "log.sqlite")) as store:
        return sequences(store)


def listed(url: str) -> list[str]:
    done = recsys("backup", "--to", url, "--list")
    assert done.exit_code == 0, done.output
    return [line.split()[0] for line in done.output.splitlines()]


def test_a_whole_round(url: str, tmp_path: Path) -> None:
    data = filled_folder(tmp_path / "data")
    backup = ("backup", "--data-dir", data, "--to", url)
    for more in range(4):
        if more:
            append(data, 0, 100 * more, 100 * more + 9)
        done = recsys(*backup)
        assert done.exit_code == 0, done.output
        assert f"shard 0: up to event {20 + 10 * more}\n" in done.output
    assert "shard 1: nothing new" in done.output

    names = listed(url)
    ends = [int(name.split("-")[2]) for name in names if name.startswith("shard-0/")]
    assert ends == [30, 40, 50], "three stay"
    bucket = Bucket(url)
    assert sorted(bucket.names("shard-0/")) == sorted(
        f"{name}.{ending}" for name in names[:3] for ending in ("copy", "json")
    )

    restore = ("restore", "--from", url, "--keys", data, "--data-dir")
    done = recsys(*restore, tmp_path / "newest")
    assert done.exit_code == 0, done.output
    done = recsys(*restore, tmp_path / "older", "--generation", names[0])
    assert done.exit_code == 0, done.output
    for folder, events in (("newest", 50), ("older", 30)):
        assert recsys("verify", tmp_path / folder).exit_code == 0
        assert log_of(tmp_path / folder, 0) == list(range(1, events + 1))
        assert log_of(tmp_path / folder, 1) == list(range(1, 21))


def test_what_is_uploaded_in_parts_comes_back(url: str, tmp_path: Path) -> None:
    content, bucket = os.urandom(12 * MEGABYTE), Bucket(url)
    (tmp_path / "file").write_bytes(content)
    bucket.put("large", tmp_path / "file")
    assert bucket.read("large") == content


def test_a_name_is_taken_once(url: str) -> None:
    bucket = Bucket(url)
    bucket.put_new("shard-0/one.json", b"1")
    with pytest.raises(CopyError, match="another server copies to the same URL"):
        bucket.put_new("shard-0/one.json", b"2")
    assert bucket.read("shard-0/one.json") == b"1"
    bucket.delete("shard-0/one.json")
    bucket.delete("shard-0/one.json")
    assert bucket.names("shard-0/") == []


def test_a_bucket_that_is_not_there(way: Way, tmp_path: Path) -> None:
    url = "s3://nobodys-bucket/prod"
    data = filled_folder(tmp_path / "data")
    why = "The specified bucket does not exist (NoSuchBucket)\n"
    for arguments in (
        ("backup", "--data-dir", data, "--to", url),
        ("backup", "--to", url, "--list"),
        ("restore", "--from", url, "--data-dir", tmp_path / "new"),
    ):
        done = recsys(*arguments)
        assert done.exit_code == 1
        assert done.stderr.startswith(f"recsys: {url}: ")
        assert done.stderr.endswith(why)
        assert done.stderr.count("\n") == 1
    assert not way.is_cut
    assert log_of(data, 0) == list(range(1, 21))
    assert not (tmp_path / "new").exists()


async def test_a_server_that_goes_away_in_the_middle_and_comes_back(
    way: Way, url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shards = shards_in(tmp_path, url)
    folder = shard_folder(shards.data_dir, 0)
    generations = Generations(Bucket(url), 0)
    witness = Witness()
    with closing(SqliteStore(folder / "log.sqlite")) as store:
        store.append(clicks(1, 10))
        keeper = Keeper(0, shards, store, folder, witness)
        running = asyncio.create_task(keeper.run())
        await witness.until(lambda: witness.copies == [True])
        # So much that it takes many pieces; zlib finds nothing in it.
        store.commit_snapshot(10, {"noise": pack(os.urandom(4 * MEGABYTE))}, {})
        way.cut_after(MEGABYTE)
        store.append(clicks(11, 20))
        await witness.until(lambda: witness.copies == [True, False])
        assert way.is_cut
        assert f"shard 0: no copy: {url}: " in caplog.text
        way.mend()
        assert [one.sequence for one in generations.all()] == [10]
        await witness.until(lambda: witness.copies[-1])
        keeper.stop()
        await running
    assert [one.sequence for one in generations.all()] == [10, 20]
    assert recsys("restore", "--from", url, "--data-dir", tmp_path / "new").exit_code == 0
    assert log_of(tmp_path / "new", 0) == list(range(1, 21))
