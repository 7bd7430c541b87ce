"""``recsys verify`` on the folder of a stopped server."""

from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from actors.cli.main import app
from actors.layout import DataFolder, shard_folder
from actors.settings import ShardSettings
from recsys.keyfile import load_key
from recsys.store.sqlite import SqliteStore
from tests.stores import clicks, damage, filled, sequences


@pytest.fixture
def data(tmp_path: Path) -> Path:
    data = tmp_path / "data"
    DataFolder(ShardSettings(count=2, partitions=8, data_dir=data)).release()
    for index in range(2):
        folder = shard_folder(data, index)
        filled(folder / "log.sqlite")
        load_key(folder / "key")
    return data


def verify(data: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["verify", str(data), *arguments])


def test_sound_shards(data: Path) -> None:
    before = {path: path.read_bytes() for path in data.rglob("*") if path.is_file()}
    done = verify(data)
    assert done.exit_code == 0, done.output
    assert done.output.count("sound") == 2
    assert all(path.read_bytes() == content for path, content in before.items())


def test_damage_is_named_and_given_up_on_demand(data: Path) -> None:
    log = shard_folder(data, 1) / "log.sqlite"
    damage(log, "UPDATE log SET record = x'00' WHERE seq = 13")
    done = verify(data)
    assert done.exit_code == 1
    assert "shard 1: event 13 of the log is damaged" in done.output
    assert "restore a generation (`recsys restore`), or keep what is intact with" in done.output
    done = verify(data, "--accept-data-loss")
    assert done.exit_code == 0, done.output
    assert "shard 1: events 13 to 20 are lost" in done.output
    with closing(SqliteStore(log)) as store:
        assert sequences(store) == list(range(1, 13))
        assert store.lost == 8


def test_the_key_belongs_to_it(data: Path) -> None:
    key = shard_folder(data, 0) / "key"
    key.chmod(0o644)
    done = verify(data)
    assert done.exit_code == 0
    assert "shard 0: the key can be read by other users: chmod 600 it" in done.output
    key.write_bytes(b"short")
    assert "shard 0: the key should hold 32 bytes, it holds 5" in verify(data).output
    key.unlink()
    done = verify(data)
    assert done.exit_code == 1
    assert "shard 0: the key is missing" in done.output


def test_the_folder_of_an_engine(data: Path) -> None:
    done = verify(shard_folder(data, 1))
    assert done.exit_code == 0, done.output
    assert done.output.count("sound") == 1


def test_a_missing_shard_is_damage(data: Path) -> None:
    (shard_folder(data, 1) / "log.sqlite").unlink()
    done = verify(data)
    assert done.exit_code == 1
    assert "is missing or empty, but what belongs to it is there" in done.output


def test_a_folder_in_use_or_of_nothing(data: Path, tmp_path: Path) -> None:
    folder = DataFolder(ShardSettings(count=2, partitions=8, data_dir=data))
    assert "is in use by another recsys" in verify(data).output
    folder.release()
    with closing(SqliteStore(shard_folder(data, 0) / "log.sqlite")) as store:
        store.append(clicks(21, 21))
        done = verify(data)
        assert done.exit_code == 1
        assert "log.sqlite is open in another process" in done.output
    done = verify(tmp_path / "nothing")
    assert done.exit_code == 1
    assert "nothing holds no shards" in done.output
    assert not (tmp_path / "nothing").exists()
    (data / "layout.json").write_text("{")
    assert "layout.json is damaged" in verify(data).output
