"""Some people click on new items at once, and others watch until their lists show it.

Ten new items are ranked by popularity for the watchers. The five that stand last are clicked by all
clickers in one request; from its acknowledgement on each watcher asks again until those five stand
first. By chance one order of 252 would show that.
"""

import asyncio
from collections.abc import Sequence
from time import perf_counter
from typing import Final

import msgspec

from benchmarks.connection import Address, Connection, do
from recsys.client import Item, NewFeedback, Recommended
from recsys.client.calls import put_items, rank, send_events

__all__ = ["ARM", "Burst", "burst"]

ARM: Final = "popularity"
_ITEMS: Final = 10
_POLL_S: Final = 0.02


class Burst(msgspec.Struct, frozen=True):
    """One burst of clicks.

    Attributes
    ----------
    seen_ms
        From its acknowledgement, of each watcher who saw it in time.
    """

    watchers: int
    seen_ms: list[float]

    @property
    def all_saw(self) -> bool:
        """Whether every watcher did."""
        return len(self.seen_ms) == self.watchers


async def burst(
    url: str, clickers: Sequence[str], watchers: Sequence[str], *, tag: str, wait_s: float
) -> Burst:
    """Let new items be clicked by some and watched by others.

    Parameters
    ----------
    clickers
        Nobody for a control.
    tag
        Begins the ids of the items, which must be new.
    wait_s
        For so long from the acknowledgement.

    Raises
    ------
    RuntimeError
        When the clicks were not accepted.
    """
    lines = [await Connection.to(Address.of(url)) for _ in watchers]
    items = [f"{tag}-{number}" for number in range(_ITEMS)]
    await do(lines[0], url, put_items([Item(item, {}) for item in items]))
    asked = [rank(watcher, items, n=_ITEMS, context={}, arm=ARM) for watcher in watchers]
    places = dict.fromkeys(items, 0)
    for line, call in zip(lines, asked, strict=True):
        for place, item in enumerate(_ids(await do(line, url, call))):
            places[item] += place
    last = set(sorted(items, key=lambda item: -places[item])[: _ITEMS // 2])
    clicks = [
        NewFeedback(type="click", user_id=clicker, item_id=item)
        for clicker in clickers
        for item in sorted(last)
    ]
    if clicks and (await do(lines[0], url, send_events(clicks))).accepted != len(clicks):
        raise RuntimeError("a burst of clicks was not accepted")
    acked_s = perf_counter()
    seen_ms = list[float]()

    async def look(place: int) -> None:
        while perf_counter() < acked_s + wait_s:
            shown = _ids(await do(lines[place], url, asked[place]))
            if set(shown[: len(last)]) == last:
                seen_ms.append((perf_counter() - acked_s) * 1000.0)
                return
            await asyncio.sleep(_POLL_S)

    async with asyncio.TaskGroup() as group:
        for place in range(len(lines)):
            group.create_task(look(place))
    for line in lines:
        line.close()
    return Burst(len(watchers), seen_ms)


def _ids(shown: Recommended) -> list[str]:
    return [item.item_id for item in shown.items]
