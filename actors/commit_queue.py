"""What waits for its commit: groups of events in the order in which they came, and pauses.

A commit costs its shard as much processor time as a list, however few events are in it. Whoever
waits for one has it at once, and takes along all that is there. Decisions, for which nobody waits,
stay for a moment, so that others join them.
"""

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from recsys.events import Event
from recsys.store.base import Append

__all__ = ["CommitQueue", "Group", "Pause"]


class Group(NamedTuple):
    """Events that came together: never split between commits.

    ``done`` is resolved with one result per event once they are durable and learned, and is
    ``None`` for decisions, for which nobody waits. ``positions`` say where to go on in the outside
    logs that the events came from; ``counted`` that they are in the rate and the freshness.
    """

    events: Sequence[Event]
    received_ms: int
    done: asyncio.Future[list[Append]] | None
    positions: Mapping[str, int] | None = None
    counted: bool = True


class Pause:
    """A place in the queue where the writer waits."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()
        self.over = asyncio.Event()


class CommitQueue:
    """A queue within one event loop.

    Parameters
    ----------
    commit_events
        A commit takes groups until it holds so many events; so many do not wait for others.
    linger_s
        So long a decision waits for company.
    """

    def __init__(self, commit_events: int, linger_s: float) -> None:
        self._commit_events = commit_events
        self._linger_s = linger_s
        self._groups: deque[Group | Pause] = deque()
        self._events = 0
        self._due = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._groups)

    @property
    def head(self) -> Group | Pause:
        """The first of them."""
        return self._groups[0]

    def put(self, group: Group) -> None:
        """Queue a group."""
        self._groups.append(group)
        self._events += len(group.events)
        if group.done is not None or self._events >= self._commit_events:
            self.hurry()
        elif self._timer is None and not self._due.is_set():
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(self._linger_s, self.hurry)

    def put_first(self, group: Group) -> None:
        """Queue a group before all others."""
        self._groups.appendleft(group)
        self._events += len(group.events)
        self.hurry()

    def pause(self) -> Pause:
        """Queue a pause."""
        pause = Pause()
        self._groups.append(pause)
        self.hurry()
        return pause

    def hurry(self) -> None:
        """Let nothing wait for company any more."""
        self._stop_timer()
        self._due.set()

    async def due(self) -> None:
        """Return when something is to be written; whoever hurries is told so even of nothing."""
        await self._due.wait()

    def drop_pause(self) -> None:
        """Take out a pause that is the head."""
        self._groups.popleft()
        self.rest()

    def take(self) -> list[Group]:
        """Take out the groups of one commit, up to the next pause."""
        taken: list[Group] = []
        events = 0
        while self._groups and events < self._commit_events:
            group = self._groups[0]
            if isinstance(group, Pause):
                break
            self._groups.popleft()
            taken.append(group)
            events += len(group.events)
        self._events -= events
        self.rest()
        return taken

    def rest(self) -> None:
        """Let nothing be due where there is nothing."""
        if not self._groups:
            self._stop_timer()
            self._due.clear()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
