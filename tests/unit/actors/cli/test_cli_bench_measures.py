"""What ``recsys bench`` refuses before it measures speed, and what it writes."""

import json
from functools import partial
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from actors.cli.bench import measures
from actors.cli.main import app
from benchmarks.catalogue_size import catalogue_cost


def bench(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["bench", *arguments])


@pytest.mark.parametrize("name", ["latency", "ingest", "freshness", "learn"])
def test_without_data_it_is_said_where_to_name_it(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RECSYS_DATA", raising=False)
    result = bench(name)
    assert (result.exit_code, result.stderr) == (
        2,
        "recsys: --data DIR, or RECSYS_DATA, must name the folder that ml-1m is in\n",
    )


def test_data_that_is_not_there_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "gone"
    result = bench("latency", "--data", str(gone))
    assert (result.exit_code, result.stderr) == (
        2,
        f"recsys: {gone}: there is no such file or folder\n",
    )
    monkeypatch.setenv("RECSYS_DATA", str(gone))
    assert bench("ingest").stderr == result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("scale", "--users", "ten"), "--users: rising numbers from 100 on with commas between"),
        (("scale", "--users", "2000,1000"), "--users: rising numbers from 100 on"),
        (("scale", "--items", "10"), "--items: rising numbers from 100 on"),
        (("scale", "--plot", "/nowhere/at/all.png"), "--plot: the folder /nowhere/at does not"),
        (("memory", "--json", "/nowhere/at/all"), "--json: the folder /nowhere/at does not exist"),
        (("latency", "--data", "/", "--keep", "/nowhere/at/all"), "--keep: the folder /nowhere/at"),
    ],
)
def test_what_cannot_be_is_refused_before_the_work(
    arguments: tuple[str, ...], message: str
) -> None:
    result = bench(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"recsys: {message}")


@pytest.mark.parametrize(
    "arguments",
    [("memory", "--users", "10"), ("ingest", "--rounds", "0"), ("latency", "--batch", "0")],
)
def test_numbers_have_bounds(arguments: tuple[str, ...]) -> None:
    assert bench(*arguments).exit_code == 2


def test_without_a_checkout_it_is_said_to_need_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(name: str) -> None:
        raise ModuleNotFoundError(name=name)

    monkeypatch.setattr("actors.cli.bench.measures.importlib.import_module", gone)
    result = bench("memory")
    assert result.exit_code == 1
    assert result.stderr.endswith("run this from a checkout of its sources\n")


def test_a_module_that_is_missing_otherwise_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(name: str) -> None:
        raise ModuleNotFoundError(name="numpy")

    monkeypatch.setattr("actors.cli.bench.measures.importlib.import_module", gone)
    assert isinstance(bench("memory").exception, ModuleNotFoundError)


def test_a_benchmark_that_fails_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(**options: object) -> None:
        raise RuntimeError("the server did not start")

    monkeypatch.setattr("benchmarks.memory.measure", fails)
    result = bench("memory")
    assert (result.exit_code, result.stderr) == (
        1,
        "recsys: bench memory: the server did not start\n",
    )


def test_ctrl_c_says_that_nothing_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(**options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("benchmarks.memory.measure", interrupted)
    result = bench("memory")
    assert (result.exit_code, result.stderr) == (130, "recsys: stopped; nothing of it is left\n")


def test_learn_writes_both_figures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = "".join(f"u{n % 9},i{n % 30},{n % 5 + 1},{n + 100_000_000}\n" for n in range(1200))
    (tmp_path / "ratings.csv").write_text(f"user,item,rating,timestamp\n{rows}")
    out = tmp_path / "found.json"
    arguments = ("--events", "1000", "--requests", "20", "--runs", "2", "--json", str(out))
    monkeypatch.setattr("benchmarks.engine.Engine.warm_up", lambda _: None)  # done for all tests
    result = bench("learn", "--data", str(tmp_path / "ratings.csv"), *arguments)
    assert result.exit_code == 0, result.output
    found = json.loads(out.read_text())
    assert found["learn_eps"] > 0.0
    assert found["engine_rps"] > 0.0
    assert (found["benchmark"], found["parameters"]["data"]) == ("learn", "ratings.csv")


def test_scale_writes_its_curves_and_draws_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmarks.scale._RUNS", 1)
    monkeypatch.setattr("benchmarks.scale._ASKED", 5)
    few = partial(catalogue_cost, clicks=60)
    monkeypatch.setattr("benchmarks.scale.catalogue_cost", few)
    monkeypatch.setattr("benchmarks.scale.Engine.warm_up", lambda: None)  # done once for all tests
    out, plot = tmp_path / "found.json", tmp_path / "plot.txt"
    arguments = ("--users", "100,300", "--items", "100,200", "--plot", str(plot))
    result = bench("scale", *arguments, "--json", str(out))
    assert result.exit_code == 0, result.output
    found = json.loads(out.read_text())
    assert list(found["by_users"]) == ["100", "300"]
    assert list(found["by_items"]) == ["100", "200"]
    assert found["flat_in_users"] >= 1.0
    assert [line.split()[1] for line in plot.read_text().splitlines()[1:]] == [
        "people", "people", "items", "items",
    ]  # fmt: skip


def test_all_are_there() -> None:
    names = bench("--help").stdout
    for name in ("latency", "ingest", "freshness", "memory", "learn", "scale"):
        assert name in names
        assert callable(getattr(measures, name))
