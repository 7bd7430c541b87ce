import os
from pathlib import Path

import msgspec
import pytest
import typer

from benchmarks.figures import Quantiles
from benchmarks.report import check_writable, show, told, write


def test_a_document_says_what_was_measured_and_where(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    write(path, "recovery", {"seed": 3}, Quantiles.of([2.0]))
    document = msgspec.json.decode(path.read_bytes())
    assert document["benchmark"] == "recovery"
    assert document["parameters"] == {"seed": 3}
    assert document["result"] == {"count": 1, "p50": 2.0, "p99": 2.0, "p999": 2.0, "max": 2.0}
    assert document["cores"] == os.cpu_count()
    assert {"at", "commit", "system", "python"} <= set(document)


def test_a_folder_that_is_not_there_is_refused_before_the_work(tmp_path: Path) -> None:
    check_writable(None)
    check_writable(tmp_path / "result.json")
    with pytest.raises(typer.BadParameter, match="there is no folder"):
        check_writable(tmp_path / "nowhere" / "result.json")


def test_a_table_shows_every_row(capsys: pytest.CaptureFixture[str]) -> None:
    show("Title", {"lost": "0", "learned twice": "1"})
    printed = capsys.readouterr().out
    assert "Title" in printed
    assert "learned twice" in printed


def test_a_flat_document_has_the_keys_of_the_result() -> None:
    document = told("ingest", {"folder": Path("/x"), "rounds": 5}, Quantiles.of([2.0]))
    assert document.items() >= {"count": 1, "p50": 2.0, "benchmark": "ingest"}.items()
    assert document["parameters"] == {"folder": "/x", "rounds": 5}
    assert document.keys() >= {"at", "commit", "cores", "python", "system"}
