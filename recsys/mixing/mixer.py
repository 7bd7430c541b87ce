"""Keeps what shards have seen until all others have it. Pure: whoever runs it asks and tells.

::

    each shard        Position, Cut.seal(...), Ranking  ->  take
    events_for(t)     what shard t lacks of the others, in order, no more than it can learn at once
    needs_base(t)     it lacks what nobody keeps any more: from whom it should get a base

Nothing here is durable: a mixer that begins anew asks each shard for what the others lack, for a
shard keeps its lessons until it is told that all have them. A shard that does not answer holds
nobody up: what is kept for it is bounded, and after that it gets a base.
"""

from collections import deque
from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from recsys.mixing.average import Answer, Averager, Ranking
from recsys.mixing.cut import Contribution
from recsys.mixing.models import Merger
from recsys.mixing.port import Position

__all__ = ["Ask", "Mixer", "Outlook", "Serving"]

_TRIALS = 3
"""A piece that was told so often and not learned fails there each time."""


class Ask(NamedTuple):
    """What a shard is to be asked for.

    Attributes
    ----------
    after
        Its lessons from here on.
    share
        Of the lessons, the others by lot.
    """

    after: int
    share: float


class Serving(NamedTuple):
    """What a shard is to be told next.

    Attributes
    ----------
    lessons
        Pieces of others, each following what the shard has.
    released
        Up to this sequence of its own log all others have its lessons.
    """

    lessons: list[Contribution]
    released: int


class Outlook(msgspec.Struct, frozen=True, kw_only=True):
    """What a mixer keeps.

    Attributes
    ----------
    bytes_kept
        By shard.
    behind
        By shard: bytes that others have seen and it has not learned.
    dropped
        Pieces that were given up although somebody lacked them.
    skipped
        Pieces that a shard could not learn.
    """

    bytes_kept: dict[str, int]
    behind: dict[str, int]
    dropped: int
    skipped: int


class _Line:
    """What one shard has seen: pieces that follow each other."""

    def __init__(self) -> None:
        self.pieces = deque[Contribution]()
        self.size = 0
        self.upto: int | None = None
        self._dropped = False

    def put(self, piece: Contribution) -> None:
        if self.pieces and piece.after != self.upto:
            # Another mixer, or a log that lost its end: what is kept says nothing of what follows.
            self.pieces.clear()
            self.size = 0
        self.pieces.append(piece)
        self.size += len(piece.record)
        self.upto = piece.upto

    def drop_first(self) -> None:
        self._dropped = True
        self.size -= len(self.pieces.popleft().record)

    def is_lacked(self, sequence: int | None) -> bool:
        """Return whether some of what follows a sequence is not here any more."""
        return self.after(sequence) is None or (sequence is None and self._dropped)

    def after(self, sequence: int | None) -> list[Contribution] | None:
        """Return the pieces that follow a sequence; ``None`` when they are not here any more."""
        if self.upto is None or sequence == self.upto:
            return []
        if sequence is None:
            return list(self.pieces)
        pieces = [one for one in self.pieces if one.after >= sequence]
        return pieces if pieces and pieces[0].after == sequence else None


