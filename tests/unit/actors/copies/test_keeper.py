"""A shard copies itself now and then, and the commands copy and restore whole directories."""

import asyncio
from contextlib import closing
from pathlib import Path

import pytest

from actors.copies.bucket import Bucket
from actors.copies.generations import Generations
from actors.copies.keeper import Keeper
from actors.errors import CopyError
from actors.layout import DataFolder, shard_folder
from actors.settings import CopySettings, ShardSettings
from recsys.store.memory import MemoryStore
from recsys.store.sqlite import SqliteStore
from tests.copies import Witness, filled_folder, recsys, shards_in
from tests.stores import clicks, sequences


async def test_a_shard_copies_itself(tmp_path: Path) -> None:
    shards = shards_in(tmp_path, (tmp_path / "far").as_uri())
    folder = shard_folder(shards.data_dir, 0)
    witness = Witness()
    with closing(SqliteStore(folder / "log.sqlite")) as store:
        store.append(clicks(1, 10))
        keeper = Keeper(0, shards, store, folder, witness)
        running = asyncio.create_task(keeper.run())
        await witness.until(lambda: len(witness.copies) >= 1)
        store.append(clicks(11, 20))
        await witness.until(lambda: len(witness.copies) >= 2)
        store.append(clicks(21, 21))
        await witness.until(lambda: len(witness.copies) >= 3)
        keeper.stop()
        await running
    generations = Generations(Bucket(shards.copies.url), 0).all()
    assert [one.sequence for one in generations] == [10, 20, 21]
    assert all(witness.copies)


async def test_a_failure_is_counted_and_tried_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "far").touch()
    shards = shards_in(tmp_path, (tmp_path / "far").as_uri())
    folder = shard_folder(shards.data_dir, 0)
    witness = Witness()
    with closing(SqliteStore(folder / "log.sqlite")) as store:
        store.append(clicks(1, 10))
        keeper = Keeper(0, shards, store, folder, witness)
        running = asyncio.create_task(keeper.run())
        await witness.until(lambda: witness.copies == [False])
        assert "shard 0: no copy: file://" in caplog.text
        (tmp_path / "far").unlink()
        await witness.until(lambda: witness.copies[-1])
        keeper.stop()
        await running


async def test_without_a_url_there_are_none(tmp_path: Path) -> None:
    store = MemoryStore()
    keeper = Keeper(0, shards_in(tmp_path, ""), store, tmp_path, Witness())
    async with asyncio.timeout(5):
        await keeper.run()
    with pytest.raises(CopyError, match="shard 0 keeps nothing on a disk"):
        await keeper.copy(CopySettings(url=(tmp_path / "far").as_uri()))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return filled_folder(tmp_path / "data")


def test_backup_and_restore(data: Path, tmp_path: Path) -> None:
    url = (tmp_path / "far").as_uri()
    done = recsys("backup", "--data-dir", data, "--to", url)
    assert done.exit_code == 0, done.output
    assert "shard 1: up to event 20" in done.output
    assert "shard 0: nothing new" in recsys("backup", "--data-dir", data, "--to", url).output
    done = recsys("backup", "--to", url, "--list", "--data-dir", tmp_path / "gone")
    assert done.exit_code == 0
    first, _ = [line.split()[0] for line in done.output.splitlines()]
    assert first.startswith("shard-0/00000001-0000000000000020-")
    new = tmp_path / "new"
    chosen = ("--generation", first)
    done = recsys("restore", "--from", url, "--data-dir", new, "--keys", data, *chosen)
    assert done.exit_code == 0, done.output
    assert f"start it with: recsys serve --data-dir {new}" in done.output
    assert recsys("verify", new).exit_code == 0
    assert DataFolder(ShardSettings(count=2, partitions=8, data_dir=new)).epoch == 0
    for index in range(2):
        with closing(SqliteStore(shard_folder(new, index) / "log.sqlite")) as store:
            assert sequences(store) == list(range(1, 21))
    done = recsys("restore", "--from", url, "--data-dir", tmp_path / "keyless")
    assert done.exit_code == 0
    assert "without --keys, what was sealed under the old keys is learned anew" in done.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["backup", "--to", "nowhere"], "copies go to a file://"),
        (["backup", "--to", "file:///tmp", "--keep", "1"], "greater than or equal to 3"),
        (["restore", "--from", "ftp://x", "--data-dir", "new"], "copies go to a file://"),
        (
            ["restore", "--from", "file:///tmp", "--data-dir", "n", "--generation", "x"],
            "a generation is named shard-<i>/<name>, got 'x'",
        ),
    ],
)
def test_what_is_refused(arguments: list[str], message: str) -> None:
    done = recsys(*arguments)
    assert done.exit_code != 0
    assert message in done.output
