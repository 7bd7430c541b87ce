"""Item transitions: what is liked soon after what, under several notions of soon at once.

On a like of b by a person whose last likes are h_0 (newest), h_1, ..., for each kernel::

    w(x) = lag_decay ** x * max(exp(-gap / gap_s), gap_floor)   x < history, gap in seconds
    C[h_x, b] += w(x)   unless backward;   C[b, h_x] += w(x)   unless forward

    cosine:  score(j) = sum_x w(x) C[h_x, j] / sqrt((n_h + shrink) (n_j + shrink))
    share:   score(j) = sum_x w(x) C[h_x, j] / (sum_k C[h_x, k] + 3)

where the gaps of the score are counted from the person's newest like, not from now, so that a pause
does not silence the source. n counts the likes of an item. A kernel with a half-life forgets in
event time (forward decay, Cormode et al. 2009).
"""

import msgspec
import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from recsys.arrays import Packed, grown, moved, pack_array, pack_state, unpack_array
from recsys.candidates import transition_kernels as compute
from recsys.candidates import transition_search as search
from recsys.candidates.base import Asker, Sizes, Source, past_of
from recsys.candidates.pool import Pool
from recsys.codec import unpack
from recsys.errors import IncompatibleState
from recsys.frozen import Frozen
from recsys.held import Held
from recsys.settings import TransitionSettings
from recsys.users import User

__all__ = ["Transitions"]

_RESCALE_AT = 40.0
"""Half-lives after which weights are brought back to the present: far below the end of float32."""
_FEW = 8192
"""Items, for which all have places in the sums over a history."""
_DIRECTIONS = {"both": 0, "forward": 1, "backward": 2}


class _State(msgspec.Struct):
    kernels: list[str]
    used: Packed
    neighbours: Packed
    weights: Packed
    likes: Packed
    mass: Packed
    origin_ms: int
    evicted: int


