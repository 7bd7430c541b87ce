"""``recsys bench mix``: what several shards that learn of each other lose against one."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from actors.cli.bench.output import warn_of_size, watched
from actors.cli.problems import check_clicks, fail
from recsys.datasets import act_of, read_interactions, read_items
from recsys.errors import InvalidDataset
from recsys.evaluation.mix_bytes import bytes_by_catalogue
from recsys.evaluation.mixed import MixReport, evaluate_mixed
from recsys.settings import EngineSettings

__all__ = ["compare_shards", "numbers_of"]

_RATINGS: Final = 1_000_209
_CLICK_AT: Final = 5.0
_CATALOGUES: Final = (1_000, 10_000, 100_000)


def numbers_of(text: str) -> list[int]:
    """Return numbers of shards that an option names."""
    numbers = [int(part) for part in text.split(",") if part.strip().isdecimal()]
    if not numbers or len(numbers) != text.count(",") + 1 or min(numbers) < 1:
        fail(f"--shards must be numbers like 1,2,4,8; got {text!r}", 2)
    return numbers


def compare_shards(
    console: Console,
    data: Path,
    settings: EngineSettings,
    shards: Sequence[int],
    *,
    events: int | None,
    mix_every: int,
) -> dict[str, object]:
    """Run the protocol with each number of shards, print its table, and return its document."""
    folder = data / "ml-1m" if (data / "ml-1m").is_dir() else data
    try:
        interactions = read_interactions(folder, None)
        items = read_items(folder)
    except (InvalidDataset, ValueError, OSError) as error:
        fail(str(error), 2)
    warn_of_size(folder, "ml-1m", _RATINGS, len(interactions), "ratings")
    check_clicks(interactions, _CLICK_AT)
    clicks = [one for one in interactions if act_of(one, _CLICK_AT).type == "click"][:events]
    reports = list[MixReport]()
    for number in shards:
        with watched(console) as progress:
            reports.append(
                evaluate_mixed(
                    clicks, settings, number, mix_every=mix_every, items=items, progress=progress
                )
            )
    _print(console, reports)
    return {
        "dataset": "ml-1m",
        "events": len(clicks),
        "ranked": reports[0].ranked,
        "mix_every": mix_every,
        "recall_at_10_by_shards": _by_shards(reports, "recall_at_10"),
        "ndcg_at_10_by_shards": _by_shards(reports, "ndcg_at_10"),
        "bytes_per_mix": {str(one.shards): round(one.bytes_per_mix) for one in reports},
        "bytes_per_mix_by_catalogue": bytes_by_catalogue(
            _CATALOGUES, likes=mix_every, shards=shards[-1], piece=settings.mix.slice
        ),
        "mix_ms_by_shards": {str(one.shards): round(one.mix_ms, 2) for one in reports},
    }


def _by_shards(reports: Sequence[MixReport], metric: str) -> dict[str, float]:
    return {str(one.shards): one.metrics[metric] for one in reports}


def _print(console: Console, reports: Sequence[MixReport]) -> None:
    first = reports[0]
    table = Table(title=f"ml-1m: {first.ranked:,} ranked of {first.events:,} events")
    for column in ("shards", "recall_at_10", f"of {first.shards}", "ndcg_at_10", "bytes per mix"):
        table.add_column(column, justify="right")
    for one in reports:
        recall = one.metrics["recall_at_10"]
        share = recall / (first.metrics["recall_at_10"] or 1.0)
        table.add_row(
            str(one.shards),
            f"{recall:.4f}",
            f"{share:.3f}",
            f"{one.metrics['ndcg_at_10']:.4f}",
            f"{one.bytes_per_mix:,.0f}",
        )
    console.print(table)
