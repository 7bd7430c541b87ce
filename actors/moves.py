"""Moves partitions between running shards, one at a time, and ends what was broken off.

::

    written down: it moves      from here on neither shard, opened anew, serves the partition
    the old owner gives         actors.giving; what fails before the last part changes nothing
    the new owner is asked      whether it has come: if not, it never will
    the old owner forgets       if it has
    written down: who owns it   then the shards are told, and gateways that ask

Whatever ends in between, this supervisor included, the same steps from the third on end the move.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping

from actors.errors import MoveFailed, RuntimeFault, ShardUnavailable
from actors.fleet import Fleet
from actors.giving import Given, Moved
from actors.handles import Ready
from actors.layout import DataFolder
from actors.shard_map import Moving
from recsys.errors import RecsysError

__all__ = ["Moves"]

_log = logging.getLogger(__name__)


class Moves:
    """The moves within one data directory.

    Parameters
    ----------
    notice
        Takes a sentence about what happened.
    """

    def __init__(self, fleet: Fleet, folder: DataFolder, notice: Callable[[str], None]) -> None:
        self._fleet = fleet
        self._folder = folder
        self._notice = notice
        self._one = asyncio.Lock()
        self._waits = ""

    async def move(self, partition: int, new: int) -> Moved:
        """Move a partition to another shard; return when it is there.

        Raises
        ------
        MoveFailed
            When there is no such partition or shard, or it was not moved; ``settle`` ends what is
            left of it.
        """
        shard_map = self._folder.shard_map
        if not 0 <= partition < shard_map.partitions:
            raise MoveFailed(partition, f"there are partitions 0 to {shard_map.partitions - 1}")
        if not 0 <= new < self._folder.shards:
            raise MoveFailed(partition, f"there are shards 0 to {self._folder.shards - 1}")
        async with self._one:
            await self._settle()
            old = self._folder.shard_map.owners[partition]
            if old == new:
                raise MoveFailed(partition, f"shard {new} owns it")
            moving = self._folder.begin_move(partition, new)
            given: Given | None = None
            failure: RecsysError | None = None
            try:
                given = await self._fleet.give(moving)
            except RecsysError as error:
                failure = error
            came = await self._settle()
            if not came:
                reason = str(failure) if failure is not None else f"shard {new} does not have it"
                raise MoveFailed(partition, reason) from failure
        self._notice(f"partition {partition} has moved from shard {old} to shard {new}")
        return Moved(partition, old, new, given)

    async def settle(self) -> None:
        """End a move that was begun, if there is one.

        Raises
        ------
        MoveFailed
            When one of the two shards does not answer yet: try again.
        StartupError
            When it cannot be written down.
        """
        async with self._one:
            await self._settle()

    async def _settle(self) -> bool:
        """Return whether the partition is with its new owner; also where nothing moves."""
        moving = self._folder.shard_map.moving
        if moving is None:
            return True
        try:
            came = await self._fleet.give_up(moving)
            if came:
                await self._fleet.forget(moving)
        except ShardUnavailable as error:
            reason = f"it is not known whether it was ({error})"
            raise MoveFailed(moving.partition, reason) from error
        self._folder.end_move(moving.new if came else moving.old)
        await asyncio.gather(*(self._tell(shard) for shard in (moving.old, moving.new)))
        return came

    async def _tell(self, shard: int) -> None:
        try:
            await self._fleet.adopt(shard, self._folder.shard_map)
        except ShardUnavailable as error:
            # It reads the map when it is opened, or says that it holds something (``tend``).
            _log.info("shard %d was not told who owns what: %s", shard, error)

    async def tend(self, answers: Mapping[int, Ready]) -> None:
        """End what was broken off, and tell those who hold a partition for nothing.

        Parameters
        ----------
        answers
            Of shards, since the last time.
        """
        if self._one.locked():
            return
        moving = self._folder.shard_map.moving
        if moving is not None:
            try:
                await self.settle()
            except RuntimeFault as error:
                # Once, not every second for as long as it lasts.
                self._wait(str(error))
                return
            self._wait("")
            self._notice_end(moving)
        for shard, answer in answers.items():
            if answer.held:
                await self._tell(shard)

    def _notice_end(self, moving: Moving) -> None:
        owner = self._folder.shard_map.owners[moving.partition]
        self._notice(
            f"the move of partition {moving.partition} from shard {moving.old} to shard "
            f"{moving.new}, which was broken off, has ended: shard {owner} owns it"
        )

    def _wait(self, reason: str) -> None:
        if reason and reason != self._waits:
            self._notice(reason)
        self._waits = reason
