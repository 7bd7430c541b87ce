"""A hashed linear model of each slot's reward, learned by FTRL-Proximal.

Of a candidate with tokens t (its id, its attributes), numeric features x as they were served, shown
at place p to a person u in a context c::

    r = sum_t [w(t) + sum_c w(t, c) + w(t, u)] + w . standardised x + w(p)

An id is not crossed with a person, who has seldom seen an item more than once. Each slot is a step
down the squared error of its reward, counted once ("unweighted", lower variance) or by one over its
logged propensity ("propensity", unbiased for the policy), as Vowpal Wabbit's ``mtr`` does it; place
is left out of scores, as there. Weights follow from sums of slopes and of their squares (McMahan et
al., Ad Click Prediction: a View from the Trenches, KDD 2013), each with a learning rate of its own.

A place in the table is all that is known of a hashed feature, so that memory is bounded, and
features that meet there share a weight (Weinberger et al. 2009).

Rankers of several shards are averaged but for crossings with people, who each belong to one shard.
"""

import hashlib
from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from recsys.arrays import Packed, grown, pack_array, unpack_array
from recsys.catalogue import Catalogue
from recsys.codec import pack, unpack
from recsys.errors import IncompatibleState
from recsys.features.base import Candidates, Example, widen
from recsys.ids import feature_hash
from recsys.learners import ftrl_kernels as kernels
from recsys.learners.base import ExampleLearner
from recsys.mixing.report import RankerReport, open_shift
from recsys.settings import FTRLSettings

__all__ = ["FTRLRanker"]

_PLACES: Final = 101
"""Weights of places in a list; those further down share the last one."""


class _State(msgspec.Struct):
    """Weights that were never moved are left out; ``places`` says which the others are."""

    kind: str
    places: Packed
    weights: Packed
    pulls: Packed
    squares: Packed
    mean: Packed
    variance: Packed
    n_rows: int


class FTRLRanker(ExampleLearner):
    """The weights, and the standardisation of the numeric features.

    Parameters
    ----------
    columns
        Names of the numeric features, in their order.
    """

    def __init__(
        self, settings: FTRLSettings, catalogue: Catalogue, columns: Sequence[str]
    ) -> None:
        self._settings = settings
        self._catalogue = catalogue
        self._step = kernels.Step(settings.rate, settings.beta, settings.l1, settings.l2)
        self._n_columns = len(columns)
        digest = hashlib.blake2b("|".join(columns).encode(), digest_size=8).hexdigest()
        self._kind = f"ftrl-{settings.bits}-{'-'.join(map(repr, self._step))}-{digest}"
        n_weights = (1 << settings.bits) + len(columns) + _PLACES
        self._model = kernels.Model(
            np.zeros(n_weights, np.float32),
            np.zeros(n_weights, np.float32),
            np.zeros(n_weights, np.float32),
            np.zeros(len(columns), np.float32),
            np.ones(len(columns), np.float32),
        )
        self._n_rows = 0
        self._unknown = feature_hash("item", "")
        self._forget_names()

    def _forget_names(self) -> None:
        self._n_items = self._n_tokens = 0
        self._item_hashes = np.zeros(64, np.int64)
        self._token_hashes = np.zeros(64, np.int64)

    def _tokens(self) -> kernels.Tokens:
        catalogue = self._catalogue
        n_items, n_tokens = len(catalogue), catalogue.n_tokens
        if n_items > self._n_items:
            self._item_hashes = grown(self._item_hashes, n_items)
            for item in range(self._n_items, n_items):
                self._item_hashes[item] = feature_hash("item", catalogue[item].item_id)
            self._n_items = n_items
        if n_tokens > self._n_tokens:
            self._token_hashes = grown(self._token_hashes, n_tokens)
            self._token_hashes[self._n_tokens : n_tokens] = catalogue.token_hashes[self._n_tokens :]
            self._n_tokens = n_tokens
        return kernels.Tokens(
            self._item_hashes, catalogue.attributes, self._token_hashes, self._unknown
        )

    @override
    def score(self, candidates: Candidates) -> NDArray[np.float64]:
        return kernels.score(
            self._model,
            self._settings.bits,
            candidates.items,
            candidates.numeric,
            self._tokens(),
            kernels.Request(candidates.user, np.array(candidates.context, np.int64)),
        )

    @override
    def learn(self, example: Example) -> None:
        importance = 1.0
        if self._settings.weighting == "propensity":
            importance = 1.0 / max(example.propensity, self._settings.propensity_floor)
        # Of other columns, or damaged: what else is known of the slot is learned all the same.
        served = example.numeric if len(example.numeric) == 2 * self._n_columns else b""
        lesson = kernels.Lesson(
            example.item,
            widen(served),
            min(example.position, _PLACES - 1),
            example.reward,
            importance,
        )
        self._n_rows = kernels.learn(
            self._model,
            self._settings.bits,
            lesson,
            self._tokens(),
            kernels.Request(example.user, np.array(example.context, np.int64)),
            self._step,
            self._n_rows,
        )

    @override
    def snapshot(self) -> bytes:
        places = np.flatnonzero(self._model.squares).astype(np.int32)
        model = self._model
        return pack(
            _State(
                self._kind,
                pack_array(places),
                pack_array(model.weights[places]),
                pack_array(model.pulls[places]),
                pack_array(model.squares[places]),
                pack_array(model.mean),
                pack_array(model.variance),
                self._n_rows,
            )
        )

    @override
    def restore(self, record: bytes) -> None:
        state = unpack(record, _State)
        if state.kind != self._kind:
            message = f"the model was learned as {state.kind}, the settings say {self._kind}"
            raise IncompatibleState(message)
        places = unpack_array(state.places, np.int32)
        packed = (state.weights, state.pulls, state.squares)
        for array, part in zip(self._model[:3], packed, strict=True):
            array[:] = 0.0
            array[places] = unpack_array(part, np.float32)
        self._model.mean[:] = unpack_array(state.mean, np.float32)
        self._model.variance[:] = unpack_array(state.variance, np.float32)
        self._n_rows = state.n_rows
        # The catalogue may have been replaced, too.
        self._forget_names()

    @property
    def _shared(self) -> NDArray[np.int64]:
        """Places of the weights that are no single person's, shape ``(n_shared,)``."""
        half = 1 << (self._settings.bits - 1)
        return np.delete(np.arange(len(self._model.weights)), slice(half, 2 * half))

    @override
    def report(self) -> bytes:
        statistics = np.concatenate([self._model.mean, self._model.variance])
        weights = self._model.weights[self._shared]
        return pack(RankerReport(self._kind, pack_array(weights), pack_array(statistics)))

    @override
    def shift(self, record: bytes) -> None:
        shared, n = self._shared, self._n_columns
        shift = open_shift(record, self._kind, (len(shared), 2 * n))
        if shift is None:
            message = "the average is of other features or settings"
            raise IncompatibleState(message)
        moves, statistics = shift
        moved = np.flatnonzero(moves)
        places = shared[moved]
        model = self._model
        model.weights[places] += moves[moved]
        kernels.hold(model, places, self._step)
        model.mean[:] += statistics[:n]
        model.variance[:] = np.maximum(model.variance + statistics[n:], np.float32(0.0))

    @override
    def fingerprint(self) -> bytes:
        return hashlib.blake2b(self.snapshot(), digest_size=16).digest()
