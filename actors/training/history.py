"""What each shard is to learn of a history, in the order of its log, as batches on the wire."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from typing import Final

import msgspec

from actors.shard_map import ShardMap
from recsys.datasets import Interaction, feedback_of, with_items
from recsys.events import Attributes, Event, ItemUpsert
from recsys.mixing.cut import Contribution

__all__ = ["Heard", "History", "Lessons", "Tell", "decode_batch", "decode_work"]

_BATCH: Final = 4000
"""Events in one commit. Larger ones cost less per event, but Ctrl-C waits for two of them."""

_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[list[Event]] = msgspec.msgpack.Decoder(list[Event])


class Heard(msgspec.Struct, frozen=True, tag="heard"):
    """What people of another shard have done, see ``recsys.mixing``."""

    pieces: tuple[Contribution, ...]


class Tell(msgspec.Struct, frozen=True, tag="tell"):
    """Asks for what a shard's people have done since a sequence of its log.

    Attributes
    ----------
    stops
        Where others are; see ``recsys.mixing.cut.Cut.seal``.
    """

    after: int
    stops: tuple[int, ...] = ()


Work = list[Event] | Heard | Tell

_work: msgspec.msgpack.Decoder[Work] = msgspec.msgpack.Decoder(Work)


@dataclass(frozen=True)
class History:
    """What was read.

    Attributes
    ----------
    interactions
        Sorted by time.
    source
        Stands for their file, in the ids of the events.
    click_at
        Ratings from here on are clicks.
    items
        Attributes by item.
    items_source
        Stands for the file of the items.
    """

    interactions: Sequence[Interaction]
    source: str
    click_at: float
    items: Mapping[str, Attributes] = field(default_factory=dict)
    items_source: str = ""

    @cached_property
    def users(self) -> frozenset[str]:
        """Who did something."""
        return frozenset(one.user for one in self.interactions)

    @cached_property
    def touched(self) -> frozenset[str]:
        """The items with which somebody did something."""
        return frozenset(one.item for one in self.interactions)

    def divide(self, shard_map: ShardMap, shards: int) -> list["Lessons"]:
        """Give each shard the feedback of its users, and all of them all items."""
        owners = {user: shard_map.owner(user) for user in self.users}
        rows: list[list[Interaction | ItemUpsert]] = [[] for _ in range(shards)]
        for one in with_items(self.interactions, self.items, self.items_source):
            if isinstance(one, Interaction):
                rows[owners[one.user]].append(one)
            else:
                for mine in rows:
                    mine.append(one)
        return [Lessons(mine, self.source, self.click_at) for mine in rows]


class Lessons:
    """One shard's part of a history."""

    def __init__(
        self, rows: Sequence[Interaction | ItemUpsert], source: str, click_at: float
    ) -> None:
        self._rows = rows
        self._source = source
        self._click_at = click_at

    def __len__(self) -> int:
        return len(self._rows)

    def events(self) -> Iterator[Event]:
        """Yield the events, in order."""
        for row in self._rows:
            if isinstance(row, Interaction):
                yield feedback_of(row, self._source, self._click_at)
            else:
                yield row

    def batches(self) -> Iterator[bytes]:
        """Yield the events, many at a time, for ``decode_batch``."""
        events = self.events()
        while batch := list(islice(events, _BATCH)):
            yield _encoder.encode(batch)


def decode_batch(payload: bytes) -> list[Event]:
    """Return the events of a batch; each value is of the type that the schema says."""
    return _decoder.decode(payload)


def decode_work(payload: bytes) -> Work:
    """Return what a shard is to do: learn a batch, or what others have seen, or tell them."""
    return _work.decode(payload)
