from pathlib import Path

import msgspec
import pytest
import typer
from typer.testing import CliRunner

from benchmarks.quality.seeds import Figures, command, summary
from recsys.settings import EngineSettings


def test_a_summary_is_flat_medians_and_every_value() -> None:
    found: list[Figures] = [{"kept": 0.5, "clicks": 3.0}, {"kept": 0.9, "clicks": 1.0}]
    found.append({"kept": 0.60004, "clicks": 2.0})
    assert summary(found) == {
        "kept": 0.6,
        "kept_by_seed": [0.5, 0.9, 0.6],
        "clicks": 2.0,
        "clicks_by_seed": [3.0, 1.0, 2.0],
    }


def measure(seed: int, settings: EngineSettings) -> Figures:
    return {"twice": 2.0 * seed, "replays": float(settings.memory.replays)}


def app() -> typer.Typer:
    app = typer.Typer()
    app.command()(command("double", "Twice the seed", {"lists": 5}, measure))
    return app


def test_a_command_measures_every_seed_and_says_how(tmp_path: Path) -> None:
    path = tmp_path / "double.json"
    done = CliRunner().invoke(app(), ["--seeds", "4, 1,2", "--json", str(path)])
    assert done.exit_code == 0, done.output
    assert "4   (8, 2, 4)" in done.output
    document = msgspec.json.decode(path.read_bytes())
    assert document["benchmark"] == "double"
    assert document["parameters"] == {"seeds": [4, 1, 2], "lists": 5, "engine": {}}
    assert document["result"]["twice_by_seed"] == [8.0, 2.0, 4.0]


def test_settings_that_are_not_the_default_are_written_down(tmp_path: Path) -> None:
    config, path = tmp_path / "mine.yaml", tmp_path / "double.json"
    config.write_text("engine: {memory: {replays: 7}}\n")
    done = CliRunner().invoke(app(), ["--config", str(config), "--json", str(path)])
    assert done.exit_code == 0, done.output
    document = msgspec.json.decode(path.read_bytes())
    assert document["parameters"]["engine"] == {"memory": {"replays": 7}}
    assert document["result"]["replays"] == 7.0


@pytest.mark.parametrize("seeds", ["", "1,", "1,x", "-1", "1,1", "1.5"])
def test_wrong_seeds_are_refused(seeds: str) -> None:
    done = CliRunner().invoke(app(), [f"--seeds={seeds}"])
    assert done.exit_code == 2
    assert "numbers from 0" in done.output
