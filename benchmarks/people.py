"""People who use a server without a pause, whatever happens to it, until they are told to stop."""

import asyncio
from collections.abc import Callable, Sequence
from random import Random
from typing import Final

from actors.settings import ShardSettings
from benchmarks.sender import Sender
from benchmarks.server import SHARDS
from recsys.client import AsyncClient, NewFeedback, Recommended, Retry
from recsys.errors import ApiError, Unreachable
from recsys.partition import partition_of

__all__ = ["PATIENCE", "first_list", "shard_of", "visit", "write"]

PATIENCE: Final = Retry(attempts=200, first_s=0.05, longest_s=1.0)
"""Longer than any fault lasts."""

_ASK_EVERY_S: Final = 0.02
_ASK_TIMEOUT_S: Final = 2.0
_VISIT_EVERY_S: Final = 0.02
_VISITORS: Final = 50
_BATCH: Final = 5
_ACTS: Final = {"click": 12, "view": 5, "purchase": 2, "dislike": 1}
"""What people do with what they find by themselves, and how often."""


def shard_of(user_id: str) -> int:
    """Return the shard whose user this is."""
    return partition_of(user_id, ShardSettings().partitions) % SHARDS


async def first_list(url: str, user_id: str) -> Recommended:
    """Ask for a list every few hundredths of a second until there is one."""
    async with AsyncClient(url, retry=Retry(attempts=1), timeout_s=_ASK_TIMEOUT_S) as client:
        while True:
            try:
                return await client.recommend(user_id)
            except (ApiError, Unreachable):
                await asyncio.sleep(_ASK_EVERY_S)


async def visit(
    url: str,
    sender: Sender,
    name: str,
    end: asyncio.Event,
    *,
    seen: Callable[[Recommended], None] | None = None,
) -> None:
    """Ask for lists and click on them until the end, some people in turn.

    Parameters
    ----------
    seen
        Is shown every list.
    """
    rng = Random(name)
    visits = 0
    async with AsyncClient(url, retry=PATIENCE) as client:
        while not end.is_set():
            visits += 1
            user_id = f"{name}-{visits % _VISITORS}"
            shown = await client.recommend(user_id)
            if seen is not None:
                seen(shown)
            click = NewFeedback(
                type="click",
                user_id=user_id,
                item_id=rng.choice(shown.items).item_id,
                event_id=f"{name}-visit-{visits}",
                decision_id=shown.decision_id,
            )
            await sender.deliver([click])
            await asyncio.sleep(_VISIT_EVERY_S)


async def write(
    sender: Sender,
    people: Sequence[str],
    items: Sequence[str],
    *,
    rng: Random,
    every_s: float,
    end: asyncio.Event,
) -> None:
    """Send what some people do by themselves, batch after batch, until the end.

    Parameters
    ----------
    people
        Of nobody else's, so that the order of each is known.
    items
        Ids; the first ones come most often.
    every_s
        Pause after each batch.
    """
    weights = [1.0 / (place + 1.0) for place in range(len(items))]
    number = 0
    while not end.is_set():
        which = rng.choices(items, weights, k=_BATCH)
        acts = rng.choices(list(_ACTS), list(_ACTS.values()), k=_BATCH)
        batch = []
        for item_id, act in zip(which, acts, strict=True):
            number += 1
            batch.append(
                NewFeedback(
                    type=act,
                    user_id=rng.choice(people),
                    item_id=item_id,
                    event_id=f"{people[0]}-act-{number}",
                )
            )
        await sender.deliver(batch)
        await asyncio.sleep(every_s)