class Mixer:
    """Knows for each shard what it has seen and how far it is.

    Parameters
    ----------
    backlog_bytes
        Kept of each shard.
    per_s
        Lessons that a shard is taught per second; of more, each shard sends a share.
    """

    def __init__(self, backlog_bytes: int, per_s: float) -> None:
        self._backlog_bytes = backlog_bytes
        self._per_s = per_s
        self._lines: dict[str, _Line] = {}
        self._positions: dict[str, Position] = {}
        self._rates: dict[str, float] = {}
        self._told: dict[tuple[str, str], int] = {}
        self._strikes: dict[tuple[str, str], int] = {}
        self._dropped = 0
        self._skipped = 0
        self._averager = Averager()
        self._merger = Merger()

    def hear(self, position: Position) -> None:
        """Take in how far a shard is; the first of a shard lets it take part."""
        self._positions[position.shard] = position
        self._lines.setdefault(position.shard, _Line())
        for (shard, other), after in list(self._told.items()):
            if shard == position.shard:
                del self._told[shard, other]
                failed = position.vector.get(other, after) == after
                self._strikes[shard, other] = (
                    self._strikes.get((shard, other), 0) + 1 if failed else 0
                )
        self._clean()

    def ask(self, shard: str) -> Ask:
        """Return what a shard that was heard of is to be asked for."""
        total = sum(self._rates.values())
        share = min(1.0, self._per_s / total) if total > 0.0 else 1.0
        upto = self._lines[shard].upto
        if upto is None:
            # Nothing is kept of it: what the one who is furthest behind lacks.
            upto = min((other.vector.get(shard, 0) for other in self._others(shard)), default=0)
        return Ask(upto, share)

    def take(
        self,
        shard: str,
        pieces: Iterable[Contribution],
        ranking: Ranking | None = None,
        rate: float = 0.0,
    ) -> None:
        """Take in what a shard answered.

        Parameters
        ----------
        rate
            Lessons per second that it has to tell, whatever the share it was asked for.

        Raises
        ------
        CorruptRecord
            When the record of its ranker is damaged.
        """
        line = self._lines[shard]
        for piece in pieces:
            line.put(piece)
        self._rates[shard] = rate
        while line.size > self._backlog_bytes and len(line.pieces) > 1:
            line.drop_first()
            self._dropped += 1
        if ranking is not None:
            (self._merger if ranking.merged else self._averager).take(shard, ranking)

    def forget(self, shard: str) -> None:
        """Go on without a shard, which is gone for long or for good; its lessons stay."""
        self._positions.pop(shard, None)
        self._rates.pop(shard, None)
        self._averager.forget(shard)
        self._merger.forget(shard)
        self._clean()

    def rankers(self) -> dict[str, Answer]:
        """Bring the rankers together that were reported since this was asked before."""
        return {**self._averager.round(), **self._merger.round()}

    def serving(self, shard: str, most: int) -> Serving:
        """Return what a shard is to be told next.

        Parameters
        ----------
        most
            Pieces, of all other shards together.
        """
        position = self._positions[shard]
        lessons = list[Contribution]()
        waiting = [
            deque(line.after(position.vector.get(other)) or ())
            for other, line in sorted(self._lines.items())
            if other != shard
        ]
        # In turns, so that a busy shard does not keep the others waiting.
        while len(lessons) < most and any(waiting):
            lessons.extend(one.popleft() for one in waiting if one)
        return Serving(
            [self._learnable(shard, one, position) for one in lessons[:most]],
            self._released(shard),
        )

    def told(self, shard: str, lessons: Iterable[Contribution]) -> None:
        """Take in that a shard has what it was served in its log, and has tried to learn it."""
        for piece in lessons:
            self._told.setdefault((shard, piece.shard), piece.after)
            self._skipped += not piece.record

    def _learnable(self, shard: str, piece: Contribution, position: Position) -> Contribution:
        """Return a piece, without its lessons if the shard failed to learn it again and again."""
        first = position.vector.get(piece.shard, piece.after) == piece.after
        if first and self._strikes.get((shard, piece.shard), 0) >= _TRIALS:
            return msgspec.structs.replace(piece, record=b"")
        return piece

    def needs_base(self, shard: str) -> str | None:
        """Return from whom a shard should get a base, ``None`` when it needs none."""
        position = self._positions[shard]
        lacking = any(
            line.is_lacked(position.vector.get(other))
            for other, line in self._lines.items()
            if other != shard
        )
        donors = [
            (sum(other.vector.values()), other.shard)
            for other in self._others(shard)
            if not self._lacks(other)
        ]
        return max(donors)[1] if lacking and donors else None

    def _lacks(self, position: Position) -> bool:
        return any(
            line.is_lacked(position.vector.get(other))
            for other, line in self._lines.items()
            if other != position.shard
        )

    @property
    def outlook(self) -> Outlook:
        """What is kept, and who is behind."""
        behind = {
            shard: sum(
                len(piece.record)
                for other, line in self._lines.items()
                if other != shard
                for piece in line.after(position.vector.get(other)) or ()
            )
            for shard, position in self._positions.items()
        }
        kept = {shard: line.size for shard, line in self._lines.items()}
        return Outlook(bytes_kept=kept, behind=behind, dropped=self._dropped, skipped=self._skipped)

    def _others(self, shard: str) -> list[Position]:
        return [one for name, one in self._positions.items() if name != shard]

    def _released(self, shard: str) -> int:
        others = self._others(shard)
        return min((one.vector.get(shard, 0) for one in others), default=0)

    def _clean(self) -> None:
        """Drop what all shards have."""
        for shard, line in self._lines.items():
            released = self._released(shard)
            while line.pieces and line.pieces[0].upto <= released:
                line.drop_first()
