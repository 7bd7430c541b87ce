"""``recsys refit`` on a directory that no server uses: what it says, adopts and refuses."""

import json
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from actors.cli.main import app
from actors.layout import DataFolder, shard_folder
from actors.settings import ServerSettings, load_settings
from recsys.engine import Engine
from recsys.store.memory import MemoryStore
from tests.logs import ranked, served

RANKER = "{hidden: 4, start: {mix: -3.0}, learning_rate: 1.0e-4, initial_reward: 0.05}"
"""Starts at the mix upside down, and learns slowly."""


@pytest.fixture(scope="module")
def store() -> MemoryStore:
    """Return a log from which more can be learned than was."""
    store = MemoryStore()
    served(ranked(start={"mix": -3.0}, learning_rate=1e-4), 420, store)
    return store


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "server.yaml").write_text(
        f"shards: {{count: 2, partitions: 8, data_dir: {tmp_path / 'data'}}}\n"
        f"engine: {{learners: {{ranker: listwise, listwise: {RANKER}}}}}\n"
    )
    return tmp_path


def settings_of(folder: Path) -> ServerSettings:
    return load_settings(folder / "server.yaml")


def fill(folder: Path, store: MemoryStore, events: int = 10**9) -> None:
    """Give shard 0 the log, and shard 1 its first events."""
    settings = settings_of(folder)
    DataFolder(settings.shards).release()
    for shard, most in ((0, events), (1, 200)):
        path = shard_folder(settings.shards.data_dir, shard)
        with closing(Engine.open(path, settings.engine)) as engine:
            engine.apply([event for number, event in store.read(after=0) if number <= most])


def refit(folder: Path, *arguments: str) -> Result:
    command = ["refit", "--config", str(folder / "server.yaml"), *arguments]
    return CliRunner().invoke(app, command)


def opened(folder: Path, shard: int = 0) -> Engine:
    settings = settings_of(folder)
    return Engine.open(shard_folder(settings.shards.data_dir, shard), settings.engine)


def test_what_is_better_is_adopted_where_it_is(folder: Path, store: MemoryStore) -> None:
    fill(folder, store)
    with closing(opened(folder)) as engine:
        before = engine.state.learner.fingerprint()

    dry = refit(folder, "--dry-run", "--passes", "2")
    assert dry.exit_code == 0, dry.output
    assert "; a dry run; " in dry.output
    with closing(opened(folder)) as engine:
        assert engine.state.learner.fingerprint() == before
        sequence = engine.stats().sequence

    result = refit(folder, "--passes", "2", "--json", str(folder / "figures.json"))
    assert result.exit_code == 0, result.output
    one, other = json.loads((folder / "figures.json").read_text())
    assert one["adopted"]
    assert one["refit_loss"] < one["live_loss"] - 2 * one["error"]
    assert (one["version"], one["events"]) == (1, sequence)
    assert f"{one['live_loss']:.4f}" in result.output
    assert f"shard 0: {one['reason']}; {one['read_s']:.1f} s to read, " in result.output
    assert not other["adopted"]
    assert (other["version"], other["error"]) == (0, None)
    assert "shard 1: " in result.output
    assert " choices to judge by decide nothing, 100 would; " in result.output
    assert "adopted where the gain is above 2 standard errors\n" in result.output
    with closing(opened(folder)) as engine:
        stats = engine.stats()
        assert stats.base.version == 1
        assert stats.base.loss == one["refit_loss"]
        assert stats.snapshot_sequence == stats.sequence == sequence + 1
        adopted = engine.fingerprint()
    with closing(opened(folder)) as engine:
        assert engine.fingerprint() == adopted
    with closing(opened(folder, 1)) as engine:
        assert engine.stats().base.version == 0


def refusals(folder: Path) -> Iterable[str]:
    result = refit(folder)
    assert result.exit_code == 1
    assert result.stdout == ""
    return result.stderr.splitlines()


def test_a_directory_without_a_log_is_not_made(folder: Path) -> None:
    assert refusals(folder) == [
        f"recsys: {folder / 'data'} holds no log; `recsys serve` and `recsys train` make one"
    ]
    assert not (folder / "data").exists()


def test_a_directory_in_use_is_left_alone(folder: Path) -> None:
    owner = DataFolder(settings_of(folder).shards)
    try:
        (line,) = refusals(folder)
    finally:
        owner.release()
    assert line.startswith(f"recsys: the data directory {folder / 'data'} is in use by another")


def test_a_ranker_without_choices_cannot_be_refit(folder: Path, store: MemoryStore) -> None:
    config = folder / "server.yaml"
    config.write_text(config.read_text().replace("ranker: listwise", "ranker: vw"))
    fill(folder, store, 200)
    assert refusals(folder) == [
        "recsys: learners.ranker is 'vw': only the listwise ranker can be learned from the log in "
        "several passes"
    ]


def test_a_log_that_lost_its_start_cannot_be_refit(folder: Path, store: MemoryStore) -> None:
    config = folder / "server.yaml"
    config.write_text(
        config.read_text().replace("engine: {", "engine: {store: {log_events: 1000}, ")
    )
    fill(folder, store)
    with closing(opened(folder)) as engine:
        engine.snapshot()
        gone = engine.stats().sequence - 1000
    assert refusals(folder) == [
        f"recsys: event 1 is no longer in the log, which goes on at {gone + 1}: a refit needs the "
        "whole log (engine.store.log_events)"
    ]


def test_figures_that_cannot_be_written(folder: Path, store: MemoryStore) -> None:
    fill(folder, store, 200)
    result = refit(folder, "--json", str(folder / "none" / "figures.json"))
    assert result.exit_code == 1
    assert result.stderr == f"recsys: {folder}/none/figures.json: No such file or directory\n"


def test_ctrl_c_leaves_the_rest_as_it_was(
    folder: Path, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(folder, store, 200)

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("actors.cli.refit.run", interrupted)
    result = refit(folder)
    assert result.exit_code == 130
    assert result.stderr == (
        "recsys: stopped; the shards that were not adopted go on as they were\n"
    )
    with closing(opened(folder)) as engine:
        assert engine.stats().base.version == 0
