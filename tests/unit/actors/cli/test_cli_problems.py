"""What the command line says about wrong settings, word by word."""

import errno
import socket
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from actors.cli.demo import find_settings
from actors.cli.main import app
from actors.settings import load_settings

BAD = sorted((Path(__file__).parents[1] / "bad_config").glob("*.yaml"))


@pytest.fixture
def recsys(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> CliRunner:
    monkeypatch.chdir(tmp_path)
    return CliRunner()


def serve(recsys: CliRunner, *arguments: str) -> Result:
    return recsys.invoke(app, ["serve", *arguments])


def test_there_are_bad_examples() -> None:
    assert len(BAD) > 10


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_wrong_settings_are_named_line_by_line(
    recsys: CliRunner, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(path.parent)
    lines = [line for line in path.read_text().splitlines() if line.startswith("# ")]
    result = serve(recsys, "--config", path.name)
    assert result.stderr.splitlines() == [f"recsys: {line.removeprefix('# ')}" for line in lines]
    assert (result.exit_code, result.stdout) == (2, "")


def test_a_missing_file_is_named(recsys: CliRunner) -> None:
    result = serve(recsys, "--config", "nope.yaml")
    assert (result.exit_code, result.stderr) == (2, "recsys: nope.yaml: there is no such file\n")


def test_bytes_are_no_settings(recsys: CliRunner, tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_bytes(b"http: \xff\xfe")
    result = serve(recsys, "--config", "x.yaml")
    assert (result.exit_code, result.stderr) == (
        2,
        "recsys: x.yaml: not a text file in UTF-8\n",
    )


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        (
            "RECSYS__HTTP__PORT",
            "abc",
            "settings: http.port: input should be a valid integer, unable to parse string as an "
            "integer, got 'abc'",
        ),
        ("RECSYS__HTTP__PROT", "1", "settings: http.prot: there is no such setting"),
        (
            "RECSYS__HTPP__PORT",
            "1",
            "environment variable RECSYS__HTPP__PORT: there is no such setting",
        ),
    ],
)
def test_wrong_variables_are_named(
    recsys: CliRunner, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, message: str
) -> None:
    monkeypatch.setenv(variable, value)
    result = serve(recsys)
    assert (result.exit_code, result.stderr) == (2, f"recsys: {message}\n")


def test_a_busy_port_is_one_line(recsys: CliRunner) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        for command in ("serve", "demo"):
            result = recsys.invoke(app, [command, "--port", str(port)])
            assert (result.exit_code, result.stdout, result.stderr) == (
                1,
                "",
                f"recsys: port {port} is in use by another process; "
                "stop it or choose another with --port\n",
            )


def test_an_unusable_data_directory_is_one_line(
    recsys: CliRunner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("actors.cli.server.check_ports", lambda _: None)

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", refuse)
    result = serve(recsys, "--data-dir", "data")
    assert (result.exit_code, result.stderr) == (
        1,
        "recsys: the data directory data cannot be used: Permission denied; "
        "choose another with --data-dir\n",
    )


def test_a_data_directory_of_another_server_is_one_line(
    recsys: CliRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("actors.cli.server.check_ports", lambda _: None)
    Path("data").mkdir()
    Path("data/layout.json").write_text('{"format": 1, "shards": 3, "partitions": 64, "epoch": 1}')
    result = serve(recsys, "--data-dir", "data")
    assert result.exit_code == 1
    assert result.stderr.startswith("recsys: the data directory data was made for 3 shards")
    assert result.stderr.count("\n") == 1


def test_commands_explain_themselves(recsys: CliRunner) -> None:
    for command in ("serve", "demo"):
        result = recsys.invoke(app, [command, "--help"])
        assert result.exit_code == 0
        assert "--port" in result.stdout


def test_the_demo_finds_its_settings_wherever_it_is_run() -> None:
    assert set(load_settings(find_settings()).engine.arms) == {"learner", "random", "popularity"}
