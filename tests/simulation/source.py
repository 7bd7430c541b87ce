"""An outside log, as a broker keeps it: it delivers again, out of order, and drops what is old."""

import asyncio
import random
from typing import Final

from recsys.errors import StoreError
from recsys.events import Feedback
from tests.simulation.clients import deliver
from tests.simulation.history import History
from tests.simulation.link import Link
from tests.simulation.loop import Loop

__all__ = ["Source"]

_BACK: Final = 3
"""How many records are delivered once more."""
_AHEAD: Final = 5
"""How many are fetched at once, in any order."""


class Source:
    """A partition of an outside log, and who reads it.

    The reader starts where the store says that it stood, and again whenever an answer is missing.
    What the store has acknowledged, the log may drop.
    """

    def __init__(self, name: str, records: int, start_ms: int) -> None:
        self.name = name
        self.records = tuple(
            Feedback(
                event_id=f"{name}-{offset}",
                user_id=f"u{offset % 4}",
                ts_ms=start_ms + 40 * offset,
                type="click",
                item_id=f"i{offset * 5 % 14}",
            )
            for offset in range(records)
        )
        self.places = {
            record.event_id: (name, offset) for offset, record in enumerate(self.records)
        }
        self._oldest = 0

    async def feed(self, link: Link, history: History, chance: random.Random, loop: Loop) -> None:
        """Bring every record to the shard."""
        history.know_source(self.name, self.records)
        while True:
            await asyncio.sleep(chance.random() * 0.1)
            if link.life is None:
                continue
            try:
                position = link.life.store.positions().get(self.name, 0)
            except StoreError:
                continue
            if position == len(self.records):
                return
            start = max(self._oldest, position - chance.randint(0, _BACK))
            end = position + chance.randint(1, _AHEAD)
            fetched = list(self.records[start:end])
            chance.shuffle(fetched)
            if await deliver(link, history, chance, loop, tuple(fetched)):
                history.promise_position(self.name, start + len(fetched))
                if chance.random() < 0.3:
                    self._oldest = start + len(fetched)
