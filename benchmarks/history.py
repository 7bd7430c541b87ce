"""What was seen of a server from outside while it was hurt, and what may not be in it.

Beside ``benchmarks.books``, which account for events: each epoch of a shard has one owner and none
comes back, no two processes may write the same log, and each list was drawn with the propensities
that it names, all of them above 0.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

import msgspec

from recsys.client import Recommended
from recsys.events import Decision

__all__ = ["Findings", "History", "Sighting", "lock_holders"]

_LOCKS: Final = Path("/proc/locks")


class Sighting(msgspec.Struct, frozen=True):
    """A shard at one moment.

    Attributes
    ----------
    epoch
        That it names.
    owner
        Who says so: when this process began to serve, which no other did at the same moment.
    writers
        Processes that may write its log.
    """

    shard: int
    epoch: int
    owner: int
    writers: tuple[int, ...] = ()


class Findings(msgspec.Struct, frozen=True):
    """What does not agree; 0 everywhere but in the first three is as it should be.

    Attributes
    ----------
    sightings, lists
        How many there were.
    logged
        Lists that are in the log; the last ones before a death may not be.
    two_owners
        Epochs that two processes had, and moments at which two could write one log.
    turned_back
        Times at which a shard was seen in an epoch before one in which it had been seen.
    improbable
        Lists with a propensity that is not above 0 and at most 1.
    unlike_log
        Lists whose items or propensities are others in the log.
    """

    sightings: int
    lists: int
    logged: int
    two_owners: int
    turned_back: int
    improbable: int
    unlike_log: int

    @property
    def clean(self) -> bool:
        """Whether nothing was found."""
        return not (self.two_owners or self.turned_back or self.improbable or self.unlike_log)


class History:
    """All of it, in the order in which it was seen."""

    def __init__(self) -> None:
        self.sightings: list[Sighting] = []
        self.lists: dict[str, Recommended] = {}

    def see_list(self, shown: Recommended) -> None:
        """Keep a list."""
        self.lists[shown.decision_id] = shown

    def check(self, decisions: Iterable[Decision]) -> Findings:
        """Look for what may not be.

        Parameters
        ----------
        decisions
            Those of all logs.
        """
        logged = {one.event_id: one for one in decisions if one.event_id in self.lists}
        return Findings(
            sightings=len(self.sightings),
            lists=len(self.lists),
            logged=len(logged),
            two_owners=self._two_owners(),
            turned_back=self._turned_back(),
            improbable=sum(not _possible(shown) for shown in self.lists.values()),
            unlike_log=_unlike(self.lists, logged),
        )

    def _two_owners(self) -> int:
        owners: defaultdict[tuple[int, int], set[int]] = defaultdict(set)
        for seen in self.sightings:
            owners[seen.shard, seen.epoch].add(seen.owner)
        shared = sum(len(found) > 1 for found in owners.values())
        return shared + sum(len(seen.writers) > 1 for seen in self.sightings)

    def _turned_back(self) -> int:
        newest: dict[int, int] = {}
        times = 0
        for seen in self.sightings:
            times += seen.epoch < newest.get(seen.shard, 0)
            newest[seen.shard] = max(seen.epoch, newest.get(seen.shard, 0))
        return times


def _possible(shown: Recommended) -> bool:
    return bool(shown.items) and all(0.0 < item.propensity <= 1.0 for item in shown.items)


def _unlike(lists: Mapping[str, Recommended], logged: Mapping[str, Decision]) -> int:
    return sum(
        [(slot.item_id, slot.propensity) for slot in decision.slots]
        != [(item.item_id, item.propensity) for item in lists[name].items]
        for name, decision in logged.items()
    )


def lock_holders(path: Path) -> tuple[int, ...]:
    """Return the processes that hold a lock to write on a file, as the kernel has it; Linux only.

    What SQLite calls a lock are several ones of the kernel's on the same file.
    """
    inode = str(path.stat().st_ino)
    found = set[int]()
    for line in _LOCKS.read_text().splitlines():
        fields = line.split()
        # "1: POSIX ADVISORY WRITE 42 fe:00:7 0 EOF"; those who wait have an arrow in second place.
        if fields[1] == "POSIX" and fields[3] == "WRITE" and fields[5].split(":")[-1] == inode:
            found.add(int(fields[4]))
    return tuple(sorted(found))
