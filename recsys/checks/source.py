"""What every candidate source must keep to, as named checks that a test runs one by one.

::

    @pytest.mark.parametrize("check", list(source_checks()), ids=lambda check: check.name)
    def test_conforms(check):
        check.run(lambda world: MySource(settings, world.catalogue))

A source with a bound of its own on what it remembers is to be made with a small one: the check of
bounded memory teaches it a thousand likes.
"""

from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys.candidates.base import Asker, Source
from recsys.candidates.pool import Pool
from recsys.checks.world import NOW_MS, World, expect, make_world
from recsys.codec import pack
from recsys.errors import CorruptRecord
from recsys.users import User

__all__ = ["MakeSource", "SourceCheck", "source_checks"]

MakeSource = Callable[[World], Source]
"""Makes a new source that knows the world's catalogue and counts but has learned nothing."""

_MOMENTS = (0, NOW_MS, 250_000_000_000_000)
"""Long before all that was learned, just after it, and nearly eight thousand years later."""


class SourceCheck(NamedTuple):
    """One check.

    Attributes
    ----------
    name
        What is expected, in words.
    run
        Raises ``CheckFailed`` where the source breaks it.
    """

    name: str
    run: Callable[[MakeSource], None]


def source_checks() -> Iterator[SourceCheck]:
    """Yield every check, in a fixed order."""
    yield SourceCheck("answers before it has learned anything", _untaught)
    yield SourceCheck("a weight, and seats if any, for each of its columns", _columns)
    yield SourceCheck("scores are finite and not negative, whenever asked", _range)
    yield SourceCheck("knows a stranger without falling over", _stranger)
    yield SourceCheck("proposes items of the catalogue, each once", _proposes)
    yield SourceCheck("scores what others proposed as it would its own", _given)
    yield SourceCheck("writes its columns of the pool's items and nothing else", _elsewhere)
    yield SourceCheck("a cleared pool is as new", _clears)
    yield SourceCheck("asking changes neither state nor answer", _pure)
    yield SourceCheck("same likes, same bytes", _deterministic)
    yield SourceCheck("a snapshot goes on as if nothing had happened", _resumes)
    yield SourceCheck("a snapshot is not touched by later learning", _immutable)
    yield SourceCheck("a damaged snapshot is refused", _refuses)
    yield SourceCheck("grows with the catalogue", _grows)
    yield SourceCheck("memory stays bounded under repetition", _bounded)


def _taught(make: MakeSource) -> tuple[Source, World]:
    world = make_world()
    source = make(world)
    source.grow(len(world.catalogue))
    _teach(source, world)
    return source, world


def _teach(source: Source, world: World) -> None:
    for user, item, ts_ms in world.likes:
        source.learn(user, item, ts_ms, 1.0)
        user.like(item, ts_ms, 50)


def _ask(
    source: Source,
    world: World,
    user: User,
    ts_ms: int = NOW_MS,
    given: NDArray[np.int32] | None = None,
) -> Pool:
    """Return a new pool, filled by the source alone."""
    pool = Pool(source.columns)
    pool.grow(len(world.catalogue))
    if given is not None:
        pool.add(given)
    asker = Asker.at(user, ts_ms, world.catalogue.alive)
    source.propose(asker, pool, 0)
    source.score(asker, pool, 0)
    return pool


def _everything(world: World) -> NDArray[np.int32]:
    return np.arange(len(world.catalogue), dtype=np.int32)


def _untaught(make: MakeSource) -> None:
    world = make_world()
    source = make(world)
    source.grow(0)
    source.propose(Asker.at(world.users[0], 0, world.catalogue.alive), Pool(source.columns), 0)
    source.grow(len(world.catalogue))
    pool = _ask(source, world, world.users[0], given=_everything(world))
    expect(bool(np.isfinite(pool.scores).all()), "a score is not finite")


def _columns(make: MakeSource) -> None:
    source = make(make_world())
    expect(len(source.columns) > 0, "no column")
    expect(len(set(source.columns)) == len(source.columns), f"twice the same in {source.columns}")
    expect(len(source.weights) == len(source.columns), f"weights {source.weights}")
    expect(all(weight >= 0.0 for weight in source.weights), f"negative weight: {source.weights}")
    expect(len(source.seats) in {0, len(source.columns)}, f"seats {source.seats}")
    expect(all(seats >= 0 for seats in source.seats), f"negative seats: {source.seats}")


def _range(make: MakeSource) -> None:
    source, world = _taught(make)
    for user in world.users:
        for ts_ms in _MOMENTS:
            scores = _ask(source, world, user, ts_ms, _everything(world)).scores
            expect(bool(np.isfinite(scores).all()), f"a score is not finite at {ts_ms}")
            expect(bool((scores >= 0.0).all()), f"a score is negative at {ts_ms}")


def _stranger(make: MakeSource) -> None:
    source, world = _taught(make)
    pool = _ask(source, world, User(user_id="stranger"), given=_everything(world))
    expect(pool.count == len(world.catalogue), f"{pool.count} items in the pool")
    expect(bool(np.isfinite(pool.scores).all()), "a score is not finite")


