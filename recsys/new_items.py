"""Places of lists that are kept for new items, so that each gets seen, and nobody sees only them.

An item is new until it was shown ``shown_below`` times. Of a list of n, ``share * n`` places are
for new items (the part of a place by lot): the last ones, as far as the policy has put fewer new
items above. Two caps hold the quota back: how many new items a person was shown within about a
day, and how many a surface (a context and a length of list) has shown within about an hour,
whoever placed them there.

The last places are drawn by the same policy from the new candidates alone, so that the propensity
of every slot is still its probability given the slots above. There is no threshold then: the list
is no race any more.
"""

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from recsys.features.counts import ItemCounts
from recsys.features.windows import SHOWN, WindowCounts, crossed
from recsys.policies.slate import Slate
from recsys.settings import NewItemSettings
from recsys.users import Novelty, User

__all__ = ["NewItems", "kept_for"]

_DAY_MS: Final = 86_400_000.0
_HOUR_S: Final = 3600.0
_SURFACES: Final = 4096
"""Rows for counts by surface; two that share a row share the cap."""
_LOTS: Final = 0x5EED


class NewItems:
    """Which items are new, and how many places they are due.

    Parameters
    ----------
    counts
        Says how often an item was shown.

    Attributes
    ----------
    shown_below
        An item that was shown less often is new; 0 when nobody cares.
    """

    def __init__(self, settings: NewItemSettings, counts: ItemCounts) -> None:
        self._settings = settings
        self._counts = counts
        # Always of one type, for which code is compiled.
        self.shown_below = float(settings.shown_below) if settings.share else 0.0
        self._surfaces = WindowCounts((_HOUR_S,))
        self._surfaces.grow(_SURFACES)

    def among(self, items: NDArray[np.int32]) -> NDArray[np.bool_]:
        """Return which of the items are new; -1 is not: the catalogue lacks it."""
        shown = self._counts.shown[np.where(items >= 0, items, 0)]
        new: NDArray[np.bool_] = (items >= 0) & (shown < self._settings.shown_below)
        return new

    def places(self, user: User, surface: NDArray[np.int64], ts_ms: int, n: int, seed: int) -> int:
        """Return how many places of a list of ``n`` are for new items, at most all but the first.

        Parameters
        ----------
        surface
            See ``recsys.features.table.surface``.
        seed
            Of the list.
        """
        settings = self._settings
        if not settings.share or n < 2:
            return 0
        lot = np.random.Generator(np.random.PCG64([seed, _LOTS])).random()
        due = int(settings.share * n + lot)
        row = np.array([_row(surface)], np.int32)
        left_here = settings.per_surface - self._surfaces.read(row, ts_ms)[0, 0, SHOWN]
        left_to_them = settings.per_user - _faded(user.novelty, ts_ms)
        return max(min(due, n - 1, int(left_here), int(left_to_them)), 0)

    def show(self, user: User, new: int, surface: NDArray[np.int64], ts_ms: int) -> None:
        """Count that a list showed so many new items, at least one."""
        row, shown = _row(surface), _faded(user.novelty, ts_ms)
        for _ in range(new):
            self._surfaces.add(row, SHOWN, ts_ms)
            shown += 1.0
        user.novelty = Novelty(shown, max(ts_ms, user.novelty.ts_ms))

    def snapshot(self) -> bytes:
        """Return the counts as a record."""
        return self._surfaces.snapshot()

    def restore(self, record: bytes) -> None:
        """Replace the counts by those that ``snapshot`` returned.

        Raises
        ------
        CorruptRecord
            When the record is damaged.
        """
        self._surfaces.restore(record)


def _row(surface: NDArray[np.int64]) -> int:
    row = 0
    for token in surface.tolist():
        row = crossed(row, token, _SURFACES)
    return row


def _faded(novelty: Novelty, ts_ms: int) -> float:
    return float(novelty.shown * 2.0 ** (-max(ts_ms - novelty.ts_ms, 0) / _DAY_MS))


def kept_for(
    places: int,
    new: NDArray[np.bool_],
    k: int,
    draw: Callable[[NDArray[np.intp], int, int], Slate],
) -> Slate:
    """Draw a list of the best ``k`` whose last places are for new items.

    Parameters
    ----------
    places
        How many, below ``k``.
    new
        Which candidates are, ``(n_candidates,)``.
    draw
        From candidates, a number of slots and the number of the draw to the slots; its places are
        those in what it was given.
    """
    everybody = np.arange(len(new))
    parts = [_of(everybody, draw(everybody, k - places, 0))]
    owed = min(places - int(new[parts[0].chosen].sum()), k - len(parts[0].chosen))
    for number, wanted in ((1, owed), (2, places)):
        taken = np.concatenate([part.chosen for part in parts])
        slots = min(wanted, k - len(taken))
        rest = np.setdiff1d(everybody, taken)
        rest = rest[new[rest]] if number == 1 else rest
        if slots > 0 and len(rest):
            parts.append(_of(rest, draw(rest, slots, number)))
    return Slate(
        np.concatenate([part.chosen for part in parts]),
        np.concatenate([part.propensities for part in parts]),
        None,
    )


def _of(given: NDArray[np.intp], slate: Slate) -> Slate:
    """Return a slate in terms of all candidates."""
    return slate._replace(chosen=given[slate.chosen])
