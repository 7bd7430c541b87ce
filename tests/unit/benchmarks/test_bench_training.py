import json
from pathlib import Path

import pytest

from benchmarks.training import Costs, main
from tests.histories import ROWS, make_history


def test_every_part_is_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_history(tmp_path)
    out = tmp_path / "costs.json"
    main(data=tmp_path / "ratings.csv", json_file=out)
    result = json.loads(out.read_text())["result"]
    assert result["events"] == ROWS
    assert list(result["seconds"]) == [
        "read and check the file",
        "divide and encode",
        "decode",
        "check",
        "append, a commit each 4,000",
        "fold",
        "snapshots",
    ]
    assert all(seconds >= 0.0 for seconds in result["seconds"].values())
    assert result["seconds"]["fold"] > 0.0
    assert "200 events, one shard" in capsys.readouterr().out


def test_shares_and_costs() -> None:
    rows = Costs(100_000, {"read": 1.0, "fold": 3.0}).rows()
    assert rows["read"].split() == ["10.0", "us", "an", "event,", "25.0", "%"]
    assert rows["in all"].split() == ["40.0", "us", "an", "event,", "100.0", "%"]
    assert rows["events a second of one core"] == "25,000"
