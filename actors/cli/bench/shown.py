"""``recsys bench quality`` on impressions: ranking what was shown."""

from pathlib import Path
from typing import Final

import msgspec
from rich.console import Console
from rich.table import Table

from actors.cli.bench.output import warn_of_size, watched
from actors.cli.problems import fail
from recsys.datasets import read_impressions, read_news
from recsys.errors import InvalidDataset
from recsys.evaluation.list_metrics import Ranking
from recsys.evaluation.shown import ShownReport, evaluate_shown
from recsys.settings import EngineSettings

__all__ = ["DATASETS", "rank_what_was_shown"]

DATASETS: Final = {"mind-5k": 5_000, "mind": None}
"""How many impressions there are, where that is known."""


def rank_what_was_shown(
    console: Console,
    dataset: str,
    data: Path,
    settings: EngineSettings,
    *,
    attributes: bool,
    history: bool,
) -> dict[str, object]:
    """Run the protocol, print its table, and return its document."""
    try:
        impressions = read_impressions(data)
        items = read_news(data) if data.is_dir() and attributes else None
    except InvalidDataset as error:
        fail(str(error), 2)
    if not impressions:
        fail(f"{data}: there are no impressions in it", 2)
    if not any(len({click for _, click in one.shown}) == 2 for one in impressions):
        fail(f"{data}: no impression has both a clicked item and another", 2)
    warn_of_size(data, dataset, DATASETS[dataset], len(impressions), "impressions")
    with watched(console) as progress:
        report = evaluate_shown(
            dataset,
            impressions,
            settings,
            items=items,
            use_history=history,
            progress=progress,
        )
    _print(console, report)
    return report.to_json()


def _print(console: Console, report: ShownReport) -> None:
    table = Table(
        title=f"{report.dataset}: {report.ranked:,} ranked of {report.impressions:,} impressions, "
        f"{report.shown:,} shown, {report.clicks:,} clicks"
    )
    table.add_column("ranked by")
    for metric in Ranking.__struct_fields__:
        table.add_column(metric, justify="right")
    for name, metrics in {"engine": report.metrics, **report.competitors}.items():
        table.add_row(
            name.replace("_", " "), *(f"{value:.4f}" for value in msgspec.structs.astuple(metrics))
        )
    console.print(table)
    told = "told" if report.history else "not told"
    console.print(
        f"the engine was {told} the clicks before a person's first impression; "
        f"{report.events_per_second:,.0f} events/s (recommend and apply, one core)"
    )
