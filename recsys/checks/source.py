"""What every candidate source must keep to, as named checks that a test runs one by one.

::

    @pytest.mark.parametrize("check", list(source_checks()), ids=lambda check: check.name)
    def test_conforms(check):
        check.run(lambda world: MySource(settings, world.catalogue))
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from recsys.candidates.base import Source
from recsys.checks.world import World, expect, make_world
from recsys.errors import CorruptRecord
from recsys.users import User

__all__ = ["MakeSource", "SourceCheck", "source_checks"]

MakeSource = Callable[[World], Source]
"""Makes a new source that knows the world's catalogue and counts but has learned nothing."""


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
    yield SourceCheck("scores every item, finite and not negative", _range)
    yield SourceCheck("knows a stranger without falling over", _stranger)
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


def _untaught(make: MakeSource) -> None:
    world = make_world()
    source = make(world)
    source.grow(0)
    expect(len(source.scores(world.users[0], 0)) in {0, len(world.catalogue)}, "wrong length")
    source.grow(len(world.catalogue))
    scores = source.scores(world.users[0], 0)
    expect(scores.shape == (len(world.catalogue),), f"wrong shape {scores.shape}")


def _range(make: MakeSource) -> None:
    source, world = _taught(make)
    for user in world.users:
        scores = source.scores(user, 10_000_000)
        expect(scores.shape == (len(world.catalogue),), f"wrong shape {scores.shape}")
        expect(scores.dtype == np.float32, f"wrong type {scores.dtype}")
        expect(bool(np.isfinite(scores).all()), "a score is not finite")
        expect(bool((scores >= 0.0).all()), "a score is negative")


def _stranger(make: MakeSource) -> None:
    source, world = _taught(make)
    scores = source.scores(User(user_id="stranger"), 10_000_000)
    expect(scores.shape == (len(world.catalogue),), f"wrong shape {scores.shape}")


def _pure(make: MakeSource) -> None:
    source, world = _taught(make)
    before = source.snapshot()
    first = source.scores(world.users[0], 10_000_000).copy()
    for user in (*world.users, User(user_id="stranger")):
        source.scores(user, 20_000_000)
    expect(source.snapshot() == before, "asking changed the state")
    again = source.scores(world.users[0], 10_000_000)
    expect(np.array_equal(first, again), "asking changed the answer")


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
    for step in range(1, 20):
        for source in (one, other):
            source.learn(user, (item + step) % len(world.catalogue), ts_ms + 1000 * step, 0.5)
    expect(one.snapshot() == other.snapshot(), "the restored source went another way")


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
    item = world.catalogue.upsert("late-item", 99_000_000, {"genre": ["crime"]})
    expect(item is not None, "the world is full")
    world.counts.grow(len(world.catalogue))
    source.grow(len(world.catalogue))
    source.learn(world.users[0], len(world.catalogue) - 1, 99_000_000, 1.0)
    scores = source.scores(world.users[1], 99_000_000)
    expect(scores.shape == (len(world.catalogue),), f"wrong shape {scores.shape}")


def _bounded(make: MakeSource) -> None:
    source, world = _taught(make)
    for _ in range(3):
        _teach(source, world)
    size = len(source.snapshot())
    for _ in range(10):
        _teach(source, world)
    expect(len(source.snapshot()) <= 1.1 * size, "state grows under the same likes")
