"""What a shard knows of mixing: its own latest lessons, and up to where it has the others'.

Part of the state, so that it follows from the log and a snapshot keeps it: a contribution that got
lost is made again from it, the same.
"""

from collections.abc import Sequence
from typing import Final, TypeVar

import mmh3
import msgspec

from recsys.codec import pack, unpack
from recsys.mixing.lessons import Click, Like, Show, TasteSums

__all__ = ["Ledger", "drawn"]

LessonT = TypeVar("LessonT", Like, Show, Click)

_THINNED: Final = 0x7417


def drawn(sequence: int, share: float, seed: int) -> bool:
    """Return whether the lot falls on a lesson, with probability ``share``; the same each time."""
    if share >= 1.0:
        return True
    lot: int = mmh3.hash(sequence.to_bytes(8, "little"), seed, signed=False)
    return lot < share * 2**32


class _State(msgspec.Struct):
    shard: str
    vector: dict[str, int]
    tastes: dict[str, TasteSums]
    version: int
    released: int
    taken: int
    refused: int
    thinned: int
    level: int
    likes: list[Like]
    shows: list[Show]
    clicks: list[Click]
    parts: list[bytes]
    records: list[tuple[int, int]]
    missed: dict[str, int] = {}
    # Who wrote none of this cannot say that it has told all it knows, and keeps what it has.
    untold: bool | None = True


