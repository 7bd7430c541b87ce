"""The listwise ranker: which of the candidates this person will choose.

A small network over the candidates' features with a softmax over the list, trained on every choice
and on a few old ones, from the features as they were served and logged. It starts at the order of
the hand mix, because the mix enters as an offset::

    logit_i = start.features_i + net(features_i)      start: mix 1.5, ...
    loss    = -log softmax(logit + log examined)[chosen]

Where a list was shown, ``examined`` is the probability of looking at each place: among the places
of a list a choice happens with probability proportional to ``examined * attraction``, so that an
item is not credited with its place. Rendle et al. 2009 and Cao et al. 2007 (ListNet) for the loss.

The logits say how much rather one candidate is chosen than another. ``scale`` brings them into
units of reward: what the best candidate of a request earns on average, learned from what was
predicted and came.
"""

import hashlib
import math
from collections.abc import Sequence
from typing import ClassVar, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from recsys.arrays import Packed, Renewal, pack_array, unpack_array
from recsys.codec import pack, unpack
from recsys.errors import CorruptRecord, IncompatibleState, InvalidSettings
from recsys.features.base import Candidates, Choice, Example, widen
from recsys.held import Held
from recsys.learners import listwise_net as net
from recsys.learners.base import Learner
from recsys.mixing.report import RankerReport, open_shift
from recsys.settings import ListwiseSettings

__all__ = ["ListwiseRanker"]

_LOWEST, _HIGHEST = math.log(1e-4), math.log(10.0)
"""Bounds of the logarithm of the scale."""
_LEAST_SCALE = 0.05
"""A smaller scale is learned as slowly as this one, so that no single reward throws it far."""


class _State(msgspec.Struct):
    columns: list[str]
    weights: Packed
    first: Packed
    second: Packed
    mean: Packed
    variance: Packed
    steps: int
    log_scale: float


class _Shown(NamedTuple):
    """Features as in ``recsys.features.table.Asked``, shapes (n_candidates, ...) and (1, ...)."""

    rows: NDArray[np.float32]
    shared: NDArray[np.float32]


