"""Who may use a data directory, and with which settings."""

import subprocess
import sys
from pathlib import Path

import pytest

from actors.errors import StartupError
from actors.layout import DataFolder, read_shard_map
from actors.settings import ShardSettings
from actors.shard_map import ShardMap


def shards(data_dir: Path, count: int = 2, partitions: int = 64) -> ShardSettings:
    return ShardSettings(count=count, partitions=partitions, data_dir=data_dir)


def test_the_epoch_survives_the_process(tmp_path: Path) -> None:
    folder = DataFolder(shards(tmp_path / "a" / "data"))
    folder.advance()
    folder.advance()
    folder.release()
    folder.release()
    again = DataFolder(shards(tmp_path / "a" / "data"))
    assert again.epoch == 2
    again.release()


@pytest.mark.parametrize(("count", "partitions"), [(3, 64), (2, 128)])
def test_another_division_of_the_users_is_refused(
    tmp_path: Path, count: int, partitions: int
) -> None:
    DataFolder(shards(tmp_path)).release()
    with pytest.raises(StartupError) as refusal:
        DataFolder(shards(tmp_path, count, partitions))
    assert str(refusal.value) == (
        f"the data directory {tmp_path} was made for 2 shards and 64 partitions, the settings say "
        f"{count} and {partitions}; set shards.count and shards.partitions back, or divide the "
        "users anew with `recsys reshard` (the number of partitions stays for ever), or choose "
        "another directory with --data-dir"
    )
    DataFolder(shards(tmp_path)).release()


def test_a_directory_has_one_user_at_a_time(tmp_path: Path) -> None:
    hold = (
        "import sys; from actors.layout import DataFolder; from actors.settings import *;"
        f"f = DataFolder(ShardSettings(data_dir={str(tmp_path)!r}));"
        "print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", hold], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(StartupError) as refusal:
            DataFolder(shards(tmp_path))
        assert str(refusal.value) == (
            f"the data directory {tmp_path} is in use by another recsys (process {other.pid}); "
            "stop it or choose another with --data-dir"
        )
        other.kill()
    DataFolder(shards(tmp_path)).release()


def test_a_file_in_place_of_the_directory_is_named(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.touch()
    with pytest.raises(StartupError, match="cannot be used: it is a file; choose another"):
        DataFolder(shards(path))
    with pytest.raises(StartupError, match="cannot be used: Not a directory; choose another"):
        DataFolder(shards(path / "below"))


@pytest.mark.parametrize("content", ["", "{", '{"format": 1}', "[]"])
def test_a_damaged_layout_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "layout.json").write_text(content)
    with pytest.raises(StartupError, match=r"layout\.json is damaged"):
        DataFolder(shards(tmp_path))


def test_a_layout_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "layout.json").mkdir()
    with pytest.raises(StartupError, match=r"cannot be used: layout\.json: Is a directory; choose"):
        DataFolder(shards(tmp_path))


def test_a_layout_that_cannot_be_written_is_named_and_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "layout.json.new").mkdir()
    with pytest.raises(StartupError, match=r"cannot be used: layout\.json: Is a directory; choose"):
        DataFolder(shards(tmp_path))
    (tmp_path / "layout.json.new").rmdir()
    folder = DataFolder(shards(tmp_path))
    (tmp_path / "layout.json.new").mkdir()
    with pytest.raises(StartupError, match="cannot be used"):
        folder.advance()
    assert folder.epoch == 0
    folder.release()


def test_a_layout_of_the_future_is_refused(tmp_path: Path) -> None:
    (tmp_path / "layout.json").write_text(
        '{"format": 3, "shards": 2, "partitions": 64, "epoch": 0}'
    )
    with pytest.raises(StartupError, match="has layout format 3, this version reads 1 to 2"):
        DataFolder(shards(tmp_path))


def test_a_layout_of_before_is_read_and_renewed(tmp_path: Path) -> None:
    path = tmp_path / "layout.json"
    path.write_text('{"format": 1, "shards": 2, "partitions": 5, "epoch": 7}')
    folder = DataFolder(shards(tmp_path, 2, 5))
    assert folder.shard_map == ShardMap(7, (0, 1, 0, 1, 0))
    assert read_shard_map(shards(tmp_path, 2, 5)) == folder.shard_map
    folder.assign(1, 0)
    folder.release()
    again = DataFolder(shards(tmp_path, 2, 5))
    assert again.shard_map == ShardMap(7, (0, 0, 0, 1, 0))
    again.release()


@pytest.mark.parametrize(
    "content",
    [
        '{"format": 2, "shards": 2, "partitions": 3, "epoch": 0, "owners": [0, 1]}',
        '{"format": 2, "shards": 1, "partitions": 1, "epoch": 0, "owners": [0], "goal": [0, 1]}',
    ],
)
def test_a_layout_without_an_owner_for_each_partition_is_refused(
    tmp_path: Path, content: str
) -> None:
    (tmp_path / "layout.json").write_text(content)
    with pytest.raises(StartupError, match=r"damaged .it has not one owner for each partition"):
        DataFolder(shards(tmp_path, 2, 3))


def test_a_division_that_was_begun_must_end_first(tmp_path: Path) -> None:
    folder = DataFolder(shards(tmp_path, 2, 4))
    folder.begin_division((0, 1, 2, 1))
    folder.release()
    with pytest.raises(StartupError, match="into 3 shards was broken off; end it with"):
        DataFolder(shards(tmp_path, 2, 4))
    folder = DataFolder(shards(tmp_path, 3, 4), dividing=True)
    assert folder.goal == (0, 1, 2, 1)
    folder.assign(2, 2)
    folder.end_division(3)
    folder.release()
    folder = DataFolder(shards(tmp_path, 3, 4))
    assert (folder.shards, folder.shard_map) == (3, ShardMap(1, (0, 1, 2, 1)))
    folder.release()
