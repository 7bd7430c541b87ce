"""How actors look from outside: typed views of Ray's dynamic handles.

``actors.graph`` makes the handles and casts them to these; everybody else sees only what is here.
"""

from collections.abc import Sequence
from typing import ParamSpec, Protocol, TypeVar

import msgspec
from ray import ObjectRef

from actors.copies.generations import Manifest
from actors.giving import Delivery, Given, Moved
from actors.lane import Call, Reply
from actors.settings import CopySettings, ServerSettings
from actors.shard_map import Moving, ShardMap
from actors.wire.handshake import Door
from recsys.errors import RecsysError

__all__ = ["Notice", "Ready", "Remote", "ShardHandle", "SupervisorHandle"]

P = ParamSpec("P")
T = TypeVar("T")


class Remote(Protocol[P, T]):
    """One method of an actor."""

    def remote(self, *args: P.args, **kwargs: P.kwargs) -> ObjectRef[T]:
        """Submit the call and return at once."""
        ...


class Ready(msgspec.Struct, frozen=True):
    """What an open shard says of itself.

    Attributes
    ----------
    sequence
        Last event it has learned.
    recovered
        The same when it had opened its store.
    recovery_s
        How long opening took: loading the snapshot and learning what came after it.
    trouble
        What the operator should read, one sentence each.
    held
        Partitions that wait for the end of a move.
    """

    pid: int
    epoch: int
    sequence: int
    recovered: int
    recovery_s: float
    trouble: tuple[str, ...] = ()
    held: tuple[int, ...] = ()


class Notice(msgspec.Struct, frozen=True):
    """Something the operator should read; later ones have higher numbers."""

    number: int
    text: str


class ShardHandle(Protocol):
    """``actors.shard_actor.ShardActor`` from outside."""

    @property
    def call_many(self) -> Remote[[Sequence[Call]], list[Reply]]:
        """``Shard.call`` for several calls; errors of ours are replies."""
        ...

    @property
    def door(self) -> Remote[[], Door]:
        """Where it answers the same calls over the wire, as soon as it can work."""
        ...

    @property
    def ready(self) -> Remote[[], Ready]:
        """Answers as soon as the shard can work."""
        ...

    @property
    def give(self) -> "Remote[[Moving, ShardHandle], Given]":
        """See ``Mover.give``."""
        ...

    @property
    def key(self) -> Remote[[], bytes]:
        """See ``Mover.key``."""
        ...

    @property
    def take(self) -> Remote[[Delivery], None]:
        """See ``Mover.take``."""
        ...

    @property
    def give_up(self) -> Remote[[Moving], bool]:
        """See ``Mover.give_up``."""
        ...

    @property
    def forget(self) -> Remote[[Moving], None]:
        """See ``Mover.forget``."""
        ...

    @property
    def adopt(self) -> Remote[[ShardMap], None]:
        """See ``Territory.adopt``."""
        ...

    @property
    def copy(self) -> Remote[[CopySettings], Manifest | RecsysError | None]:
        """Copy the store to a bucket now; an error of ours is an answer."""
        ...

    @property
    def stop(self) -> Remote[[], int]:
        """Write, learn, take a snapshot, close; returns the last sequence."""
        ...


class SupervisorHandle(Protocol):
    """``actors.supervisor.SupervisorActor`` from outside."""

    @property
    def start(self) -> Remote[[ServerSettings], ShardMap]:
        """Open all shards, if they are not open."""
        ...

    @property
    def shard_map(self) -> Remote[[], ShardMap]:
        """Return who owns which users."""
        ...

    @property
    def move(self) -> Remote[[int, int], Moved]:
        """See ``Moves.move``."""
        ...

    @property
    def notices(self) -> Remote[[int], list[Notice]]:
        """Return the notices after a number."""
        ...

    @property
    def shutdown(self) -> Remote[[], None]:
        """Drain the shards, then end them."""
        ...
