"""Work on several people at once, each where they are, wherever that is by then."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from actors.errors import NotOwned, Overloaded, RuntimeFault, ShardUnavailable
from actors.http.whereabouts import Patience, Whereabouts

__all__ = ["spread"]

T = TypeVar("T")

Send = Callable[[int, Sequence[int]], Awaitable[Sequence[T | NotOwned]]]


async def spread(
    whereabouts: Whereabouts, user_ids: Sequence[str], send: Send[T], timeout_s: float
) -> list[tuple[int, T | RuntimeFault]]:
    """Send each shard its people's part, all shards at once, until everybody was where they are.

    Parameters
    ----------
    user_ids
        Whom each part of the work is about, in its order; a shard gets its parts in this order.
    send
        Takes a shard and the indices of its parts and returns their results, of which some, or all,
        may be that somebody is not there; raises ``Overloaded`` or ``ShardUnavailable``, which is
        then the result of all of them.

    Returns
    -------
    Shard and result of each part.
    """
    patience = Patience(whereabouts, asyncio.get_running_loop().time() + timeout_s)
    answers = dict[int, tuple[int, T | RuntimeFault]]()
    waiting = list(range(len(user_ids)))
    while waiting:
        places = dict[int, list[int]]()
        for index in waiting:
            places.setdefault(whereabouts.map.owner(user_ids[index]), []).append(index)
        outcomes = await asyncio.gather(
            *(_send(whereabouts, send, shard, indices) for shard, indices in places.items())
        )
        refusal: NotOwned | None = None
        for (shard, indices), results in zip(places.items(), outcomes, strict=True):
            for index, result in zip(indices, results, strict=True):
                if isinstance(result, NotOwned):
                    refusal = result
                else:
                    answers[index] = shard, result
        waiting = [index for index in waiting if index not in answers]
        if refusal is not None:
            try:
                await patience.wait(refusal)
            except ShardUnavailable as error:
                answers.update((index, (refusal.shard, error)) for index in waiting)
                break
    return [answers[index] for index in range(len(user_ids))]


async def _send(
    whereabouts: Whereabouts, send: Send[T], shard: int, indices: Sequence[int]
) -> Sequence[T | RuntimeFault]:
    try:
        return await send(shard, indices)
    except ShardUnavailable as error:
        whereabouts.suspect()
        return [error] * len(indices)
    except (NotOwned, Overloaded) as error:
        return [error] * len(indices)
