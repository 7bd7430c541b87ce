"""A server in use while something is done to it, until all that was sent is acknowledged."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from random import Random
from time import perf_counter
from typing import Final, Generic, TypeVar

from benchmarks.books import Heard, hear
from benchmarks.people import PATIENCE, shard_of, visit, write
from benchmarks.sender import Sender
from benchmarks.server import SHARDS
from recsys.client import AsyncClient, Recommended

__all__ = ["Used", "use"]

_WRITERS_EACH: Final = 2
"""Per shard, whose people are all its own: the other shard's death does not hold them up."""
_PEOPLE: Final = 60
_WRITE_EVERY_S: Final = 0.2
_GUESTS: Final = ("early", "late")

T = TypeVar("T")
Deed = Callable[[Sender, Sequence[str]], Awaitable[T]]
"""What is done meanwhile; takes the senders' book and somebody of each shard."""


@dataclass(frozen=True)
class Used(Generic[T]):
    """What came of it.

    Attributes
    ----------
    outcome
        The deed's.
    seconds
        That it took.
    """

    outcome: T
    sender: Sender
    heard: Heard
    seconds: float


def _crowds(tag: str) -> list[list[str]]:
    """Return the people of each writer; as many writers for each shard."""
    crowds: list[list[str]] = [[] for _ in range(SHARDS * _WRITERS_EACH)]
    number = 0
    while min(map(len, crowds)) < _PEOPLE:
        name = f"{tag}victim-{number}"
        place = shard_of(name) * _WRITERS_EACH + number % _WRITERS_EACH
        if len(crowds[place]) < _PEOPLE:
            crowds[place].append(name)
        number += 1
    return crowds


async def use(
    url: str,
    items: Sequence[str],
    seed: int,
    deed: Deed[T],
    *,
    tag: str = "",
    seen: Callable[[Recommended], None] | None = None,
) -> Used[T]:
    """Let people write and visit until the deed is done, then ask what was learned of them.

    Parameters
    ----------
    items
        Ids, all in the catalogue.
    tag
        Begins the names of all people, so that nobody else has them.
    seen
        Is shown every list that a visitor got.
    """
    crowds = _crowds(tag)
    somebody = [crowds[shard * _WRITERS_EACH][0] for shard in range(SHARDS)]
    end = asyncio.Event()
    async with AsyncClient(url, retry=PATIENCE, connections=len(crowds)) as client:
        sender = Sender(client, [], 1)
        async with asyncio.TaskGroup() as group:
            for number, crowd in enumerate(crowds):
                rng = Random(f"{seed}-{number}")
                group.create_task(
                    write(sender, crowd, items, rng=rng, every_s=_WRITE_EVERY_S, end=end)
                )
            for guest in _GUESTS:
                group.create_task(visit(url, sender, f"{tag}{guest}", end, seen=seen))
            started_s = perf_counter()
            outcome = await deed(sender, somebody)
            seconds = perf_counter() - started_s
            end.set()
        heard = await hear(client, [event.user_id for event in sender.sent])
    return Used(outcome, sender, heard, seconds)
