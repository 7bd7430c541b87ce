import json
import os
import random
from pathlib import Path

import pytest
import typer

from benchmarks import river
from benchmarks.river import MODELS, PUBLISHED, Errors, faults, main, progressive
from recsys.datasets import Interaction, read_interactions


def ratings(n: int) -> list[Interaction]:
    """Return the stars of people who are all of one mind about each item."""
    lots = random.Random(1)
    pairs = [(lots.randrange(20), lots.randrange(10)) for _ in range(n)]
    return [
        Interaction(f"u{user}", f"i{item}", number, float(item % 5 + 1), number + 2)
        for number, (user, item) in enumerate(pairs)
    ]


def test_each_rating_is_predicted_before_it_is_learned() -> None:
    first, second = ratings(2)
    error = second.rating or 0.0
    found = progressive(MODELS["mean"], [first, second])
    mean = first.rating or 0.0
    assert found.mae == pytest.approx((mean + abs(error - mean)) / 2)
    assert found.rmse == pytest.approx(((mean**2 + (error - mean) ** 2) / 2) ** 0.5)


def test_who_knows_the_items_errs_less() -> None:
    some = ratings(600)
    errors = {name: progressive(settings, some) for name, settings in MODELS.items()}
    assert errors["baseline"].mae < 0.7 * errors["mean"].mae
    assert errors["biased_mf"].mae < 0.7 * errors["mean"].mae
    assert set(errors) == set(PUBLISHED)


def test_what_differs_is_said() -> None:
    mae, rmse = PUBLISHED["baseline"]
    assert faults({"baseline": Errors(mae + 0.0009, rmse - 0.0009)}) == []
    assert faults({"baseline": Errors(mae, rmse + 0.002)}) == [
        "baseline: rmse 0.956148, published 0.954148"
    ]
    assert len(faults({"mean": Errors(float("nan"), 1.0)})) == 2


def test_the_document_names_each_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "ratings.csv"
    rows = "".join(f"{one.user},{one.item},{one.rating},{one.ts_ms}\n" for one in ratings(50))
    data.write_text("user,item,rating,timestamp\n" + rows)
    out = tmp_path / "errors.json"
    main(data=data, json_file=out)
    document = json.loads(out.read_text())
    assert set(document) == {*MODELS, "published"}
    assert document["published"]["biased_mf"] == {"mae": 0.748559, "rmse": 0.947854}
    assert 0.0 < document["biased_mf"]["mae"] <= document["biased_mf"]["rmse"]
    assert "these are 50" in capsys.readouterr().out
    monkeypatch.setattr(river, "_RATINGS", 50)
    with pytest.raises(typer.Exit):
        main(data=data)
    assert "published 0.748559" in capsys.readouterr().err


def test_rows_without_ratings_are_refused(tmp_path: Path) -> None:
    data = tmp_path / "clicks.csv"
    data.write_text("user,item,timestamp\na,x,1\n")
    with pytest.raises(typer.BadParameter, match="without a rating"):
        main(data=data)


@pytest.mark.parametrize("name", ["baseline", "biased_mf"])
def test_the_published_errors_are_reached(name: str) -> None:
    folder = Path(os.environ.get("RECSYS_DATA", "")) / "ml-100k"
    if "RECSYS_DATA" not in os.environ or not folder.is_dir():
        pytest.skip("MovieLens may not be redistributed; RECSYS_DATA names a folder that has it")
    assert faults({name: progressive(MODELS[name], read_interactions(folder))}) == []