class Ledger:
    """Own lessons that not all others have yet, and what was taken of others.

    Parameters
    ----------
    bound
        Lessons kept of each kind. One more, and about half of them are dropped by lot, and of those
        that come after; the others count twice, so that sums stay right on average.
    keep_ms
        See ``mix.keep_s`` in ``config/default.yaml``.

    Attributes
    ----------
    shard
        Under which name the shard mixes, empty for one that does not.
    vector
        By other shard: up to which sequence of its log its lessons were learned.
    tastes
        By other shard: what its people's tastes added up to when it was last heard of.
    version
        How often the ranker was brought to the average.
    released
        Up to this sequence of its own log the others have its lessons, so that they were dropped.
    taken, refused, thinned
        Records of others that were learned; that did not follow what was known, so that they were
        not; own lessons that were dropped by lot.
    missed
        By other shard: spans of its log without whose lessons this one went on; by an empty name
        where it is not known whose they are.
    untold
        Whether it knows something of its own people that others were never told and never will be,
        because it was learned while the shard did not mix: then there is no other base than its
        own. ``None`` before it ever mixed.
    parts
        Of a base that is on its way.
    records
        Sequences and times of the events by which it learned of others, those of twice ``keep_ms``:
        what a snapshot contains need not stay in the log for longer than that.
    """

    def __init__(self, bound: int, keep_ms: float) -> None:
        self._bound = bound
        self._keep_ms = keep_ms
        self.clear()

    def clear(self) -> None:
        """Know nothing."""
        self.shard = ""
        self.vector: dict[str, int] = {}
        self.tastes: dict[str, TasteSums] = {}
        self.version = 0
        self.released = 0
        self.taken = 0
        self.refused = 0
        self.missed: dict[str, int] = {}
        self.thinned = 0
        self.untold: bool | None = None
        self._level = 0
        self.likes: list[Like] = []
        self.shows: list[Show] = []
        self.clicks: list[Click] = []
        self.parts: list[bytes] = []
        self.records: list[tuple[int, int]] = []

    @property
    def used(self) -> bool:
        """Whether there is anything to remember."""
        return self.untold is not None

    @property
    def waiting(self) -> int:
        """How many own lessons are kept."""
        return len(self.likes) + len(self.shows) + len(self.clicks)

    def begin(self, shard: str, sequence: int, *, learned: bool) -> None:
        """Write down lessons from now on, under a name.

        Who had another one was a copy of that shard: it knows what that one knew until now.

        Parameters
        ----------
        learned
            Whether anything was learned before.
        """
        if shard == self.shard:
            return
        self._first(learned=learned)
        if not shard:
            # What comes before it mixes again is told to nobody.
            self.untold = True
        if self.shard:
            self.vector[self.shard] = sequence - 1
        self.vector.pop(shard, None)
        self.shard = shard
        self.released = sequence
        self._level = 0
        self.likes, self.shows, self.clicks = [], [], []

    def _first(self, *, learned: bool) -> None:
        """Take in the first word of mixing in the log; what it knows by then, only it knows."""
        if self.untold is None:
            self.untold = learned

    def like(self, lesson: Like) -> None:
        """Write down a like."""
        self.likes = self._written(self.likes, lesson)

    def show(self, lesson: Show) -> None:
        """Write down what a list has shown."""
        self.shows = self._written(self.shows, lesson)

    def click(self, lesson: Click) -> None:
        """Write down a click on a list."""
        self.clicks = self._written(self.clicks, lesson)

    def _written(self, lessons: list[LessonT], lesson: LessonT) -> list[LessonT]:
        if self._level and (one := self._thin(lesson)) is not None:
            lessons.append(one)
        elif not self._level:
            lessons.append(lesson)
        while len(lessons) > self._bound:
            self._level += 1
            lessons = [one for each in lessons if (one := self._thin(each)) is not None]
        return lessons

    def _thin(self, lesson: LessonT) -> LessonT | None:
        """Return a lesson as it counts now, ``None`` for one on which the lot did not fall.

        Each has one lot, drawn again for ever smaller shares: all have had the same chance.
        """
        weight = float(2**self._level)
        if lesson.weight >= weight:
            return lesson
        if not drawn(lesson.sequence, 1.0 / weight, _THINNED):
            self.thinned += 1
            return None
        # Others may still hold it as it was.
        return msgspec.structs.replace(lesson, weight=weight)

    def release(self, sequence: int) -> None:
        """Drop own lessons that all others have."""
        if sequence <= self.released:
            return
        self.released = sequence
        self.likes = _after(self.likes, sequence)
        self.shows = _after(self.shows, sequence)
        self.clicks = _after(self.clicks, sequence)
        if max(len(self.likes), len(self.shows), len(self.clicks)) <= self._bound // 4:
            self._level = 0

    def lost_some(self, *, learned: bool) -> None:
        """Listen to each shard from wherever it begins: the log lacks some of what it said.

        Parameters
        ----------
        learned
            Whether anything was learned before.
        """
        self._first(learned=learned)
        self.miss("")
        self.vector.clear()

    def miss(self, shard: str) -> None:
        """Go on without some of what a shard has seen."""
        self.missed[shard] = self.missed.get(shard, 0) + 1

    def keep(self, sequence: int, ts_ms: int) -> None:
        """Note that an event of mixing is in the log."""
        self.records.append((sequence, ts_ms))
        oldest_ms = ts_ms - 2.0 * self._keep_ms
        if self.records[0][1] < oldest_ms:
            self.records = [one for one in self.records if one[1] >= oldest_ms]

    def contained(self, snapshot: int, now_ms: int) -> list[int]:
        """Return the sequences of events of mixing that need not stay in the log.

        Parameters
        ----------
        snapshot
            Sequence of the last snapshot.
        """
        return [
            sequence
            for sequence, ts_ms in self.records
            if sequence <= snapshot and now_ms - ts_ms >= self._keep_ms
        ]

    def erase(self, person: int) -> None:
        """Drop the lessons of a person that have not gone out yet."""
        self.likes = [one for one in self.likes if one.person != person]
        self.shows = [one for one in self.shows if one.person != person]
        self.clicks = [one for one in self.clicks if one.person != person]

    def snapshot(self) -> bytes:
        """Return everything as a record."""
        return pack(
            _State(
                self.shard,
                self.vector,
                self.tastes,
                self.version,
                self.released,
                self.taken,
                self.refused,
                self.thinned,
                self._level,
                self.likes,
                self.shows,
                self.clicks,
                self.parts,
                self.records,
                self.missed,
                self.untold,
            )
        )

    def restore(self, record: bytes) -> None:
        """Replace everything by what ``snapshot`` returned.

        Raises
        ------
        CorruptRecord
            When the record is damaged.
        """
        state = unpack(record, _State)
        self.shard, self.vector, self.tastes = state.shard, state.vector, state.tastes
        self.version, self.released = state.version, state.released
        self.taken, self.refused, self.thinned = state.taken, state.refused, state.thinned
        self._level = state.level
        self.likes, self.shows, self.clicks = state.likes, state.shows, state.clicks
        self.parts, self.records = state.parts, state.records
        self.missed, self.untold = state.missed, state.untold


def _after(lessons: Sequence[LessonT], sequence: int) -> list[LessonT]:
    return [one for one in lessons if one.sequence > sequence]
