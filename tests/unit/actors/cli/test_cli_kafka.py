"""``recsys kafka`` as far as it needs no broker."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from actors.cli.main import app
from actors.host.ports import free_port
from actors.layout import DataFolder, shard_folder
from actors.settings import ServerSettings, ShardSettings
from recsys.store.sqlite import SqliteStore


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a data directory of two shards that have read from Kafka."""
    data = tmp_path / "data"
    DataFolder(ShardSettings(count=2, partitions=4, data_dir=data)).release()
    for shard in range(2):
        path = shard_folder(data, shard)
        path.mkdir()
        store = SqliteStore(path / "log.sqlite")
        positions = {"recsys.catalogue-0": 3, "recsys.catalogue-0#topic": 9, "decisions-out": 7}
        for number in (shard, shard + 2):
            positions |= {f"recsys.feedback-{number}": 5, f"recsys.feedback-{number}#topic": 8}
        store.append((), positions)
        store.close()
    return data


def positions(data: Path, shard: int) -> dict[str, int]:
    store = SqliteStore(shard_folder(data, shard) / "log.sqlite")
    try:
        return store.positions()
    finally:
        store.close()


def reset(data: Path, *arguments: str) -> str:
    config = data.parent / "server.yaml"
    config.write_text("shards: {count: 2, partitions: 4}\n")
    done = CliRunner().invoke(
        app,
        ["kafka", "reset-offsets", "--config", str(config), "--data-dir", str(data), *arguments],
    )
    return f"{done.exit_code}: {done.output}"


def test_one_partition_is_set_at_its_owner_and_nowhere_else(folder: Path) -> None:
    said = reset(folder, "recsys.feedback", "--partition", "3", "--to", "120")
    assert said.startswith("0: recsys.feedback: 1 positions set to 120")
    found = positions(folder, 1)
    assert (found["recsys.feedback-3"], found["recsys.feedback-3#topic"]) == (120, 0)
    assert (found["recsys.feedback-1"], found["recsys.feedback-1#topic"]) == (5, 8)
    assert set(positions(folder, 0).values()) == {3, 5, 7, 8, 9}


@pytest.mark.parametrize(("word", "value"), [("earliest", -2), ("latest", -1)])
def test_words_are_looked_up_at_the_next_start(folder: Path, word: str, value: int) -> None:
    assert reset(folder, "recsys.feedback", "--to", word).startswith("0: recsys.feedback: 4 ")
    for shard in range(2):
        found = positions(folder, shard)
        assert [found[f"recsys.feedback-{n}"] for n in (shard, shard + 2)] == [value, value]
        assert found["decisions-out"] == 7


def test_every_shard_reads_the_catalogue_so_every_shard_is_set(folder: Path) -> None:
    assert reset(folder, "recsys.catalogue", "--to", "earliest").startswith("0: ")
    assert [positions(folder, shard)["recsys.catalogue-0"] for shard in range(2)] == [-2, -2]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("recsys.decisions", "--to", "0"), "is not read"),
        (("recsys.feedback", "--to", "-5"), "earliest, latest or an offset"),
        (("recsys.feedback", "--to", "x"), "earliest, latest or an offset"),
    ],
)
def test_what_makes_no_sense_is_refused(
    folder: Path, arguments: tuple[str, ...], says: str
) -> None:
    said = reset(folder, *arguments)
    assert said.startswith("1: ")
    assert says in said


def test_a_running_server_is_left_alone(folder: Path) -> None:
    held = DataFolder(ShardSettings(count=2, partitions=4, data_dir=folder))
    try:
        assert "in use by another recsys" in reset(folder, "recsys.feedback", "--to", "latest")
    finally:
        held.release()
    assert "holds no log" in reset(folder.parent / "other", "recsys.feedback", "--to", "latest")


@pytest.mark.parametrize("create", [[], ["--create"]])
def test_no_broker_is_said_in_one_line(tmp_path: Path, create: list[str]) -> None:
    config = tmp_path / "server.yaml"
    nobody = f"127.0.0.1:{free_port()}"
    config.write_text(f"kafka: {{bootstrap_servers: ['{nobody}']}}\n")
    done = CliRunner().invoke(app, ["kafka", "topics", "--config", str(config), *create])
    assert done.exit_code == 1
    assert done.output == f"recsys: {nobody} cannot be reached: nobody listens there\n"
    assert ServerSettings().kafka.enabled is False
