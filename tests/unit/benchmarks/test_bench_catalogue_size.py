import json
from pathlib import Path

import pytest
import typer

from benchmarks.catalogue_size import main, measure
from recsys.engine import Engine


def test_every_source_is_timed() -> None:
    cost = measure(60, 1, clicks=40, asked=3)
    assert cost.items == 60
    names = {type(source).__name__.lower() for source in Engine.open(None).state.sources}
    assert set(cost.proposing) == names
    assert 0.0 < max(cost.proposing.values()) < cost.request
    assert 0.0 < cost.indexed_factors < cost.indexed_request
    assert cost.indexing_s > 0.0
    assert cost.found == 1.0, "of so few items all cells are looked through"


def test_sizes_are_measured_one_after_the_other(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "costs.json"
    main(sizes="20,40", seed=2, json_file=out)
    document = json.loads(out.read_text())
    assert [cost["items"] for cost in document["result"]] == [20, 40]
    assert document["parameters"]["seed"] == 2
    assert "40 items" in capsys.readouterr().out


@pytest.mark.parametrize("sizes", ["0", "ten", "5,5"])
def test_sizes_that_are_none_are_refused(sizes: str) -> None:
    with pytest.raises(typer.BadParameter, match="--sizes are"):
        main(sizes=sizes)
