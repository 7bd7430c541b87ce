"""What the events of mixing change; called by ``recsys.fold`` alone."""

from collections.abc import Iterator, Sequence
from itertools import chain

import numpy as np

from recsys.features.windows import CLICKED, EXPECTED, WindowCounts, crossed
from recsys.mixing.base import rebase
from recsys.mixing.events import Averaged, Mixed, MixEvent, Mixing, Rebased
from recsys.mixing.kernels import count, count_shows
from recsys.mixing.lessons import Click, Lessons, Like, Show, TasteSums
from recsys.mixing.tastes import less
from recsys.mixing.wire import open_lessons
from recsys.state import State
from recsys.users import User

__all__ = ["learn_lessons", "mixing"]


def mixing(state: State, event: MixEvent) -> Iterator[None]:
    """Take in what other shards have learned, once, in short steps.

    What does not follow what is known is not learned, and counted: it came twice, or too late, or
    something before it is missing.

    Raises
    ------
    CorruptRecord
        When a record is damaged; then nothing has changed.
    """
    ledger = state.ledger
    if not isinstance(event, Mixing):
        # That one stays in the log: a fold from its start must know since when it was told from.
        ledger.keep(state.counters.sequence, event.ts_ms)
    match event:
        case Mixing():
            ledger.begin(event.shard, state.counters.sequence, learned=state.counts.used)
            ledger.release(min(event.released, state.counters.sequence))
        case Mixed():
            yield from _mixed(state, event)
        case Averaged():
            _averaged(state, event)
        case Rebased():
            yield from _rebased(state, event)


def _mixed(state: State, event: Mixed) -> Iterator[None]:
    ledger = state.ledger
    ledger.release(min(event.released, state.counters.sequence))
    # Who was never heard of is listened to from wherever they begin.
    follows = ledger.vector.get(event.shard, event.after) == event.after
    if event.shard == ledger.shard or not ledger.shard or not follows:
        ledger.refused += 1
        return
    lessons = open_lessons(event.record) if event.record else None
    ledger.vector[event.shard] = event.upto
    if lessons is None:
        ledger.miss(event.shard)
        return
    ledger.taken += 1
    yield from learn_lessons(state, lessons)
    known = ledger.tastes.get(event.shard, TasteSums())
    state.personal_bandit.priors.add(less(lessons.tastes, known))
    ledger.tastes[event.shard] = lessons.tastes


def _averaged(state: State, event: Averaged) -> None:
    ledger, learner = state.ledger, state.learner
    if event.version != ledger.version + 1:
        ledger.refused += 1
        return
    learner.shift(event.record)
    ledger.version = event.version
    if learner.merged:
        # A model that took the place of this one's lacks what came since it was reported.
        for example in state.examples.latest(max(state.counters.examples - event.examples, 0)):
            learner.learn(example)


def _rebased(state: State, event: Rebased) -> Iterator[None]:
    ledger = state.ledger
    if event.number == 0:
        ledger.parts = []
    # What nobody else was told is in no base, which would take its place.
    fits = ledger.shard and event.shard != ledger.shard and not ledger.untold
    if not fits or event.number != len(ledger.parts):
        ledger.refused += 1
        return
    ledger.parts.append(event.record)
    if not event.last:
        return
    record, ledger.parts = b"".join(ledger.parts), []
    yield from learn_lessons(state, rebase(state, event.shard, record))


def learn_lessons(state: State, lessons: Lessons) -> Iterator[None]:
    """Learn what other people did with items, as if they were here, save what is their own.

    A step is a like, which takes some 80 us; the last one all that is only counted.
    """
    catalogue = state.catalogue
    first_ms = min((one.ts_ms for one in lessons.likes), default=0)
    # What somebody liked enters the catalogue; to be shown is not enough.
    named = {place for one in lessons.likes for place in (one.item, *one.items)}
    items = [
        catalogue.mention(item_id, first_ms) if place in named else catalogue.index(item_id)
        for place, item_id in enumerate(lessons.ids)
    ]
    state.grow()
    for like in lessons.likes:
        _like(state, like, items)
        yield
    _show(state, lessons.shows, items)
    tally = _Clicks(state)
    for click in lessons.clicks:
        tally.click(click, items)
    tally.write()


def _show(state: State, shows: Sequence[Show], items: Sequence[int | None]) -> None:
    places = np.array([-1 if item is None else item for item in items], np.int32)
    shown = np.fromiter(chain.from_iterable(one.items for one in shows), np.intp)
    counts = state.counts
    counts.total_shown = count_shows(
        state.features.held,
        counts.total_shown,
        places[shown],
        np.array([len(one.items) for one in shows], np.int64),
        np.array([one.ts_ms for one in shows], np.int64),
        np.array([one.weight for one in shows], np.float64),
    )


def _like(state: State, like: Like, items: Sequence[int | None]) -> None:
    item = items[like.item]
    if item is None:
        return
    past, times_ms = list[int](), list[int]()
    for place, at in zip(like.items, like.times_ms, strict=True):
        known = items[place]
        if known is not None:
            past.append(known)
            times_ms.append(at)
    if like.depth >= 0:
        state.counts.like(item, like.weight)
        pause_ms = like.ts_ms - times_ms[-1] if times_ms else None
        state.habits.like(item, pause_ms, like.depth, like.ts_ms)
    user = User(user_id="", items=np.array(past, np.int32), times_ms=np.array(times_ms, np.int64))
    for source in state.sources:
        source.mix(user, item, like.ts_ms, like.strength, like.weight)


class _Column:
    """What is to be counted in some windows."""

    def __init__(self, windows: WindowCounts) -> None:
        self._windows = windows
        self._rows: list[tuple[int, int, int, float]] = []

    def add(self, key: int, kind: int, ts_ms: int, amount: float) -> None:
        self._rows.append((key, kind, ts_ms, amount))

    def write(self) -> None:
        if not self._rows:
            return
        keys, kinds, times_ms, amounts = zip(*self._rows, strict=True)
        windows = self._windows
        count(
            windows.counts,
            windows.last_ms,
            windows.half_lives_ms,
            np.array(keys, np.int64),
            np.array(kinds, np.int64),
            np.array(times_ms, np.int64),
            np.array(amounts, np.float64),
        )


class _Clicks:
    """Clicks on their way into the counts; see ``recsys.features.table``."""

    def __init__(self, state: State) -> None:
        self._counts = state.counts
        self._catalogue = state.catalogue
        self._items, self._attributes, self._crossings = map(_Column, state.windows)
        self._n_crossings = state.windows.crossings.n_keys

    def click(self, click: Click, items: Sequence[int | None]) -> None:
        item = items[click.item]
        if item is not None:
            self._counts.click(item, click.weight)
            self._count(item, CLICKED, click.ts_ms, click.weight, click.tokens)
        for place, share in zip(click.items, click.shares, strict=True):
            other = items[place]
            if other is not None:
                self._count(other, EXPECTED, click.ts_ms, share * click.weight, click.tokens)

    def _count(
        self, item: int, kind: int, ts_ms: int, amount: float, tokens: Sequence[int]
    ) -> None:
        self._items.add(item, kind, ts_ms, amount)
        for token in self._catalogue[item].tokens:
            self._attributes.add(token, kind, ts_ms, amount)
        for token in tokens:
            self._crossings.add(crossed(item, token, self._n_crossings), kind, ts_ms, amount)

    def write(self) -> None:
        for column in (self._items, self._attributes, self._crossings):
            column.write()
