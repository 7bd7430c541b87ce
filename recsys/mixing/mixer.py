"""Keeps what shards have seen until all others have it. Pure: whoever runs it asks and tells.

::

    each shard        Position, Cut.seal(...), Ranking  ->  take
    events_for(t)     what shard t lacks of the others, in order, no more than it can learn at once
    needs_base(t)     it lacks what nobody keeps any more: from whom it should get a base

Nothing here is durable: a mixer that begins anew asks each shard for what the others lack, for a
shard keeps its lessons until it is told that all have them. A shard that does not answer holds
nobody up: what is kept for it is bounded, and after that it gets a base.

Unless a base would take away what only it knows: because it never told it (``Position.untold``),
or because all who could give one went on without some of what it told. Then it goes on without what
it lacks, which others still know. Who never told something gives a base as anybody does.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import msgspec

from recsys.mixing.average import Answer, Averager, Ranking
from recsys.mixing.cut import Contribution
from recsys.mixing.line import Line
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
    stops
        Where others are: there a piece must end, or they could not go on with the next one.
    """

    after: int
    share: float
    stops: tuple[int, ...] = ()


class Serving(NamedTuple):
    """What a shard is to be told next.

    Attributes
    ----------
    lessons
        Pieces of others, each following what the shard has.
    released
        Up to this sequence of its own log all others have its lessons.
    gaps
        Those of the pieces that are empty because nobody keeps their lessons any more.
    """

    lessons: list[Contribution]
    released: int
    gaps: list[Contribution]


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
    missed
        Spans without which a shard went on because nobody keeps them and it must not get a base.
    """

    bytes_kept: dict[str, int]
    behind: dict[str, int]
    dropped: int
    skipped: int
    missed: int


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
        self._lines: dict[str, Line] = {}
        self._positions: dict[str, Position] = {}
        self._rates: dict[str, float] = {}
        # By shard, whose lines go on after what it has, in order; what it was told last of whom,
        # and how often in vain.
        self._due: dict[str, list[str]] = {}
        self._told: dict[str, dict[str, int]] = {}
        self._strikes: dict[tuple[str, str], int] = {}
        self._changed = set[str]()
        self._dropped = 0
        self._skipped = 0
        self._missed = 0
        self._averager = Averager()
        self._merger = Merger()

    def hear(self, position: Position) -> None:
        """Take in how far a shard is; the first of a shard lets it take part."""
        shard, vector = position.shard, position.vector
        before = self._positions.get(shard)
        self._positions[shard] = position
        if before is None:
            self._join(position)
        else:
            # There are as many positions in a round as shards, or more, and each names all shards:
            # only what has changed in it is looked at.
            for other in {name for name, _ in vector.items() ^ before.vector.items()}:
                self._moved(shard, other, before.vector.get(other, 0), vector.get(other, 0))
        for other, after in self._told.pop(shard, {}).items():
            failed = vector.get(other, after) == after
            self._strikes[shard, other] = self._strikes.get((shard, other), 0) + 1 if failed else 0
        self._clean()

    def _join(self, position: Position) -> None:
        shard = position.shard
        if shard not in self._lines:
            line = self._lines[shard] = Line()
            for one in self._others(shard):
                line.known.add(one.vector.get(shard, 0))
        for other, line in self._lines.items():
            if other != shard:
                line.known.add(position.vector.get(other, 0))
        self._changed.update(self._lines)
        self._due[shard] = sorted(other for other in self._lines if self._is_due(shard, other))

    def _moved(self, shard: str, other: str, before: int, now: int) -> None:
        """Take in that a shard is elsewhere in what another one has seen."""
        line = self._lines.get(other)
        if line is not None and other != shard:
            line.known.add(now)
            line.known.remove(before)
            self._changed.add(other)
            self._look(shard, other)

    def _is_due(self, shard: str, other: str) -> bool:
        upto = self._lines[other].upto
        return other != shard and upto not in {None, self._positions[shard].vector.get(other)}

    def _look(self, shard: str, other: str) -> None:
        """Find out whether there is something of another one that a shard has not."""
        due = self._due[shard]
        at = bisect_left(due, other)
        listed = at < len(due) and due[at] == other
        if listed != self._is_due(shard, other):
            due[at : at + listed] = [] if listed else [other]

    def ask(self, shard: str) -> Ask:
        """Return what a shard that was heard of is to be asked for."""
        total = sum(self._rates.values())
        share = min(1.0, self._per_s / total) if total > 0.0 else 1.0
        line = self._lines[shard]
        # If nothing is kept of it: what the one who is furthest behind lacks.
        upto = line.known.value if line.upto is None else line.upto
        return Ask(upto, share, tuple(line.known.above(upto)))

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
            self._changed.add(shard)
        if shard in self._changed:
            for other in self._due:
                self._look(other, shard)
        self._rates[shard] = rate
        while line.size > self._backlog_bytes and len(line) > 1:
            line.drop_first()
            self._dropped += 1
        if ranking is not None:
            (self._merger if ranking.merged else self._averager).take(shard, ranking)

    def forget(self, shard: str) -> None:
        """Go on without a shard, which is gone for long or for good; its lessons stay."""
        position = self._positions.pop(shard, None)
        if position is not None:
            for other, line in self._lines.items():
                if other != shard:
                    line.known.remove(position.vector.get(other, 0))
            self._changed.update(self._lines)
            del self._due[shard]
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
        waiting = list[Iterator[Contribution]]()
        for other in self._due[shard]:
            pieces = self._following(position, other)
            if (first := next(pieces, None)) is not None:
                lessons.append(first)
                waiting.append(pieces)
            if len(lessons) == most:
                break
        # In turns, so that a busy shard does not keep the others waiting.
        while len(lessons) < most and waiting:
            turn = [(one, pieces) for pieces in waiting if (one := next(pieces, None)) is not None]
            lessons.extend(one for one, _ in turn)
            waiting = [pieces for _, pieces in turn]
        lessons = [self._learnable(shard, one, position) for one in lessons[:most]]
        gaps = [one for one in lessons if self._is_gap(one)]
        return Serving(lessons, self._lines[shard].known.value, gaps)

    def _following(self, position: Position, other: str) -> Iterator[Contribution]:
        """Yield the pieces of another shard that one is to be told, none if it needs a base."""
        line, at = self._lines[other], position.vector.get(other)
        if line.lacks(at) and self._goes_on(position):
            begin, at = at or 0, line.resumes(at)
            if at is None:
                # Its log lost its end: until it is there again, nothing follows.
                return
            if begin < at:
                yield Contribution(other, begin, at, b"")
        yield from line.after(at)

    def _goes_on(self, position: Position) -> bool:
        """Return whether a shard is to go on without what it lacks: any base would be a loss."""
        if position.untold:
            return True
        able = self._able(position.shard)
        return bool(able) and not any(_has_learned_all(one, position.shard) for one in able)

    def _is_gap(self, piece: Contribution) -> bool:
        return not piece.record and not self._lines[piece.shard].keeps(piece)

    def told(self, shard: str, lessons: Iterable[Contribution]) -> None:
        """Take in that a shard has what it was served in its log, and has tried to learn it."""
        told = self._told.setdefault(shard, {})
        for piece in lessons:
            told.setdefault(piece.shard, piece.after)
            if self._is_gap(piece):
                self._missed += 1
            else:
                self._skipped += not piece.record

    def _learnable(self, shard: str, piece: Contribution, position: Position) -> Contribution:
        """Return a piece, without its lessons if the shard failed to learn it again and again."""
        first = position.vector.get(piece.shard, piece.after) == piece.after
        if first and self._strikes.get((shard, piece.shard), 0) >= _TRIALS:
            return msgspec.structs.replace(piece, record=b"")
        return piece

    def needs_base(self, shard: str) -> str | None:
        """Return from whom a shard should get a base, ``None`` when it needs none."""
        if self._positions[shard].untold or not self._lacks(shard):
            return None
        donors = [
            (-sum(other.missed.values()), sum(other.vector.values()), other.shard)
            for other in self._able(shard)
            if _has_learned_all(other, shard)
        ]
        return max(donors)[-1] if donors else None

    def _able(self, shard: str) -> list[Position]:
        """Return the others that lack nothing that is to come."""
        return [one for one in self._others(shard) if not self._lacks(one.shard)]

    def _lacks(self, shard: str) -> bool:
        vector = self._positions[shard].vector
        return any(self._lines[other].lacks(vector.get(other)) for other in self._due[shard])

    @property
    def outlook(self) -> Outlook:
        """What is kept, and who is behind."""
        behind = {
            shard: sum(
                len(piece.record)
                for other in self._due[shard]
                for piece in self._lines[other].after(position.vector.get(other))
            )
            for shard, position in self._positions.items()
        }
        kept = {shard: line.size for shard, line in self._lines.items()}
        return Outlook(
            bytes_kept=kept,
            behind=behind,
            dropped=self._dropped,
            skipped=self._skipped,
            missed=self._missed,
        )

    def _others(self, shard: str) -> list[Position]:
        return [one for name, one in self._positions.items() if name != shard]

    def _clean(self) -> None:
        """Drop what all shards have."""
        for shard in self._changed:
            self._lines[shard].drop_known()
        self._changed.clear()


def _has_learned_all(position: Position, shard: str) -> bool:
    """Return whether somebody has all of a shard's lessons up to where its vector says."""
    return shard not in position.missed and "" not in position.missed
