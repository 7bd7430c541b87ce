"""What parts of the engine are measured on: data of real people, and simulated people.

- **ml-100k**, **ml-1m**: the next item, prequentially (``recsys.evaluation.prequential``); ratings
  of five stars, of the latter the first so many. Recall@10 and nDCG@10.
- **mind-5k**: the order of what was shown (``recsys.evaluation.shown``), without earlier clicks:
  they come without times. AUC and nDCG@10.
- **world**: simulated people who come, go and turn to other genres, shown so many lists. Clicks
  expected of the lists of the second half over those expected of the best lists (``of_best``).

A seed is the engine's on data, where it decides what the ranker starts from and what is replayed,
and the world's where the people are simulated.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

from benchmarks.quality.regret import second_half
from benchmarks.quality.seeds import Figures
from benchmarks.quality.service import Embedded
from recsys.datasets import act_of, read_impressions, read_interactions, read_items, read_news
from recsys.evaluation.prequential import evaluate
from recsys.evaluation.shown import evaluate_shown
from recsys.settings import EngineSettings, Ranker
from simulators.worlds import World, WorldSettings

__all__ = ["SETS", "Measured", "Source"]

_STARS: Final = 5.0


class Measured(NamedTuple):
    """A set that was read.

    Attributes
    ----------
    size
        Events, impressions or lists.
    measure
        From settings, what the learner's arm ranks by, and a seed to figures, of which more is
        better.
    """

    size: int
    measure: Callable[[EngineSettings, Ranker, int], Figures]


class Source(NamedTuple):
    """Where sets come from.

    Attributes
    ----------
    data
        The folder in which each set of real people has a folder of its name.
    events
        Used of MovieLens-1M.
    lists
        Shown to simulated people.
    """

    data: Path
    events: int
    lists: int


def _next_item(name: str, source: Source, most: int | None = None) -> Measured:
    folder = source.data / name
    interactions = read_interactions(folder)
    rows = [one for one in interactions if act_of(one, _STARS).type == "click"][:most]
    items = read_items(folder)

    def measure(settings: EngineSettings, ranker: Ranker, seed: int) -> Figures:
        seeded = settings.model_copy(update={"seed": seed})
        metrics = evaluate(name, rows, seeded, items=items, click_at=_STARS, ranker=ranker).metrics
        return {key: metrics[key] for key in ("recall_at_10", "ndcg_at_10")}

    return Measured(len(rows), measure)


def _shown(name: str, source: Source) -> Measured:
    impressions = read_impressions(source.data / name)
    items = read_news(source.data / name)

    def measure(settings: EngineSettings, ranker: Ranker, seed: int) -> Figures:
        seeded = settings.model_copy(update={"seed": seed})
        metrics = evaluate_shown(
            name, impressions, seeded, items=items, use_history=False, ranker=ranker
        ).metrics
        return {"auc": metrics.auc, "ndcg_at_10": metrics.ndcg_at_10}

    return Measured(len(impressions), measure)


def _world(source: Source) -> Measured:
    def measure(settings: EngineSettings, _: Ranker, seed: int) -> Figures:
        world = World(WorldSettings(seed=seed))
        half = second_half(Embedded.open(world.catalogue, settings), world, source.lists)
        return {"of_best": half.got / half.best}

    return Measured(source.lists, measure)


SETS: Final[dict[str, Callable[[Source], Measured]]] = {
    "ml-100k": lambda source: _next_item("ml-100k", source),
    "ml-1m": lambda source: _next_item("ml-1m", source, source.events),
    "mind-5k": lambda source: _shown("mind-5k", source),
    "world": _world,
}
"""By name, from where they come from to what was read."""
