"""Environment over file over defaults, and the command line over all."""

from pathlib import Path

import pytest

from actors.overrides import override
from actors.settings import ServerSettings, load_settings


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "server.yaml"
    path.write_text("http: {port: 9000, replicas: 3}\nshards: {count: 4}\n")
    return path


def test_the_file_changes_what_it_names(file: Path) -> None:
    settings = load_settings(file)
    assert (settings.http.port, settings.http.replicas, settings.shards.count) == (9000, 3, 4)
    assert settings.engine == ServerSettings().engine


def test_the_environment_wins_over_the_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECSYS__HTTP__PORT", "9001")
    monkeypatch.setenv("RECSYS__ENGINE__STORE__SNAPSHOT_EVERY_S", "0.5")
    monkeypatch.setenv("RECSYS__HTTP__REPLICAS", "")
    settings = load_settings(file)
    assert (settings.http.port, settings.http.replicas) == (9001, 3)
    assert settings.engine.store.snapshot_every_s == 0.5
    assert settings.shards.count == 4


def test_an_empty_file_is_the_defaults(tmp_path: Path) -> None:
    path = tmp_path / "empty.yaml"
    path.write_text("# nothing\n")
    assert load_settings(path) == load_settings(None) == ServerSettings()


def test_the_command_line_wins_over_all(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECSYS__HTTP__PORT", "9001")
    settings = load_settings(file)
    assert override(settings) == settings
    changed = override(settings, port=9002, data_dir=Path("elsewhere"))
    assert (changed.http.port, changed.http.replicas) == (9002, 3)
    assert (changed.shards.data_dir, changed.shards.count) == (Path("elsewhere"), 4)
