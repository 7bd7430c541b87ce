"""Which items a vector points to most: a scan of all of them, or of many items an index.

The scan is exact and costs what there are items. The index (Faiss's inverted file; Douze et al.
2024) looks through the cells whose centres the vector points to most, and what it finds is ordered
by the vectors as they are now; those that came after it was made are scanned. It is a copy of the
vectors as they were, makes no part of the state, and differs from a scan by what it misses: what is
learned must not depend on it.
"""

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from recsys.candidates.best_kernels import BLOCK, insert, take_best
from recsys.compiled import compiled

__all__ = ["Index", "affinity", "scan", "scan_into"]

Array = NDArray[np.float32]

_SAMPLE_PER_CELL: Final = 64
"""Vectors that a cell's centre is found from; more take longer and find little more."""
_ROUNDS: Final = 10
"""Of k-means."""
_LOOKED_THROUGH: Final = 8
"""One cell in so many is looked through ..."""
_AT_LEAST: Final = 16
"""... but no fewer than these, if there are as many."""
_WIDE: Final = 4
"""So many times what is wanted is taken from the index, for what has moved since."""


class Index:
    """Looks at an eighth of the items.

    To make one takes .1 s per 100,000 items and does not hold the interpreter: another thread may
    do it. The same vectors make the same index.

    Parameters
    ----------
    vectors
        Of all items, shape ``(n_items, n_factors)``; copied.

    Raises
    ------
    ModuleNotFoundError
        When Faiss is not there: it comes with the extra ``ann``.
    """

    def __init__(self, vectors: Array) -> None:
        # Not at the top: it is an extra, and only large catalogues need it.
        import faiss  # noqa: PLC0415

        self._faiss = faiss
        # On more threads the making, on this thread, would take the processor from those who serve.
        faiss.omp_set_num_threads(1)
        self.n_items, n_factors = vectors.shape
        # Half of the square root, so that to find the cells costs less than to look through them.
        n_cells = 1 << max(round(math.log2(math.sqrt(self.n_items) / 2)), 0)
        # Kept, because the index only refers to it.
        self._centres = faiss.IndexFlatIP(n_factors)
        self._index = faiss.IndexIVFFlat(
            self._centres, n_factors, n_cells, faiss.METRIC_INNER_PRODUCT
        )
        self._index.cp.max_points_per_centroid = _SAMPLE_PER_CELL
        self._index.cp.min_points_per_centroid = 1
        self._index.cp.niter = _ROUNDS
        self._index.nprobe = min(max(n_cells // _LOOKED_THROUGH, _AT_LEAST), n_cells)
        self._index.train(vectors)
        self._index.add(vectors)
        # So that nobody who asks waits for the compiler.
        self.find(vectors[0], vectors, np.ones(self.n_items, np.bool_), 1)

    def find(
        self, vector: Array, vectors: Array, allowed: NDArray[np.bool_], n: int
    ) -> NDArray[np.int32]:
        """Do as ``scan``, but for what it misses.

        Parameters
        ----------
        vectors
            As they are now.
        """
        bits = np.packbits(allowed[: self.n_items], bitorder="little")
        chosen = self._faiss.SearchParametersIVF(
            sel=self._faiss.IDSelectorBitmap(bits), nprobe=self._index.nprobe
        )
        n_wide = min(_WIDE * n, self.n_items)
        _, (found,) = self._index.search(vector[None], n_wide, params=chosen)
        known = found[found >= 0].astype(np.int32)
        products = np.empty(len(allowed), np.float32)
        return _best_of(vector, vectors, known, self.n_items, allowed, n, products)


@compiled
def affinity(vector: Array, vectors: Array, item: int) -> np.float32:
    """Return the product of a vector with an item's."""
    total = np.float32(0.0)
    for d in range(vector.shape[0]):
        total += vector[d] * vectors[item, d]
    return total


@compiled
def _best_of(
    vector: Array,
    vectors: Array,
    among: NDArray[np.int32],
    first: int,
    allowed: NDArray[np.bool_],
    n: int,
    products: Array,
) -> NDArray[np.int32]:
    """Return the best among some items and all from ``first`` on, whose products are written."""
    items = np.empty(n, np.int32)
    best = np.empty(n, np.float32)
    found = 0
    for item in among:
        if allowed[item]:
            found = insert(items, best, found, item, affinity(vector, vectors, item))
    scores = np.empty(min(BLOCK, allowed.shape[0]), np.float32)
    for start in range(first, allowed.shape[0], BLOCK):
        size = min(BLOCK, allowed.shape[0] - start)
        theirs, shown = vectors[start : start + size], allowed[start : start + size]
        out = products[start : start + size]
        for i in range(size):
            out[i] = affinity(vector, theirs, i)
        for i in range(size):
            scores[i] = out[i] if shown[i] else np.float32(-np.inf)
        found = take_best(scores[:size], start, items, best, found)
    return items[:found]


@compiled
def scan(vector: Array, vectors: Array, allowed: NDArray[np.bool_], n: int) -> NDArray[np.int32]:
    """Return up to ``n`` items whose vectors have the largest products with one, ties by index.

    Parameters
    ----------
    vector
        Shape ``(n_factors,)``.
    vectors
        Shape ``(n_items or more, n_factors)``.
    allowed
        Which items may be found, shape ``(n_items,)``.
    """
    return scan_into(vector, vectors, allowed, n, np.empty(allowed.shape[0], np.float32))


@compiled
def scan_into(
    vector: Array, vectors: Array, allowed: NDArray[np.bool_], n: int, products: Array
) -> NDArray[np.int32]:
    """Do as ``scan``, and write the products of all items, ``(n_items or more,)``."""
    return _best_of(vector, vectors, np.empty(0, np.int32), 0, allowed, n, products)
