"""Factors: what the vectors of a person's latest likes point to.

Each item has two vectors of ``dimensions`` numbers, E (what a like of it says of the person) and F
(what a person has to be like to like it). A person is the sum of their latest likes h_0 (newest),
h_1, ..., so that their own part is their history and nobody grows by being asked::

    p        = sum_x w(x) E[h_x]
    w(x)     ~ decay ** x * (gap_floor + (1 - gap_floor) exp(-gap / gap_s)),   sum of squares 1
    score(j) = exp(p . F[j])

where the gaps are counted from the newest like. On a like of b by a person with a past, one step
of AdaGrad (Duchi et al. 2011) on the softmax over b and some of the items that others liked lately,
and the same for a few of the lessons before it::

    loss = -log softmax(p . F - log q)[b]          q: how often an item is drawn

Because of ``log q`` (Bengio & Senecal 2008) the score is how much rather this person likes an item
than people do on average. An item that nobody has liked scores about 1. Of the same make as
item2vec (Barkan & Koenigstein 2016) and YouTube's candidate generation (Covington et al. 2016).

Beyond ``exact_up_to`` items, who asks may be answered from an index (``recsys.candidates.nearest``)
that somebody makes from time to time, where the asker says that the answer may be approximate.
"""

import msgspec
import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from recsys.arrays import Packed, Renewal, grown, moved, pack_array, unpack_array
from recsys.candidates import factor_kernels as compute
from recsys.candidates.base import Asker, Sizes, Source, past_of
from recsys.candidates.nearest import Index
from recsys.candidates.pool import Pool
from recsys.codec import pack, unpack
from recsys.errors import IncompatibleState
from recsys.held import Held
from recsys.settings import FactorSettings
from recsys.users import User

__all__ = ["NOT_ASKED", "Factors"]

_WIDTH = 0.035
"""Vectors begin between minus and plus this."""
_NEWER = 0.1
"""An index may lack so many of its items: they are scanned."""


NOT_ASKED = compute.Near(found=False, items=np.zeros(0, np.int32))
"""What there is to say of an index where there is none."""


class _State(msgspec.Struct):
    vectors: list[Packed]
    latest: Packed
    likes: int
    past: Packed
    weights: Packed
    sizes: Packed
    targets: Packed
    lessons: int
    lots: int


