"""Among which items a request chooses: those it names, or the best of what the sources propose.

Where the sources propose fewer items than are wanted, the newest of the other eligible ones are
candidates too.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys import recommend_kernels as compute
from recsys.candidates.base import Asker
from recsys.candidates.gather import NOBODY
from recsys.candidates.pool import Cut
from recsys.decision import Request
from recsys.settings import ArmSettings
from recsys.state import State
from recsys.users import User

__all__ = [
    "Choices",
    "choices_of",
    "drawn",
    "eligible",
    "names_of",
    "unknown",
]


class Choices(NamedTuple):
    """The items among which a request chooses.

    Attributes
    ----------
    cut
        Their indices (-1 where the catalogue lacks them), and what the arm makes of them before
        anything is learned.
    mix
        What the learner's arm would choose among: features are told as they are in there, whoever
        ranks. Parallel to ``cut`` where the request named the items.
    ids
        Item ids as the request named them, ``n_candidates`` of them; ``None`` when the catalogue
        names all.
    """

    cut: Cut
    mix: Cut
    ids: Sequence[str] | None = None


def choices_of(state: State, request: Request, arm: ArmSettings, asker: Asker) -> Choices:
    """Return the items among which an arm chooses for a request."""
    pool = state.pool
    if request.candidates is not None:
        items, ids = _given(state, request.candidates, request.exclude)
        state.gather.fill(pool, asker, items[items >= 0])
        mix = pool.rate(items, state.weights)
        if arm.ranker == "random":
            return Choices(_alike(items, mix), mix, ids)
        return Choices(
            pool.rate(items, state.popularity) if arm.ranker == "popularity" else mix, mix, ids
        )
    allowed = asker.allowed
    keep = max(state.settings.candidates.keep, request.n)
    mix = state.gather.best(pool, asker, keep)
    if arm.ranker == "random":
        return Choices(_alike(np.flatnonzero(allowed).astype(np.int32), mix), mix)
    cut = pool.cut(allowed, state.popularity, keep) if arm.ranker == "popularity" else mix
    return Choices(_filled_up(cut, allowed, request.n), mix)


def _alike(items: NDArray[np.int32], mix: Cut) -> Cut:
    """Return items of which none is better than another."""
    return Cut(
        items,
        np.zeros(len(items), np.float32),
        mix.largest,
        np.zeros(len(items), np.int32),
        np.full(len(items), -1, np.int32),
    )


def _filled_up(cut: Cut, allowed: NDArray[np.bool_], n: int) -> Cut:
    """Return a cut with the newest other items behind it where it has less than ``n``."""
    missing = n - len(cut.items)
    if missing <= 0:
        return cut
    allowed = allowed.copy()
    allowed[cut.items] = False
    others = np.flatnonzero(allowed)[::-1][:missing].astype(np.int32)
    return Cut(
        np.concatenate([cut.items, others]),
        np.concatenate([cut.mixed, np.zeros(len(others), np.float32)]),
        cut.largest,
        np.arange(len(cut.items) + len(others), dtype=np.int32),
        np.concatenate([cut.pooled, np.full(len(others), -1, np.int32)]),
    )


def drawn(state: State, choices: Choices, chosen: NDArray[np.intp]) -> Cut:
    """Return what was drawn by an arm that needs no features, as the learner's would see it."""
    if choices.ids is not None:
        return choices.mix.take(chosen)
    return state.pool.rate_among(choices.cut.items[chosen], state.weights, choices.mix)


def _given(
    state: State, wanted: Sequence[str], exclude: Sequence[str]
) -> tuple[NDArray[np.int32], list[str]]:
    """Return the candidates that the request brought, each once, in the order of their ids."""
    catalogue = state.catalogue
    found = {item_id: catalogue.index(item_id) for item_id in sorted(set(wanted) - set(exclude))}
    # What was taken out of the catalogue must not come back through a list of candidates.
    kept = {item_id: i for item_id, i in found.items() if i is None or catalogue.alive[i]}
    indices = [-1 if index is None else index for index in kept.values()]
    return np.array(indices, np.int32), list(kept)


def unknown(state: State, request: Request) -> tuple[str, ...]:
    """Return the request's candidates that are not in the catalogue, sorted."""
    if request.candidates is None:
        return ()
    catalogue = state.catalogue
    wanted = set(request.candidates) - set(request.exclude)
    indices = {item_id: catalogue.index(item_id) for item_id in wanted}
    return tuple(
        sorted(item_id for item_id, i in indices.items() if i is None or not catalogue.alive[i])
    )


def names_of(state: State, choices: Choices, places: NDArray[np.intp]) -> list[str]:
    """Return the item ids of candidates, ``len(places)`` of them."""
    if choices.ids is not None:
        return [choices.ids[place] for place in places.tolist()]
    catalogue = state.catalogue
    return catalogue.ids(choices.cut.items[places].tolist())


def eligible(state: State, user: User, exclude: Sequence[str] = ()) -> NDArray[np.bool_]:
    """Return which items of the catalogue may be shown to a person, shape ``(n_items,)``."""
    catalogue = state.catalogue
    done_with = NOBODY if state.settings.catalogue.repeats else user.consumed.items
    return compute.allow(catalogue.alive, done_with, catalogue.known(exclude))