class Transitions(Source):
    """A bounded table of neighbours per item, with a weight per kernel.

    Rows hold ``(n_items, neighbours)`` indices and ``(n_items, n_kernels, neighbours)`` weights,
    filled from the left; a full row gives up a weak neighbour for a new one.
    """

    def __init__(self, settings: TransitionSettings) -> None:
        kernels = settings.kernels
        lasting = np.array([kernel.half_life_s is None for kernel in kernels.values()])
        self.columns = tuple(f"transitions_{name}" for name in kernels)
        self.weights = tuple(kernel.weight for kernel in kernels.values())
        self._leaders = settings.leaders
        self._neighbours = settings.neighbours
        self._history = max(kernel.history for kernel in kernels.values())
        self._shape = compute.Kernels(
            np.array([kernel.lag_decay for kernel in kernels.values()]),
            np.array([kernel.gap_s for kernel in kernels.values()]),
            np.array([kernel.gap_floor for kernel in kernels.values()]),
            np.array([kernel.history for kernel in kernels.values()]),
            np.array([_DIRECTIONS[kernel.direction] for kernel in kernels.values()]),
            np.array([kernel.normalise == "share" for kernel in kernels.values()]),
            # Where all forget, all count: the weakest is then told by what is left of it.
            lasting if lasting.any() else ~lasting,
            settings.shrink,
        )
        half_lives = [kernel.half_life_s or np.inf for kernel in kernels.values()]
        self._half_life_ms = np.array(half_lives) * 1000.0
        self._forgets = not lasting.all()
        self._unscaled = np.ones(len(kernels))
        self._n_items = 0
        self._origin_ms = np.full(1, -1, np.int64)
        self._evicted = np.zeros(1, np.int64)
        self._worth = np.array(self.weights, np.float32)
        self._held = Held(compute.hold_bonds)
        self._found = self._none_found(64)
        self._table = self._empty(64)

    def _empty(self, n_items: int) -> compute.Table:
        n_kernels = len(self.columns)
        return compute.Table(
            np.zeros(n_items, np.int32),
            np.full((n_items, self._neighbours), -1, np.int32),
            np.zeros((n_items, n_kernels, self._neighbours), np.float32),
            np.zeros(n_items, np.float64),
            np.zeros((n_items, n_kernels), np.float32),
        )

    def _none_found(self, n_items: int) -> compute.Found:
        # To keep neighbours together costs more than a pass over a few thousand items.
        packed = n_items > _FEW
        everyone = np.arange(n_items, dtype=np.int32)
        return compute.Found(
            packed,
            np.full(n_items, -1, np.int32) if packed else everyone.copy(),
            everyone,
            np.zeros((len(self.columns), n_items), np.float32),
            np.zeros(1, np.int64),
        )

    @property
    @override
    def held(self) -> compute.Bonds:
        """All of it, for compiled code."""
        return self._held(self._record)

    def _record(self) -> compute.Bonds:
        if len(self._found.items) < len(self._table.used):
            self._found = self._none_found(len(self._table.used))
        return compute.Bonds(
            self._table,
            self._shape,
            self._origin_ms,
            self._half_life_ms,
            self._worth,
            self._leaders,
            self._evicted,
            self._found,
        )

    @property
    def evicted(self) -> int:
        """Neighbours that were given up for new ones."""
        return int(self._evicted[0])

    @override
    def grow(self, n_items: int) -> None:
        used, neighbours, weights, likes, mass = self._table
        self._table = compute.Table(
            grown(used, n_items),
            grown(neighbours, n_items, fill=-1),
            grown(weights, n_items),
            grown(likes, n_items),
            grown(mass, n_items),
        )
        self._n_items = n_items

    @override
    def learn(self, user: User, item: int, ts_ms: int, strength: float) -> None:
        scale = self._inflation(ts_ms) * strength
        items, times_ms = past_of(user, self._history)
        compute.learn(self.held, items, times_ms, item, ts_ms, scale, strength)

    @override
    def renumber(self, items: NDArray[np.int64], tokens: NDArray[np.int64], n: Sizes) -> None:
        used, neighbours, weights, likes, mass = self._table
        told = np.where(neighbours >= 0, items[np.maximum(neighbours, 0)], -1).astype(np.int32)
        self._table = compute.Table(
            moved(used, items, n.items),
            moved(told, items, n.items, fill=-1),
            moved(weights, items, n.items),
            moved(likes, items, n.items),
            moved(mass, items, n.items),
        )
        self._n_items = n.items

    @override
    def propose(self, asker: Asker, pool: Pool, column: int) -> None:
        search.propose(self.held, asker.question, pool.held)

    @override
    def score(self, asker: Asker, pool: Pool, column: int) -> None:
        search.score(self.held, pool.held, column)

    def _inflation(self, ts_ms: int) -> NDArray[np.float64]:
        """Return what a like of now weighs, by kernel, ``(n_kernels,)``."""
        if self._origin_ms[0] < 0:
            self._origin_ms[0] = ts_ms
        if not self._forgets:
            return self._unscaled
        ages = np.maximum((ts_ms - self._origin_ms[0]) / self._half_life_ms, -_RESCALE_AT)
        if ages.max(initial=0.0) > _RESCALE_AT:
            # After a pause of any length the old weights may vanish: that is forgetting.
            left = np.exp2(-np.minimum(ages, 200.0)).astype(np.float32)
            self._table.weights[:] *= left[:, None]
            self._origin_ms[0] = ts_ms
            ages[:] = 0.0
        inflation: NDArray[np.float64] = np.exp2(ages)
        return inflation

    @override
    def snapshot(self) -> bytes:
        return self.freeze()()

    @override
    def freeze(self) -> Frozen:
        table, n = self._table, self._n_items
        used = table.used[:n].copy()
        neighbours, weights = compute.compact(table, n)
        likes, mass = table.likes[:n].copy(), table.mass[:n].copy()
        origin_ms, evicted = int(self._origin_ms[0]), self.evicted
        return lambda: pack_state(
            _State(
                list(self.columns),
                pack_array(used),
                pack_array(neighbours),
                pack_array(weights),
                pack_array(likes),
                pack_array(mass),
                origin_ms,
                evicted,
            )
        )

    @override
    def restore(self, record: bytes) -> None:
        state = unpack(record, _State)
        used = unpack_array(state.used, np.int32)
        if state.kernels != list(self.columns) or used.max(initial=0) > self._neighbours:
            message = (
                f"the transitions were learned with the kernels {state.kernels} and up to "
                f"{used.max(initial=0)} neighbours, the settings say {list(self.columns)} and "
                f"{self._neighbours}"
            )
            raise IncompatibleState(message)
        table = self._empty(len(used))
        filled = np.arange(self._neighbours) < used[:, None]
        table.neighbours[filled] = unpack_array(state.neighbours, np.int32)
        table.weights.transpose(0, 2, 1)[filled] = unpack_array(state.weights, np.float32)
        self._table = table._replace(
            used=used,
            likes=unpack_array(state.likes, np.float64),
            mass=unpack_array(state.mass, np.float32),
        )
        self._n_items = len(used)
        self._origin_ms[0] = state.origin_ms
        self._evicted[0] = state.evicted
