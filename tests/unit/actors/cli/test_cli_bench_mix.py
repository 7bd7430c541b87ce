"""What ``recsys bench mix`` measures, and what it refuses."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from actors.cli.main import app

RATINGS = "".join(f"{n % 5 + 1}::{n % 7 + 1}::{5 - (n % 3 == 0)}::{1000 + n}\n" for n in range(60))
MOVIES = "".join(f"{n}::Film {n} (1994)::Drama|Comedy\n" for n in range(1, 8))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "ml-1m"
    folder.mkdir()
    (folder / "ratings.dat").write_text(RATINGS)
    (folder / "movies.dat").write_text(MOVIES)
    return tmp_path


def mix(data: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["bench", "mix", "--data", str(data), *arguments])


def test_shards_are_compared(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "mix.json"
    result = mix(data, "--shards", "1,3", "--mix-every", "5", "--json", str(out))
    assert result.exit_code == 0, result.output
    report = json.loads(out.read_text())
    assert set(report["recall_at_10_by_shards"]) == {"1", "3"}
    assert report["bytes_per_mix"]["1"] == 0
    assert report["bytes_per_mix"]["3"] > 0
    assert report["events"] == 40
    assert set(report["bytes_per_mix_by_catalogue"]) == {"1000", "10000", "100000"}


def test_the_first_events_alone(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "mix.json"
    result = mix(data, "--shards", "2", "--events", "9", "--json", str(out))
    assert result.exit_code == 0, result.output
    assert json.loads(out.read_text())["events"] == 9


@pytest.mark.parametrize("shards", ["", "0", "1,", "two", "1;2"])
def test_numbers_of_shards_are_numbers(data: Path, shards: str) -> None:
    result = mix(data, "--shards", shards)
    assert result.exit_code == 2
    assert "--shards must be numbers like 1,2,4,8" in result.stderr


def test_a_folder_without_data_is_refused(tmp_path: Path) -> None:
    assert mix(tmp_path).exit_code == 2
