"""``recsys bench quality`` on interactions: the prequential next-item protocol."""

from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from actors.cli.bench.output import warn_of_size, watched
from actors.cli.problems import check_clicks, fail
from recsys.datasets import Columns, read_interactions, read_items
from recsys.errors import InvalidDataset
from recsys.evaluation.prequential import Report, evaluate
from recsys.settings import EngineSettings

__all__ = ["DATASETS", "rank_next_items"]

DATASETS: Final = {"ml-100k": 100_000, "ml-1m": 1_000_209, "csv": None}
"""How many ratings there are, where that is known."""
_METRICS = ("recall_at_10", "ndcg_at_10", "recall_at_20", "mrr")


def rank_next_items(
    console: Console,
    dataset: str,
    data: Path,
    settings: EngineSettings,
    *,
    columns: str | None,
    click_at: float,
    repeats: bool,
    attributes: bool,
) -> dict[str, object]:
    """Run the protocol, print its table, and return its document."""
    try:
        named = Columns.parse(columns) if columns is not None else None
        interactions = read_interactions(data, named)
        items = read_items(data) if data.is_dir() and attributes else None
    except (InvalidDataset, ValueError, OSError) as error:
        fail(str(error), 2)
    if not interactions:
        fail(f"{data}: there are no interactions in it", 2)
    warn_of_size(data, dataset, DATASETS[dataset], len(interactions), "ratings")
    check_clicks(interactions, click_at)
    with watched(console) as progress:
        report = evaluate(
            dataset,
            interactions,
            settings,
            items=items,
            click_at=click_at,
            repeats=repeats,
            progress=progress,
        )
    _print(console, report)
    return report.to_json()


def _print(console: Console, report: Report) -> None:
    table = Table(
        title=f"{report.dataset}: {report.ranked:,} ranked of {report.events:,} events, "
        f"{report.users:,} users, {report.items:,} items"
    )
    table.add_column("ranked by")
    for metric in _METRICS:
        table.add_column(metric, justify="right")
    rows = {"engine": report.metrics, **report.sources}
    for name, metrics in rows.items():
        table.add_row(name, *(f"{metrics[metric]:.4f}" for metric in _METRICS))
    console.print(table)
    console.print(
        f"recall_at_10 without knowing the pause: {report.hidden:.4f}; "
        f"{report.events_per_second:,.0f} events/s (recommend and apply, one core)"
    )
