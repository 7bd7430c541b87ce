"""Whether items are believed to be good because they stood at the top.

A service that was there before shows random items, always the newest of them on top, and the engine
learns from its lists and the clicks on them. People examine place r with probability ``r ** -eta``,
each with an eta of their own between .4 and .9. A release year says nothing about what people like,
but what always stands on top gets about four times the clicks, per showing, of what is as good and
always stands last.

Over the second half of ``LISTS`` lists the engine is asked ``CHECKS`` times for the order of all
items for somebody it does not know, and that order is held against what the items are truly worth:
the mean probability of a click, once examined, over many people. Figures are means over the checks,
for what the last few clicks did to the order is no bias.

``accuracy`` is the share of pairs of items in the right order (a half for a random order, ties
count half). ``accuracy_against`` is the same over the pairs of which the better item is the older
one: there, position speaks for the wrong one. ``year_correlation`` is the partial rank correlation
of the engine's order and the year, given the true worth: 0 without bias, positive where standing on
top was taken for worth, negative where too much was taken off for it.

``handled`` is the engine as it is by default; ``ignored`` has ``joiner.examination_decay`` 0: every
slot counts as examined. That is the only difference. What else the engine does about places (Vowpal
Wabbit gets the place of an example as a feature in learning) cannot be switched off, so ``gain`` is
what the decay adds to that. ``naive`` are clicks per showing, counted from the same lists as for
``handled``, by somebody who never heard of positions; ``shuffled`` is the default engine where the
same lists are shown in random order: about what could be reached.
"""

from collections.abc import Sequence
from itertools import islice
from statistics import mean
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from benchmarks.quality.seeds import Figures, measured
from benchmarks.quality.service import LIST, Embedded
from recsys.events import Decision
from recsys.settings import EngineSettings
from simulators.timeline import looks
from simulators.truth import appeal
from simulators.worlds import World, WorldSettings

__all__ = ["CHECKS", "accuracy", "learned", "main", "measure", "partial_correlation", "placed"]

ITEMS: Final = 60
LISTS: Final = 5000
CHECKS: Final = 10
STAY_LISTS: Final = 4
"""People leave before they have seen everything."""
_JUDGES: Final = 1000
_STREAM: Final = 7

Scores = NDArray[np.float64]


def accuracy(scores: Scores, truth: Scores, *, against: Scores | None = None) -> float:
    """Return the share of pairs in the true order; ties of ``scores`` count half.

    Parameters
    ----------
    against
        Count only the pairs that this puts the wrong way round.
    """
    left, right = np.triu_indices(len(truth), 1)
    true = np.sign(truth[left] - truth[right])
    counted = true != 0.0
    if against is not None:
        counted &= np.sign(against[left] - against[right]) == -true
    agreement = np.sign(scores[left] - scores[right]) * true
    return float((1.0 + agreement[counted]).mean() / 2.0)


def partial_correlation(one: Scores, other: Scores, given: Scores) -> float:
    """Return the rank correlation of two, with what a third explains taken out of both."""
    ranks = [_ranks(values) for values in (one, other, given)]
    matrix = np.asarray(np.corrcoef(np.stack(ranks)))
    both, first, second = matrix[0, 1], matrix[0, 2], matrix[1, 2]
    return float((both - first * second) / np.sqrt((1.0 - first**2) * (1.0 - second**2)))


def _ranks(values: Scores) -> Scores:
    """Return ranks from 0, equal values sharing the mean of theirs."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    means: Scores = (counts.cumsum() - (counts + 1.0) / 2.0)[place]
    return means


def placed(asked: Decision, items: Sequence[str]) -> Decision:
    """Return the decision as the house shows it: in its own order, in which nothing is chance."""
    slots = {slot.item_id: msgspec.structs.replace(slot, propensity=1.0) for slot in asked.slots}
    return msgspec.structs.replace(asked, slots=tuple(slots[item] for item in items))


def learned(
    world: World, settings: EngineSettings, priority: Scores | None, n_lists: int
) -> tuple[list[Scores], list[Scores]]:
    """Return the engine's score of each item, and clicks per showing, at each check.

    Parameters
    ----------
    priority
        What stands on top of a list, the highest first; ``None`` leaves it to chance.
    """
    catalogue = world.catalogue
    service = Embedded.open(catalogue, settings)
    rng = np.random.default_rng([world.settings.seed, _STREAM])
    shown, clicked = np.zeros(len(catalogue.ids)), np.zeros(len(catalogue.ids))
    every = n_lists // (2 * CHECKS)
    checks = range(n_lists, n_lists - CHECKS * every, -every)
    scores, rates = list[Scores](), list[Scores]()
    for number, (at_s, person) in enumerate(islice(looks(world), n_lists), start=1):
        rows = rng.permutation(len(catalogue.ids))[:LIST]
        if priority is not None:
            rows = rows[np.argsort(-priority[rows], kind="stable")]
        items = [catalogue.ids[row] for row in rows.tolist()]
        asked = service.ask(person, at_s, items)
        clicks = world.look(person, items)
        service.learn(placed(asked, items), clicks)
        shown[rows] += 1.0
        clicked[world.rows([click.item_id for click in clicks])] += 1.0
        if number in checks:
            everything = service.ask(world.guest(_JUDGES), at_s, catalogue.ids)
            by_item = {slot.item_id: slot.score for slot in everything.slots}
            scores.append(np.array([by_item[item] for item in catalogue.ids]))
            rates.append(clicked / np.maximum(shown, 1.0))
    return scores, rates


def _years(world: World) -> Scores:
    # Ties of a year are broken by the row, or else those items would have no order in a list.
    years = [float(str(told["year"])) for told in world.catalogue.attributes]
    return np.array(years) - np.arange(len(years)) / (2.0 * len(years))


def _figures(name: str, checks: Sequence[Scores], truth: Scores, years: Scores) -> Figures:
    correlations = (partial_correlation(scores, years, truth) for scores in checks)
    return {
        f"accuracy_{name}": mean(accuracy(scores, truth) for scores in checks),
        f"accuracy_against_{name}": mean(
            accuracy(scores, truth, against=years) for scores in checks
        ),
        f"year_correlation_{name}": mean(correlations),
    }


def measure(seed: int, settings: EngineSettings, *, n_lists: int = LISTS) -> Figures:
    """Measure one world."""
    kind = WorldSettings(seed=seed, n_items=ITEMS, shift_probability=0.0, stay_lists=STAY_LISTS)
    world = World(kind)
    years = _years(world)
    truth = appeal(world.catalogue, [world.guest(number) for number in range(_JUDGES)])
    joiner = settings.joiner.model_copy(update={"examination_decay": 0.0})
    ignoring = settings.model_copy(update={"joiner": joiner})
    handled, naive = learned(World(kind), settings, years, n_lists)
    ignored, _ = learned(World(kind), ignoring, years, n_lists)
    shuffled, _ = learned(World(kind), settings, None, n_lists)
    orders = {"handled": handled, "ignored": ignored, "naive": naive, "shuffled": shuffled}
    found = Figures()
    for name, checks in orders.items():
        found |= _figures(name, checks, truth, years)
    return {"gain": found["accuracy_handled"] - found["accuracy_ignored"]} | found


def main() -> None:
    """Run as a command."""
    parameters = {"items": ITEMS, "lists": LISTS, "checks": CHECKS, "stay_lists": STAY_LISTS}
    measured("position_bias", "Good, or only on top", parameters, measure)


if __name__ == "__main__":
    main()
