"""What a shard has seen in some of its log, taken out of its ledger and told by ids.

Taking it costs the shard two searches and a copy of references; telling it by ids and packing it
may happen on any other thread, for nothing in it changes any more.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, TypeVar

import msgspec
import numpy as np

from recsys.catalogue import Catalogue
from recsys.mixing.ledger import drawn
from recsys.mixing.lessons import Click, Lessons, Like, Show, TasteSums
from recsys.mixing.tastes import own_tastes
from recsys.mixing.wire import seal_lessons
from recsys.state import State

__all__ = ["Contribution", "Cut", "cut", "lessons_of"]

LessonT = TypeVar("LessonT", Like, Show, Click)
_LOT: Final = 0x3117
_LIST_COSTS: Final = 0.25
"""What a list or a click on one costs who learns it, in likes."""


class Contribution(msgspec.Struct, frozen=True):
    """Lessons of a shard, sealed: those of the sequences ``(after, upto]`` of its log."""

    shard: str
    after: int
    upto: int
    record: bytes


class Cut:
    """Lessons of a shard, not packed yet.

    Attributes
    ----------
    shard, after, upto
        See ``Contribution``.
    """

    def __init__(
        self,
        span: tuple[str, int, int],
        lessons: tuple[list[Like], list[Show], list[Click]],
        tastes: TasteSums,
        catalogue: Catalogue,
        history: int,
    ) -> None:
        self.shard, self.after, self.upto = span
        self._likes, self._shows, self._clicks = lessons
        self._tastes = tastes
        self._catalogue = catalogue
        self._history = history

    def __len__(self) -> int:
        """Return how many lessons there are."""
        return len(self._likes) + len(self._shows) + len(self._clicks)

    def seal(
        self, size: int, share: float = 1.0, stops: Iterable[int] = ()
    ) -> Iterator[Contribution]:
        """Yield the lessons in pieces that follow each other; nothing if there are none.

        Parameters
        ----------
        size
            Likes, and what costs as much, of a piece; one event may bring more.
        share
            Of the lessons; the others are left out by lot, and those that stay count for them.
        stops
            Sequences at which somebody may be, so that a piece must end there.
        """
        after = self.after
        ends = self._ends(size)
        if ends:
            between = [stop for stop in stops if self.after < stop < self.upto]
            ends = sorted({*ends[:-1], *between, self.upto})
        for upto in ends:
            told = _Told(self._catalogue)
            lessons = Lessons(
                told.ids,
                [told.like(one) for one in _drawn(_between(self._likes, after, upto), share)],
                [told.show(one) for one in _drawn(_between(self._shows, after, upto), share)],
                [told.click(one) for one in _drawn(_between(self._clicks, after, upto), share)],
                self._tastes,
            )
            yield Contribution(self.shard, after, upto, seal_lessons(lessons, self._history))
            after = upto

    def _ends(self, size: int) -> list[int]:
        """Return the last sequence of each piece."""
        likes = [(one.sequence, 1.0) for one in self._likes]
        lists = [(one.sequence, _LIST_COSTS) for one in self._shows]
        lists += [(one.sequence, _LIST_COSTS) for one in self._clicks]
        if not likes and not lists:
            return []
        rows = np.array(sorted([*likes, *lists]))
        number = np.floor((np.cumsum(rows[:, 1]) - 1e-9) / size)
        last = np.flatnonzero(np.diff(number, append=np.inf))
        return [int(sequence) for sequence in np.unique(rows[last, 0])]


def cut(state: State, after: int) -> Cut | None:
    """Return what a shard has seen since a sequence of its log; changes nothing.

    ``None`` for a shard that does not mix. What it has dropped already, because all others had it,
    is not part of it: the cut then begins later than it was asked to.
    """
    ledger = state.ledger
    if not ledger.shard:
        return None
    after, upto = max(after, ledger.released), state.counters.sequence
    lessons = (
        _between(ledger.likes, after, upto),
        _between(ledger.shows, after, upto),
        _between(ledger.clicks, after, upto),
    )
    return Cut(
        (ledger.shard, after, upto), lessons, own_tastes(state), state.catalogue, state.remembered
    )


def lessons_of(state: State, after: int, upto: int) -> Lessons:
    """Return a shard's own lessons of some sequences, told by ids."""
    told, ledger = _Told(state.catalogue), state.ledger
    return Lessons(
        told.ids,
        [told.like(one) for one in _between(ledger.likes, after, upto)],
        [told.show(one) for one in _between(ledger.shows, after, upto)],
        [told.click(one) for one in _between(ledger.clicks, after, upto)],
        TasteSums(),
    )


def _between(lessons: Sequence[LessonT], after: int, upto: int) -> list[LessonT]:
    return [one for one in lessons if after < one.sequence <= upto]


def _drawn(lessons: list[LessonT], share: float) -> list[LessonT]:
    if share >= 1.0:
        return lessons
    return [
        msgspec.structs.replace(one, weight=one.weight / share)
        for one in lessons
        if drawn(one.sequence, share, _LOT)
    ]


class _Told:
    """Gives items their places in a list of ids."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._places: dict[int, int] = {}
        self.ids: list[str] = []

    def _place(self, item: int) -> int:
        place = self._places.get(item)
        if place is None:
            place = self._places[item] = len(self.ids)
            self.ids.append(self._catalogue[item].item_id)
        return place

    def _all(self, items: Sequence[int]) -> tuple[int, ...]:
        return tuple([self._place(item) for item in items])

    def like(self, one: Like) -> Like:
        items, item = self._all(one.items), self._place(one.item)
        return msgspec.structs.replace(one, items=items, item=item)

    def show(self, one: Show) -> Show:
        return msgspec.structs.replace(one, items=self._all(one.items))

    def click(self, one: Click) -> Click:
        items, item = self._all(one.items), self._place(one.item)
        return msgspec.structs.replace(one, items=items, item=item)
