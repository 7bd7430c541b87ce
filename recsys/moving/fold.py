"""What the events of a move change; called by ``recsys.fold`` alone."""

from collections.abc import Iterator

from recsys.counters import Move
from recsys.errors import IncompatibleState
from recsys.joiner import Passed
from recsys.moving.events import PartitionIn, PartitionOut
from recsys.moving.luggage import open_luggage, unpack_list, unpack_person
from recsys.partition import partition_of
from recsys.state import State

__all__ = ["arrive", "depart"]


def arrive(state: State, event: PartitionIn) -> Iterator[Passed]:
    """Take people in; yields what lists leave that had to be closed for want of room.

    Raises
    ------
    IncompatibleState
        When the partition has moved since.
    """
    _check_epoch(state, event)
    if event.part == 0:
        # An attempt before this one may have been broken off.
        _drop(state, event)
    luggage = open_luggage(event.record)
    for traveller in luggage.people:
        user = unpack_person(traveller, state.catalogue, event.ts_ms)
        user.unrest.alarms = state.drift.alarms
        state.users.arrive(user)
    state.grow()
    for waiting in luggage.lists:
        yield from state.joiner.arrive(unpack_list(waiting, state.catalogue))
    if event.last:
        state.counters.moves[event.partition] = Move(event.epoch, came=True)


def depart(state: State, event: PartitionOut) -> None:
    """Forget the people of a partition; what was learned from them about items stays.

    Raises
    ------
    IncompatibleState
        When the partition has moved since.
    """
    _check_epoch(state, event)
    _drop(state, event)
    state.counters.moves[event.partition] = Move(event.epoch, came=False)


def _check_epoch(state: State, event: PartitionIn | PartitionOut) -> None:
    move = state.counters.moves.get(event.partition)
    if move is not None and event.epoch <= move.epoch:
        message = (
            f"partition {event.partition} has moved in epoch {move.epoch}; what belongs to epoch "
            f"{event.epoch} comes too late"
        )
        raise IncompatibleState(message)


def _drop(state: State, event: PartitionIn | PartitionOut) -> None:
    def gone(user_id: str) -> bool:
        return partition_of(user_id, event.partitions) == event.partition

    for user in state.users.depart(gone):
        for model in state.personal:
            model.forget(user)
    state.joiner.depart(gone)
    state.void[event.partition, event.partitions] = state.counters.sequence
