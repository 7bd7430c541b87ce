"""Whether River's recommenders, taught through our adapter, reach the figures that River publishes.

The protocol is River's progressive validation of MovieLens-100K: the ratings in the order of time,
each predicted, scored and then learned. The models are those of its tutorial "Matrix Factorization
for Recommender Systems, part 1", made from settings as a server makes its own, asked without being
changed. The predictions are River's own, to the last bit (a unit test holds them equal), so that
what is left of a difference lies in the data: half of the ratings share their second with the one
before, and in which order River's copy of the file has those is not known.
"""

import math
import os
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from time import perf_counter
from typing import Annotated, Final, NamedTuple

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from benchmarks.report import JsonOption, check_writable, run
from recsys.datasets import Interaction, read_interactions
from recsys.errors import InvalidDataset
from recsys.learners.river_model import Lesson, RiverKind
from recsys.settings import UserModelSettings

__all__ = ["MODELS", "PUBLISHED", "Errors", "faults", "main", "progressive"]

_DATA: Final = Path(os.environ.get("RECSYS_DATA", "")) / "ml-100k"
_RATINGS: Final = 100_000
_WITHIN: Final = 0.001
"""What the order of ratings of one second is worth: sorted otherwise, the errors move by .0004."""


class Errors(NamedTuple):
    """Progressive errors, in stars."""

    mae: float
    rmse: float


PUBLISHED: Final = {
    "mean": Errors(0.942162, 1.125783),
    "baseline": Errors(0.754651, 0.954148),
    "funk_mf": Errors(0.944883, 1.227688),
    "biased_mf": Errors(0.748559, 0.947854),
}
"""By River's tutorial, after all 100,000 ratings."""


def _sgd(lr: float) -> dict[str, object]:
    return {"class": "river.optim.SGD", "parameters": {"lr": lr}}


def _clipped(ranker: str, parameters: dict[str, object]) -> UserModelSettings:
    """Return the settings of a ranker whose answers are cut to 1 to 5 stars."""
    document = {
        "estimator": "river.preprocessing.PredClipper",
        "parameters": {
            "regressor": {"class": f"river.reco.{ranker}", "parameters": parameters},
            "y_min": 1.0,
            "y_max": 5.0,
        },
    }
    return UserModelSettings.model_validate(document)


_ZEROS: Final = {"class": "river.optim.initializers.Zeros"}
_NORMAL: Final = {
    "class": "river.optim.initializers.Normal",
    "parameters": {"mu": 0.0, "sigma": 0.1, "seed": 73},
}
MODELS: Final = {
    "mean": UserModelSettings.model_validate(
        {
            "estimator": "river.dummy.StatisticRegressor",
            "parameters": {"statistic": {"class": "river.stats.Mean"}},
        }
    ),
    "baseline": _clipped("Baseline", {"optimizer": _sgd(0.025), "l2": 0.0, "initializer": _ZEROS}),
    "funk_mf": _clipped(
        "FunkMF", {"n_factors": 10, "optimizer": _sgd(0.05), "l2": 0.1, "initializer": _NORMAL}
    ),
    "biased_mf": _clipped(
        "BiasedMF",
        {
            "n_factors": 10,
            "bias_optimizer": _sgd(0.025),
            "latent_optimizer": _sgd(0.05),
            "weight_initializer": _ZEROS,
            "latent_initializer": _NORMAL,
            "l2_bias": 0.0,
            "l2_latent": 0.0,
        },
    ),
}
"""What River's tutorial measures."""


def progressive(settings: UserModelSettings, ratings: Sequence[Interaction]) -> Errors:
    """Return the errors of one model that predicts each rating before it learns it."""
    kind = RiverKind("model", settings.estimator, settings.parameters, key=secrets.token_bytes(32))
    model = kind.make()
    absolute = squared = 0.0
    for one in ratings:
        lesson = Lesson({}, one.user, one.item)
        stars = one.rating or 0.0
        error = model.asking()(lesson) - stars
        absolute += abs(error)
        squared += error * error
        model.teach(lesson, stars)
    return Errors(absolute / len(ratings), math.sqrt(squared / len(ratings)))


def faults(found: Mapping[str, Errors]) -> list[str]:
    """Return which errors are not the published ones, in words."""
    return [
        f"{name}: {measure} {ours:.6f}, published {theirs:.6f}"
        for name, errors in found.items()
        for measure, ours, theirs in zip(Errors._fields, errors, PUBLISHED[name], strict=True)
        if not abs(ours - theirs) <= _WITHIN
    ]


def _ratings(data: Path) -> list[Interaction]:
    try:
        ratings = read_interactions(data)
    except (InvalidDataset, OSError) as error:
        raise typer.BadParameter(f"--data: {error}") from None
    if not ratings or any(one.rating is None for one in ratings):
        raise typer.BadParameter(f"--data: {data} holds rows without a rating, or none at all")
    return ratings


def main(
    *,
    data: Annotated[
        Path, typer.Option(help="A folder with ratings; by default RECSYS_DATA/ml-100k.")
    ] = _DATA,
    json_file: JsonOption = None,
) -> None:
    """Measure the progressive error of River's recommenders through our adapter."""
    check_writable(json_file)
    ratings = _ratings(data)
    table = Table(title=f"{data.name}: {len(ratings):,} ratings", title_justify="left")
    for column in ("model", "MAE", "published", "RMSE", "published", "lessons/s"):
        table.add_column(column, justify="left" if column == "model" else "right")
    found = dict[str, Errors]()
    for name, settings in MODELS.items():
        started_s = perf_counter()
        found[name] = progressive(settings, ratings)
        rate = len(ratings) / (perf_counter() - started_s)
        mae, rmse = found[name]
        wanted = PUBLISHED[name]
        cells = (f"{value:.6f}" for value in (mae, wanted.mae, rmse, wanted.rmse))
        table.add_row(name, *cells, f"{rate:,.0f}")
    Console().print(table)
    if json_file is not None:
        errors = {name: one._asdict() for name, one in found.items()}
        published = {name: one._asdict() for name, one in PUBLISHED.items()}
        document = msgspec.json.encode({**errors, "published": published})
        json_file.write_bytes(msgspec.json.format(document) + b"\n")
    if len(ratings) != _RATINGS:
        typer.echo(f"what is published is about {_RATINGS:,} ratings, these are {len(ratings):,}")
        return
    for fault in faults(found):
        typer.echo(fault, err=True)
    if faults(found):
        raise typer.Exit(1)


if __name__ == "__main__":
    run(main)
