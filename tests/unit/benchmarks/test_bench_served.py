"""The benchmarks of a server with a history, on one without Ray: what is counted, and its names."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from actors.cli.main import app
from benchmarks import bursts, closed_loop, freshness, ingest, latency
from benchmarks.bursts import Burst
from benchmarks.figures import Quantiles
from benchmarks.freshness import conclude
from benchmarks.open_loop import run_here
from benchmarks.own_clicks import Own
from tests.warm_servers import ratings, stand_in

MACHINE = {"at", "benchmark", "commit", "cores", "parameters", "python", "system"}


def run(name: str, data: Path, *arguments: str) -> dict[str, Any]:
    """Run a benchmark by its command and return its document."""
    out = data.parent / "found.json"
    command = ["bench", name, "--data", str(data), "--json", str(out), *arguments]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(out.read_text())
    assert found.keys() >= MACHINE
    assert found["benchmark"] == name
    return found


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for benchmark in (latency, ingest, freshness):
        monkeypatch.setattr(benchmark, "warm_server", stand_in(tmp_path))
    # A process each would be most of the time.
    for module in (closed_loop, ingest):
        monkeypatch.setattr(module, "in_child", lambda work, *arguments: work(*arguments))
    monkeypatch.setattr(latency, "open_loop", run_here)
    folder = tmp_path / "data"
    folder.mkdir()
    return ratings(folder)


def test_latency(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(latency, "_WARMING_S", 0.05)
    monkeypatch.setattr(latency, "start_noop", lambda _: "/v1/recommend")
    monkeypatch.setattr(latency, "loader", lambda _: (closed_loop.own, "ours"))
    arguments = ("--rounds", "1", "--seconds", "1", "--events-per-s", "20", "--batch", "4")
    found = run("latency", data, *arguments, "--history", "480")
    keys = {
        "noop_p50_ms", "recommend_p50_ms", "ratio_p50", "noop_rps", "recommend_rps", "ratio_rps",
        "p99_under_learning_ms",
    }  # fmt: skip
    assert all(isinstance(found[key], float) and found[key] for key in keys)
    assert found["ratio_p50"] == found["recommend_p50_ms"] / found["noop_p50_ms"]
    assert found["ratio_rps"] == found["recommend_rps"] / found["noop_rps"]
    assert (found["errors"], found["learned_before"], found["clients_by"]) == ({}, 480, "ours")
    (tail,) = found["under_learning"]
    assert tail["ack_ms"]["count"] == 5
    assert tail["learned_eps"] > 0.0
    assert tail["lists_per_s"] == pytest.approx(found["recommend_rps"] / 2.0, abs=0.1)


def test_ingest(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingest, "_WARM_UP", 5)
    monkeypatch.setattr("benchmarks.ingest.SIZES", (1, 100))
    document = ingest.measure(
        data, rounds=2, events=60, connections=2, history=300, keep=None, say=print
    )
    assert [(one.batch, one.events) for one in document.rounds] == [(1, 6), (100, 60)] * 2
    assert document.ingest_eps == document.ingest_eps_by_batch[100] > 0.0
    assert document.learned_before_ack
    assert "yes, all" in ingest.rows(document).values()


def test_ingest_wants_enough_events(data: Path) -> None:
    with pytest.raises(RuntimeError, match=r"1,000 events are wanted and \d+ are left"):
        ingest.measure(
            data, rounds=1, events=10_000, connections=1, history=20, keep=None, say=print
        )


def test_freshness(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(freshness, "_UNCOUNTED", 2)
    monkeypatch.setattr(freshness, "_WATCHERS", 3)
    monkeypatch.setattr(freshness, "_WAIT_S", 0.4)
    found = run("freshness", data, "--rounds", "2", "--people", "4", "--history", "480")
    assert isinstance(found["own_p99_ms"], float)
    for one in found["own"]:
        assert (one["clicks"], one["unseen"], one["by_next"]) == (4, 0, 4)
    assert isinstance(found["same_shard_p99_ms"], float), "the method sees what there is to see"
    assert found["control_seen"] == 0
    # Shards that do not share what they learn: no number is made up.
    assert (found["others_p99_ms"], found["others_p50_ms"]) == (None, None)
    assert found["others_reason"] == "6 of 6 watchers on another shard saw nothing within 0.4 s"


SEEN = Own(10, Quantiles.of([4.0, 6.0]), Quantiles.of([1.0]), 0, 10, 10, 0)


@pytest.mark.parametrize(
    ("far", "near", "control", "reason"),
    [
        ([5.0, 7.0], [3.0, 4.0], [], ""),
        ([5.0], [3.0, 4.0], [], "1 of 2 watchers on another shard saw nothing within 10 s"),
        ([5.0, 7.0], [3.0], [], "not even all watchers on the clickers' own shard saw it"),
        ([5.0, 7.0], [3.0, 4.0], [9.0], "1 watchers saw clicks that there were not"),
    ],
)
def test_what_was_not_seen_has_no_number(
    far: list[float], near: list[float], control: list[float], reason: str
) -> None:
    found = conclude([SEEN], [Burst(2, far)], [Burst(2, near)], Burst(2, control), learned_before=1)
    assert found.others_reason.startswith(reason)
    assert bool(reason) == bool(found.others_reason)
    assert found.others_p99_ms == (None if reason else 7.0)
    assert found.same_shard_p99_ms == (4.0 if len(near) == 2 else None)
    assert found.own_p99_ms == 6.0


def test_an_own_click_that_was_never_seen_has_no_number() -> None:
    unseen = Own(10, Quantiles.of([4.0]), Quantiles.of([1.0]), 3, 7, 10, 0)
    found = conclude(
        [unseen, SEEN], [Burst(1, [1.0])], [Burst(1, [1.0])], Burst(1, []), learned_before=1
    )
    assert (found.own_p50_ms, found.own_p99_ms) == (None, None)
    assert (
        "no number: 3 clicks were never seen"
        in freshness.rows(found)["own click, from its acknowledgement"]
    )


def test_the_arms_are_those_that_are_asked() -> None:
    assert set(freshness.ENGINE["arms"]) == {"learner", bursts.ARM}
