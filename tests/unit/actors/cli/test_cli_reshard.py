"""``recsys reshard``: what it does, says and refuses."""

from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from actors.cli.main import app
from actors.layout import DataFolder, shard_folder
from actors.settings import ServerSettings, load_settings
from recsys.engine import Engine
from recsys.events import Feedback

PEOPLE = [f"person-{number}" for number in range(12)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with the settings of a server of two shards, and its data."""
    (tmp_path / "server.yaml").write_text(
        f"shards: {{count: 2, partitions: 8, data_dir: {tmp_path / 'data'}}}\n"
    )
    settings = settings_of(tmp_path)
    owned = DataFolder(settings.shards)
    for shard in range(2):
        path = shard_folder(settings.shards.data_dir, shard)
        with closing(Engine.open(path, settings.engine)) as engine:
            engine.apply(
                [
                    Feedback(event_id=user, user_id=user, ts_ms=1, type="click", item_id="i")
                    for user in PEOPLE
                    if owned.shard_map.owner(user) == shard
                ]
            )
    owned.release()
    return tmp_path


def settings_of(folder: Path) -> ServerSettings:
    return load_settings(folder / "server.yaml")


def reshard(folder: Path, *arguments: str) -> Result:
    command = ["reshard", "--config", str(folder / "server.yaml"), *arguments]
    return CliRunner().invoke(app, command)


def people_of(folder: Path, shard: int) -> set[str]:
    settings = settings_of(folder)
    path = shard_folder(settings.shards.data_dir, shard)
    with closing(Engine.open(path, settings.engine)) as engine:
        return {user for user in PEOPLE if engine.user(user) is not None}


def test_it_moves_and_says_what(folder: Path) -> None:
    result = reshard(folder, "--shards", "3")
    assert result.exit_code == 0, result.output
    assert "2 partitions moved in" in result.output
    assert "set shards.count to 3 before the server starts again" in result.output
    parts = [people_of(folder, shard) for shard in range(3)]
    assert sorted(user for part in parts for user in part) == sorted(PEOPLE)
    fewer = reshard(folder, "--shards", "1")
    assert fewer.exit_code == 0, fewer.output
    assert fewer.output.count("retired") == 2
    assert people_of(folder, 0) == set(PEOPLE)
    again = reshard(folder, "--shards", "1")
    assert again.exit_code == 0, again.output
    assert "0 partitions moved" in again.output


def test_a_server_with_the_former_number_is_told_what_to_do(folder: Path) -> None:
    assert reshard(folder, "--shards", "3").exit_code == 0
    with pytest.raises(Exception, match="was made for 3 shards and 8 partitions, the settings say"):
        DataFolder(settings_of(folder).shards)


@pytest.mark.parametrize(
    ("shards", "message"),
    [("9", "8 partitions go to 1 to 8 shards, not to 9"), ("0", "Invalid value for '--shards'")],
)
def test_impossible_numbers_are_refused(folder: Path, shards: str, message: str) -> None:
    result = reshard(folder, "--shards", shards)
    assert result.exit_code in {1, 2}
    assert message in " ".join(result.output.split())
    DataFolder(settings_of(folder).shards).release()


def test_a_directory_in_use_is_left_alone(folder: Path) -> None:
    server = DataFolder(settings_of(folder).shards)
    result = reshard(folder, "--shards", "3")
    assert result.exit_code == 1
    assert "is in use by another recsys" in result.output
    server.release()


def test_a_directory_without_shards_is_named(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["reshard", "--shards", "3", "--data-dir", str(tmp_path)])
    assert result.exit_code == 1
    assert f"{tmp_path} holds no shards; `recsys serve`" in result.output


def test_a_damaged_shard_is_named_and_the_division_can_go_on(folder: Path) -> None:
    data_dir = settings_of(folder).shards.data_dir
    store = shard_folder(data_dir, 1) / "log.sqlite"
    sound = store.read_bytes()
    store.write_bytes(b"x" * len(sound))
    result = reshard(folder, "--shards", "1")
    assert result.exit_code == 1
    assert "is damaged or no store" in result.output
    assert "once its cause is gone, the same command goes on where it ended" in result.output
    store.write_bytes(sound)
    assert reshard(folder, "--shards", "1").exit_code == 0
    assert people_of(folder, 0) == set(PEOPLE)
