"""Brings the rankers of all shards together.

A ranker's lessons are too long to travel (6 KB each), so it travels itself. From round to round the
average keeps a target T and a velocity v; d_s is by how far shard s has moved by itself since it
was brought to a target, a_s its share in the choices that were learned since, n = 1 / sum a_s^2 how
many shards that is worth::

    v <- (1 - 1/n) v + sum_s a_s d_s
    T <- T + v

An average of n shards moves as far in a round as one of them, although they learned n times as
much; where they agree, round after round, the velocity makes up for it, and where they do not, it
averages out (Polyak 1964; Douillard et al. 2023 for rankers far apart). To add up their moves
instead went n times as far at once, and beyond: losses got worse. Statistics are averaged without.

What a shard is sent is T less what it reported, so that what it has learned in between stays. A
report is answered once: the shift takes effect only on the version that was reported.
"""

from typing import Final, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from recsys.codec import unpack
from recsys.mixing.report import RankerReport, seal_shift, vector_of

__all__ = ["Answer", "Averager", "Ranking"]

_KEPT: Final = 0.9
"""Of the velocity, at most, from round to round."""


class Ranking(msgspec.Struct, frozen=True):
    """What a shard says of its ranker.

    Attributes
    ----------
    version
        How often it was shifted.
    choices, examples
        That its shard has learned; where the ranker learns from examples alone, they are its
        choices.
    record
        What ``recsys.learners.base.Learner.report`` said.
    merged
        Whether models of its kind are merged (``recsys.mixing.models``) and not averaged.
    """

    version: int
    choices: int
    record: bytes
    examples: int = 0
    merged: bool = False


class Answer(NamedTuple):
    """What a shard's ranker is to be told; see ``recsys.mixing.events.Averaged``."""

    version: int
    record: bytes
    examples: int = 0


class _Known(msgspec.Struct):
    """A shard's ranker as it was reported, and when it was brought to which target."""

    ranking: Ranking
    kind: str
    weights: NDArray[np.float32]
    statistics: NDArray[np.float32]
    answered: bool = False


class _Sent(msgspec.Struct):
    """The target that a shard was brought to."""

    version: int
    choices: int
    weights: NDArray[np.float32]


class Averager:
    """Keeps the last report of each shard, and the target."""

    def __init__(self) -> None:
        self._known: dict[str, _Known] = {}
        self._sent: dict[str, _Sent] = {}
        self._target: NDArray[np.float32] | None = None
        self._velocity: NDArray[np.float32] | None = None
        self._kind = ""

    def take(self, shard: str, ranking: Ranking) -> None:
        """Take in a report; one that is older than the last one says nothing.

        Raises
        ------
        CorruptRecord
            When its record is damaged.
        """
        last = self._known.get(shard)
        if last is not None and ranking.version < last.ranking.version:
            # Its log has lost its end: what it was sent is gone.
            self._sent.pop(shard, None)
        report = unpack(ranking.record, RankerReport)
        weights, statistics = vector_of(report.weights), vector_of(report.statistics)
        self._known[shard] = _Known(ranking, report.kind, weights, statistics)

    def forget(self, shard: str) -> None:
        """Go on without a shard."""
        self._known.pop(shard, None)
        self._sent.pop(shard, None)

    def round(self) -> dict[str, Answer]:
        """Return, by shard, the shift that is due to it.

        Only shards that reported since the last round take part.
        """
        fresh = {shard: one for shard, one in self._known.items() if not one.answered}
        if not fresh:
            return {}
        kind = max((one.ranking.choices, one.kind) for one in fresh.values())[1]
        fresh = {shard: one for shard, one in fresh.items() if one.kind == kind}
        if kind != self._kind:
            self._kind, self._target = kind, None
            self._sent.clear()
        # In one order, whatever came first: sums of floats depend on it.
        shards = sorted(fresh)
        learned = np.array([self._learned(shard, fresh[shard]) for shard in shards])
        total = float(learned.sum())
        if total <= 0.0:
            return {}
        shares = learned / total
        statistics = _mean([fresh[shard].statistics for shard in shards], shares)
        target = self._moved_on([self._moved(shard, fresh[shard]) for shard in shards], shares)
        if target is None:
            target = _mean([fresh[shard].weights for shard in shards], shares)
            self._velocity = np.zeros_like(target)
        self._target = target
        return {shard: self._answer(shard, fresh[shard], target, statistics) for shard in shards}

    def _moved_on(
        self, moves: list[NDArray[np.float32] | None], shares: NDArray[np.float64]
    ) -> NDArray[np.float32] | None:
        """Return the next target, ``None`` when nothing says where from."""
        if self._target is None or self._velocity is None or all(one is None for one in moves):
            return None
        kept = min(1.0 - float(np.square(shares).sum()), _KEPT)
        velocity = np.float32(kept) * self._velocity
        for share, one in zip(shares, moves, strict=True):
            if one is not None:
                velocity += np.float32(share) * one
        self._velocity = velocity
        return self._target + velocity

    def _learned(self, shard: str, one: _Known) -> float:
        sent = self._sent.get(shard)
        return max(one.ranking.choices - (0 if sent is None else sent.choices), 0)

    def _moved(self, shard: str, one: _Known) -> NDArray[np.float32] | None:
        """Return how far a ranker has moved by itself, ``None`` if that cannot be told."""
        sent = self._sent.get(shard)
        if sent is None or sent.version != one.ranking.version:
            return None
        return one.weights - sent.weights

    def _answer(
        self,
        shard: str,
        one: _Known,
        target: NDArray[np.float32],
        statistics: NDArray[np.float32],
    ) -> Answer:
        one.answered = True
        version = one.ranking.version + 1
        self._sent[shard] = _Sent(version, one.ranking.choices, target)
        record = seal_shift(one.kind, target - one.weights, statistics - one.statistics)
        return Answer(version, record, one.ranking.examples)


def _mean(vectors: list[NDArray[np.float32]], shares: NDArray[np.float64]) -> NDArray[np.float32]:
    mean: NDArray[np.float32] = (shares @ np.stack(vectors)).astype(np.float32)
    return mean