class Factors(Source):
    """The vectors, a ring of the latest likes and a ring of the latest lessons."""

    columns = ("factors",)

    def __init__(self, settings: FactorSettings, seed: int) -> None:
        self.weights = (settings.weight,)
        self._settings = settings
        self._seed = seed & 0x7FFFFFFF
        self._n_items = 0
        self._model = compute.Model(*(np.zeros((0, settings.dimensions), np.float32),) * 4)
        size, history = settings.lessons, settings.history
        self._rings = compute.Rings(
            np.zeros(settings.latest, np.int32),
            np.zeros(64, np.int32),
            np.zeros((size, history), np.int32),
            np.zeros((size, history), np.float32),
            np.zeros(size, np.int32),
            np.zeros(size, np.int32),
        )
        self._shape = compute.Shape(
            settings.decay,
            settings.gap_s * 1000.0,
            settings.gap_floor,
            settings.learning_rate,
            settings.negatives,
            self._seed,
            settings.history,
            settings.leaders,
        )
        self._latest = np.zeros(settings.dimensions, np.float32)
        self._asked = np.zeros(1, np.bool_)
        self._products = np.zeros(64, np.float32)
        self._scanned = np.zeros(1, np.bool_)
        self._held = Held(compute.hold_vectors)
        self._likes = 0
        self._lessons = 0
        self._lots = 0
        self._index: Index | None = None
        self._indexed_likes = 0

    @property
    @override
    def held(self) -> compute.Vectors:
        """All of it, for compiled code."""
        return self._held(self._record)

    def _record(self) -> compute.Vectors:
        self._products = grown(self._products, len(self._model.outputs))
        return compute.Vectors(
            self._model,
            self._rings,
            self._shape,
            self._latest,
            self._asked,
            self._products,
            self._scanned,
        )

    @override
    def grow(self, n_items: int) -> None:
        first = len(self._model.inputs)
        if n_items > first:
            self._model = compute.Model(*(grown(array, n_items) for array in self._model))
            for part, vectors in enumerate(self._model[:2]):
                compute.begin(vectors, first, 2 * self._seed + part, _WIDTH)
        self._rings = self._rings._replace(counts=grown(self._rings.counts, n_items))
        self._n_items = n_items

    @override
    def learn(self, user: User, item: int, ts_ms: int, strength: float) -> None:
        self._learn(user, item, strength, self._settings.replays)

    @override
    def mix(self, user: User, item: int, ts_ms: int, strength: float, weight: float) -> None:
        # Its own shard teaches it again. A step is no sum: it is not longer for many likes.
        self._learn(user, item, strength, 0)

    def _learn(self, user: User, item: int, strength: float, replays: int) -> None:
        rings = self._rings
        size = len(rings.latest)
        if len(user.items) and self._likes:
            items, times_ms = past_of(user, self._settings.history)
            self._lots = compute.learn(
                self.held,
                items,
                times_ms,
                item,
                strength,
                replays,
                (min(self._likes, size), self._lessons, self._lots),
            )
            self._lessons += 1
        place = self._likes % size
        if self._likes >= size:
            rings.counts[rings.latest[place]] -= 1
        rings.latest[place] = item
        rings.counts[item] += 1
        self._likes += 1

    @override
    def renumber(self, items: NDArray[np.int64], tokens: NDArray[np.int64], n: Sizes) -> None:
        arrays = [moved(array, items, n.items) for array in self._model]
        missing = np.ones(n.items, np.bool_)
        missing[items[items >= 0]] = False
        for part, vectors in enumerate(arrays[:2]):
            begun = np.empty_like(vectors)
            compute.begin(begun, 0, 2 * self._seed + part, _WIDTH)
            vectors[missing] = begun[missing]
        self._model = compute.Model(*arrays)
        rings = self._rings
        rings.latest[:] = items[rings.latest]
        rings.items[:] = items[rings.items]
        rings.targets[:] = items[rings.targets]
        self._rings = rings._replace(counts=moved(rings.counts, items, n.items))
        self._n_items = n.items
        self._index = None

    @override
    def propose(self, asker: Asker, pool: Pool, column: int) -> None:
        compute.propose(self.held, asker.question, self.near(asker), pool.held)

    def near(self, asker: Asker) -> compute.Near:
        """Return what an index proposes, best first, if there is one and it may answer."""
        if self._index is None or not asker.approximate or not len(asker.items):
            return NOT_ASKED
        vector = compute.person(self.held, asker.question)
        outputs, leaders = self._model.outputs, self._settings.leaders
        return compute.Near(
            found=True, items=self._index.find(vector, outputs, asker.allowed, leaders)
        )

    @property
    def indexed(self) -> bool:
        """Whether an index may answer."""
        return self._index is not None

    @override
    def score(self, asker: Asker, pool: Pool, column: int) -> None:
        compute.score(self.held, pool.held, column)

    def to_index(self) -> NDArray[np.float32] | None:
        """Return a copy of what an index is to be made of, ``(n_items, n_factors)``.

        ``None`` while there are few items, or as long as the index there is will do.
        """
        settings, index = self._settings, self._index
        if self._n_items <= settings.exact_up_to:
            return None
        if index is not None:
            learned = self._likes - self._indexed_likes
            newer = self._n_items - index.n_items
            if learned < settings.index_every and newer <= _NEWER * index.n_items:
                return None
        return self._model.outputs[: self._n_items].copy()

    def use(self, index: Index) -> None:
        """Answer from an index from now on."""
        # Lists are made in other steps from now on.
        Renewal.declare()
        self._index = index
        self._indexed_likes = self._likes

    @override
    def snapshot(self) -> bytes:
        rings = self._rings
        n = min(self._lessons, len(rings.sizes))
        state = _State(
            [pack_array(array[: self._n_items]) for array in self._model],
            pack_array(rings.latest[: min(self._likes, len(rings.latest))]),
            self._likes,
            pack_array(rings.items[:n]),
            pack_array(rings.weights[:n]),
            pack_array(rings.sizes[:n]),
            pack_array(rings.targets[:n]),
            self._lessons,
            self._lots,
        )
        return pack(state)

    @override
    def restore(self, record: bytes) -> None:
        state = unpack(record, _State)
        arrays = [unpack_array(vectors, np.float32) for vectors in state.vectors]
        past = unpack_array(state.past, np.int32)
        latest = unpack_array(state.latest, np.int32)
        settings = self._settings
        found = (arrays[0].shape[1], past.shape[1])
        wanted = (settings.dimensions, settings.history)
        full = len(latest) == min(state.likes, settings.latest) and len(past) == min(
            state.lessons, settings.lessons
        )
        if found != wanted or not full:
            message = (
                f"the factors were learned with {found[0]} dimensions, {found[1]} likes of history "
                f"and rings of {len(latest)} likes and {len(past)} lessons; the settings say "
                f"{wanted[0]}, {wanted[1]}, {settings.latest} and {settings.lessons}"
            )
            raise IncompatibleState(message)
        self._model = compute.Model(*arrays)
        self._n_items = len(arrays[0])
        rings = self._rings
        rings.latest[: len(latest)] = latest
        counts = np.bincount(latest, minlength=max(self._n_items, 64)).astype(np.int32)
        n = len(past)
        rings.items[:n] = past
        rings.weights[:n] = unpack_array(state.weights, np.float32)
        rings.sizes[:n] = unpack_array(state.sizes, np.int32)
        rings.targets[:n] = unpack_array(state.targets, np.int32)
        self._rings = rings._replace(counts=counts)
        self._likes, self._lessons, self._lots = state.likes, state.lessons, state.lots
        self._index = None