class ListwiseRanker(Learner):
    """The network, its standardisation and its scale.

    Parameters
    ----------
    columns, shared_columns
        Names of the features of a candidate and of a request, in their order.

    Attributes
    ----------
    scale
        Expected reward of the best candidate of a request.
    """

    from_examples: ClassVar[bool] = False
    from_choices: ClassVar[bool] = True

    def __init__(
        self,
        settings: ListwiseSettings,
        columns: Sequence[str],
        shared_columns: Sequence[str],
        seed: int,
    ) -> None:
        self._settings = settings
        self._columns = [*columns, *shared_columns]
        self._n_columns = len(columns)
        self._n_hidden = settings.hidden
        self._offset = np.zeros(len(columns), np.float32)
        for name, weight in settings.start.items():
            if name not in columns:
                message = f"learners.listwise.start names {name!r}, which is none of {columns}"
                raise InvalidSettings(message)
            self._offset[columns.index(name)] = weight
        n_inputs = len(self._columns)
        n_weights = net.n_weights(n_inputs, settings.hidden)
        self._weights = np.zeros(n_weights, np.float32)
        inner = np.random.default_rng(seed).normal(0.0, 0.5, n_inputs * settings.hidden)
        self._weights[n_weights - len(inner) :] = inner / math.sqrt(n_inputs)
        self._gradient = np.zeros(n_weights, np.float32)
        self._first = np.zeros(n_weights, np.float32)
        self._second = np.zeros(n_weights, np.float32)
        self._mean = np.zeros(n_inputs, np.float32)
        self._variance = np.ones(n_inputs, np.float32)
        self._hidden = np.zeros((64, settings.hidden), np.float32)
        self._held = Held(net.hold_net)
        self._steps = 0
        self._set_log_scale(math.log(settings.initial_reward))

    def _set_log_scale(self, value: float) -> None:
        self._log_scale = min(max(value, _LOWEST), _HIGHEST)
        self.scale = math.exp(self._log_scale)

    @override
    def score(self, candidates: Candidates) -> NDArray[np.float64]:
        if not len(candidates.numeric):
            return np.zeros(0)
        shown = _Shown(candidates.numeric, candidates.shared[None, :])
        return net.judge(self._room_for(shown), *shown, self.scale)

    @override
    def learn(self, example: Example) -> None:
        """Nothing: it learns choices."""

    @override
    def settle(self, earned: float, promised: float, looks: float) -> None:
        """Bring the scale closer to what a slot of the list earned when it was looked at."""
        # Cutting the error instead would weigh the few rewards less than the many slots without
        # one, and lead the scale of whoever clicks rarely to nothing.
        error = (earned - promised) / looks / max(self.scale, _LEAST_SCALE)
        step = self._settings.scale_rate * error
        self._set_log_scale(self._log_scale + step)

    def _rank(
        self, shown: _Shown
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
        """Return the standardised inputs and the logits; leaves the hidden layer in place."""
        return net.rank(self._room_for(shown), *shown)

    def make_room(self, n: int) -> None:
        """Make room for as many candidates."""
        if n > len(self._hidden):
            Renewal.declare()
            self._hidden = np.zeros((2 * n, self._n_hidden), np.float32)

    @property
    def held(self) -> net.Net:
        """All that candidates are ranked with, for compiled code."""
        return self._held(self._net)

    def _room_for(self, shown: _Shown) -> net.Net:
        self.make_room(len(shown.rows))
        return self.held

    def _net(self) -> net.Net:
        return net.Net(self._weights, self._offset, self._mean, self._variance, self._hidden)

    @override
    def choose(self, choice: Choice, old: Sequence[Choice], *, haste: float = 1.0) -> float | None:
        shown = self._readable(choice)
        if shown is None:
            return None
        readable = [(other, self._readable(other)) for other in old]
        lessons = [(other, rows) for other, rows in readable if rows is not None]
        share = 1.0 / (1 + len(lessons))
        loss = self._gather(choice, shown, share) / share
        for other, others in lessons:
            self._gather(other, others, share)
        self._steps += 1
        rate = self._settings.learning_rate * haste
        net.adapt(self._weights, self._gradient, self._first, self._second, rate, self._steps)
        net.observe(shown.rows, self._mean, self._variance, 0, self._steps)
        net.observe(shown.shared, self._mean, self._variance, self._n_columns, self._steps)
        return loss

    @override
    def loss(self, choice: Choice) -> float | None:
        shown = self._readable(choice)
        if shown is None:
            return None
        logits = self._rank(shown)[2] + choice.examination()
        largest = float(logits.max())
        mass = float(np.exp(logits - largest).sum())
        return math.log(mass) + largest - float(logits[choice.chosen])

    def _gather(self, choice: Choice, shown: _Shown, share: float) -> float:
        rows, shared, logits = self._rank(shown)
        logits += choice.examination()
        hidden = self._hidden[: choice.n]
        return net.gather(
            self._weights, rows, shared, hidden, logits, choice.chosen, share, self._gradient
        )

    def _readable(self, choice: Choice) -> _Shown | None:
        """Return the features as served, ``None`` when they say nothing or are of others."""
        n_shared = len(self._columns) - self._n_columns
        if (
            choice.n < 2
            or len(choice.rows) != 2 * self._n_columns * choice.n
            or len(choice.shared) != 2 * n_shared
        ):
            return None
        rows = widen(choice.rows).reshape(choice.n, self._n_columns)
        shared = widen(choice.shared)[None, :]
        return _Shown(rows, shared) if math.isfinite(rows.sum() + shared.sum()) else None

    @override
    def snapshot(self) -> bytes:
        state = _State(
            self._columns,
            pack_array(self._weights),
            pack_array(self._first),
            pack_array(self._second),
            pack_array(self._mean),
            pack_array(self._variance),
            self._steps,
            self._log_scale,
        )
        return pack(state)

    @override
    def restore(self, record: bytes) -> None:
        state = unpack(record, _State)
        weights = unpack_array(state.weights, np.float32)
        if state.columns != self._columns or weights.shape != self._weights.shape:
            message = "the listwise ranker was learned from other features or another hidden layer"
            raise IncompatibleState(message)
        self._weights = weights
        self._first = unpack_array(state.first, np.float32)
        self._second = unpack_array(state.second, np.float32)
        self._mean = unpack_array(state.mean, np.float32)
        self._variance = unpack_array(state.variance, np.float32)
        self._steps = state.steps
        self._set_log_scale(state.log_scale)

    @override
    def adopt(self, record: bytes) -> None:
        state = unpack(record, _State)
        names = ("weights", "first", "second", "mean", "variance")
        try:
            arrays = [unpack_array(getattr(state, name), np.float32) for name in names]
        except (TypeError, ValueError) as error:
            detail = f"the base holds an array that is none: {error}"
            raise CorruptRecord(detail) from error
        mine = (self._weights, self._first, self._second, self._mean, self._variance)
        if state.columns != self._columns or [array.shape for array in arrays] != [
            array.shape for array in mine
        ]:
            message = "the base was learned from other features or another hidden layer"
            raise IncompatibleState(message)
        sound = all(bool(np.isfinite(array).all()) for array in arrays)
        if not sound or min(arrays[2].min(), arrays[4].min()) < 0.0 or state.steps < 0:
            detail = "the base has a weight that is not finite, or a negative variance"
            raise CorruptRecord(detail)
        self._weights, self._first, self._second, self._mean, self._variance = arrays
        self._steps = state.steps

    @property
    def _kind(self) -> str:
        columns = hashlib.blake2b("|".join(self._columns).encode(), digest_size=8).hexdigest()
        return f"listwise-{self._n_hidden}-{columns}"

    @override
    def report(self) -> bytes:
        statistics = np.concatenate([self._mean, self._variance, [self._log_scale]])
        return pack(
            RankerReport(
                self._kind, pack_array(self._weights), pack_array(statistics.astype(np.float32))
            )
        )

    @override
    def shift(self, record: bytes) -> None:
        n = len(self._mean)
        shift = open_shift(record, self._kind, (len(self._weights), 2 * n + 1))
        if shift is None:
            message = "the average is of other features or another hidden layer"
            raise IncompatibleState(message)
        weights, statistics = shift
        self._weights += weights
        self._mean += statistics[:n]
        self._variance += statistics[n : 2 * n]
        np.maximum(self._variance, np.float32(0.0), out=self._variance)
        self._set_log_scale(self._log_scale + float(statistics[2 * n]))

    @override
    def fingerprint(self) -> bytes:
        return hashlib.blake2b(self.snapshot(), digest_size=16).digest()