def _proposes(make: MakeSource) -> None:
    source, world = _taught(make)
    proposed = 0
    for user in world.users:
        items = _ask(source, world, user).items
        expect(len(set(items.tolist())) == len(items), "an item was proposed twice")
        expect(bool(((items >= 0) & (items < len(world.catalogue))).all()), "no such item")
        proposed += len(items)
    expect(proposed > 0, "nobody was proposed anything")


def _given(make: MakeSource) -> None:
    source, world = _taught(make)
    n_items = len(world.catalogue)
    for user in world.users:
        alone = _ask(source, world, user)
        among = _ask(source, world, user, given=_everything(world))
        expect(among.count == len(world.catalogue), f"{among.count} items in the pool")
        own = alone.items
        expect(
            np.array_equal(alone.table(n_items)[own], among.table(n_items)[own]),
            "what it proposed itself has other scores beside what others proposed",
        )


def _elsewhere(make: MakeSource) -> None:
    source, world = _taught(make)
    width = len(source.columns)
    for user in world.users:
        pool = Pool(("before", *source.columns, "after"))
        pool.grow(len(world.catalogue))
        pool.add(_everything(world)[::5])
        asker = Asker.at(user, NOW_MS, world.catalogue.alive)
        source.propose(asker, pool, 1)
        source.score(asker, pool, 1)
        count = np.arange(pool.count)
        expect(np.array_equal(pool.place_of[pool.items], count), "the pool lost its way")
        outside = np.setdiff1d(_everything(world), pool.items)
        expect(bool((pool.place_of[outside] < 0).all()), "the pool thinks it holds what it lacks")
        expect(not pool.scores[:, pool.count :].any(), "an item out of the pool has a score")
        expect(not pool.scores[[0, width + 1]].any(), "another source's column was written")


def _clears(make: MakeSource) -> None:
    source, world = _taught(make)
    for user in world.users:
        pool = _ask(source, world, user, given=_everything(world)[::3])
        pool.clear()
        expect(pool.count == 0, "items are left")
        expect(not pool.scores.any(), "scores are left")
        expect(bool((pool.place_of < 0).all()), "items are thought to be there")


def _pure(make: MakeSource) -> None:
    source, world = _taught(make)
    before = source.snapshot()
    people = [pack(user) for user in world.users]
    first = _ask(source, world, world.users[0])
    for user in (*world.users, User(user_id="stranger")):
        for ts_ms in _MOMENTS:
            _ask(source, world, user, ts_ms, _everything(world))
    expect(source.snapshot() == before, "asking changed the state")
    expect([pack(user) for user in world.users] == people, "asking changed a person")
    again = _ask(source, world, world.users[0])
    expect(np.array_equal(first.items, again.items), "asking changed the proposals")
    expect(np.array_equal(first.scores, again.scores), "asking changed the scores")


def _deterministic(make: MakeSource) -> None:
    one, _ = _taught(make)
    other, _ = _taught(make)
    expect(one.snapshot() == other.snapshot(), "the same likes gave other bytes")


def _resumes(make: MakeSource) -> None:
    one, world = _taught(make)
    other = make(world)
    other.restore(one.snapshot())
    other.grow(len(world.catalogue))
    user, item, ts_ms = world.likes[-1]
    # What a source notes in a person is as of its own lessons.
    for source, person in ((one, user), (other, deepcopy(user))):
        for step in range(1, 20):
            liked = (item + step) % len(world.catalogue)
            source.learn(person, liked, ts_ms + 1000 * step, 0.5)
            person.like(liked, ts_ms + 1000 * step, 50)
    expect(one.snapshot() == other.snapshot(), "the restored source went another way")
    for person in world.users:
        pools = [_ask(source, world, person, given=_everything(world)) for source in (one, other)]
        expect(np.array_equal(pools[0].items, pools[1].items), "it proposes other items")
        expect(np.array_equal(pools[0].scores, pools[1].scores), "it gives other scores")


def _immutable(make: MakeSource) -> None:
    source, world = _taught(make)
    record = source.snapshot()
    copy = bytes(record)
    _teach(source, world)
    expect(record == copy, "a snapshot changed after it was taken")


def _refuses(make: MakeSource) -> None:
    source, world = _taught(make)
    record = bytearray(source.snapshot())
    record[-1] ^= 1
    try:
        make(world).restore(bytes(record))
    except CorruptRecord:
        return
    expect(False, "a damaged snapshot was taken")


def _grows(make: MakeSource) -> None:
    source, world = _taught(make)
    for number in range(100):
        item = world.catalogue.upsert(f"late-{number}", NOW_MS, {"genre": ["crime"]})
        expect(item is not None, "the world is full")
    world.counts.grow(len(world.catalogue))
    source.grow(len(world.catalogue))
    source.learn(world.users[0], len(world.catalogue) - 1, NOW_MS, 1.0)
    pool = _ask(source, world, world.users[1], given=_everything(world))
    expect(pool.count == len(world.catalogue), f"{pool.count} items in the pool")
    expect(bool(np.isfinite(pool.scores).all()), "a score is not finite")


def _bounded(make: MakeSource) -> None:
    source, world = _taught(make)
    for _ in range(3):
        _teach(source, world)
    size = len(source.snapshot())
    for _ in range(10):
        _teach(source, world)
    expect(len(source.snapshot()) <= 1.1 * size, "state grows under the same likes")
