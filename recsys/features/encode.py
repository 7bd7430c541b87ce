"""Vowpal Wabbit's text for candidates and examples, made of hashes and checked numbers only.

Namespaces: ``u`` the user, ``c`` the context, ``i`` the item, ``a`` its attributes, ``n`` the
numeric features, ``p`` the place in the list. ``p`` appears in learning alone: what a place adds is
the same for all candidates of a request, so that leaving it out when scoring changes no order,
while having it in learning keeps the item from being credited with its place.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from recsys.catalogue import Catalogue
from recsys.features.base import Candidates, Example, widen
from recsys.ids import feature_hash

__all__ = ["TextEncoder"]


class TextEncoder:
    """Writes text, with the constant part of each item's line made once.

    Parameters
    ----------
    columns
        Names of the numeric features, in their order.
    used
        Those of them that Vowpal Wabbit shall see: each costs it a microsecond per candidate.
    """

    def __init__(
        self, catalogue: Catalogue, columns: Sequence[str], used: Sequence[str] | None = None
    ) -> None:
        self._catalogue = catalogue
        self._used = [columns.index(name) for name in (columns if used is None else used)]
        names = [feature_hash("numeric", columns[place]) for place in self._used]
        self._numeric = "|n " + " ".join(f"{name}:%.4g" for name in names)
        self._n_columns = len(columns)
        self._items = dict[int, tuple[tuple[int, ...], str]]()
        self._unknown = f"|i {feature_hash('item', '')} "

    def candidates(self, candidates: Candidates) -> bytes:
        """Return the text of one request: a shared line and ``n_candidates`` lines."""
        numeric = self._numeric
        lines = [self._shared(candidates.user, candidates.context)]
        lines += [
            self._item(item) + numeric % tuple(row)
            for item, row in zip(
                candidates.items.tolist(), candidates.numeric[:, self._used].tolist(), strict=True
            )
        ]
        return "\n".join(lines).encode()

    def probe(self) -> bytes:
        """Return the text of a request of nobody for two unknown items, each feature once."""
        line = self._unknown + self._numeric % ((1.0,) * len(self._used))
        return f"{self._shared(0, ())}\n{line}\n{line}".encode()

    def example(self, example: Example, cost: float, probability: float) -> bytes:
        """Return the text of one example: a shared line and the labelled line of its slot."""
        row = self._row(example.numeric)
        numeric = f"{self._numeric % tuple(row[self._used].tolist())} " if row is not None else ""
        place = feature_hash("position", str(min(example.position, 100)))
        # No exponents: Vowpal Wabbit reads 1e-216 as NaN, and answers NaN to all from then on.
        label = f"0:{cost:.6f}:{probability:.6f} "
        line = f"{label}{self._item(example.item)}{numeric}|p {place}"
        return f"{self._shared(example.user, example.context)}\n{line}".encode()

    def _row(self, data: bytes) -> NDArray[np.float32] | None:
        """Return the row as served, ``None`` when other columns were served then."""
        if len(data) != 2 * self._n_columns:
            return None
        row = widen(data)
        return row if bool(np.isfinite(row).all()) else None

    @staticmethod
    def _shared(user: int, context: tuple[int, ...]) -> str:
        line = f"shared |u {user}"
        return f"{line} |c {' '.join(map(str, context))}" if context else line

    def _item(self, index: int) -> str:
        if index < 0:
            return self._unknown
        tokens = tuple(self._catalogue[index].tokens)
        cached = self._items.get(index)
        if cached is not None and cached[0] == tokens:
            return cached[1]
        line = f"|i {feature_hash('item', self._catalogue[index].item_id)} "
        if tokens:
            hashes = " ".join(str(self._catalogue.token_hashes[token]) for token in tokens)
            line += f"|a {hashes} "
        self._items[index] = (tokens, line)
        return line
