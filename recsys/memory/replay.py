"""The replay buffer: old lessons (examples or choices) that are taught again beside each new one.

Two parts: the most recent lessons, and behind them a reservoir over all time, divided into strata
by the hash of the user, so that busy users do not push out quiet ones, or by the item, so that what
is in fashion does not push out what was. What the recent part gives up is offered to the reservoir
of its stratum (Vitter 1985, algorithm R).
"""

from bisect import insort
from collections import deque
from itertools import islice
from typing import Generic, TypeVar, cast

import mmh3
import msgspec

from recsys.codec import pack, unpack
from recsys.errors import IncompatibleState
from recsys.features.base import Choice, Example
from recsys.frozen import Frozen
from recsys.settings import MemorySettings

__all__ = ["ReplayBuffer"]


T = TypeVar("T", Example, Choice)


class _State(msgspec.Struct, Generic[T]):
    recent: list[T]
    strata: list[list[T]]
    offered: list[int]
    draws: int


_STATES = {Example: _State[Example], Choice: _State[Choice]}


class ReplayBuffer(Generic[T]):
    """Bounded memory of lessons.

    Draws come from a counter hashed with the seed: chance is a function of how often the buffer
    was asked, so that replaying a log repeats it.

    Parameters
    ----------
    kind
        What a lesson is.
    """

    def __init__(self, kind: type[T], settings: MemorySettings, seed: int) -> None:
        self._kind: type[T] = kind
        self._settings = settings
        self._seed = seed & 0xFFFFFFFF
        self._recent: deque[T] = deque()
        self._n_strata = 1 if settings.stratify == "none" else settings.strata
        self._strata: list[list[T]] = [[] for _ in range(self._n_strata)]
        self._offered = [0] * self._n_strata
        self._filled = list[int]()
        self._per_stratum = settings.reservoir // self._n_strata
        self._draws = 0

    def __len__(self) -> int:
        return len(self._recent) + sum(map(len, self._strata))

    @property
    def evicted(self) -> int:
        """Lessons that left the buffer for good."""
        return sum(self._offered) - sum(map(len, self._strata))

    def add(self, lesson: T) -> None:
        """Remember a new lesson, giving up another one when full."""
        self._recent.append(lesson)
        while len(self._recent) > self._settings.recent:
            self._offer(self._recent.popleft())

    def sample(self, *, recent_only: bool = False) -> list[T]:
        """Draw ``memory.replays`` lessons, by turns from all time and from the recent part.

        Parameters
        ----------
        recent_only
            Leave out the turns of all time.
        """
        chosen = list[T]()
        for turn in range(self._settings.replays):
            from_all_time = turn % 2 == 0 and self._filled
            if from_all_time and recent_only:
                continue
            if from_all_time:
                stratum = self._strata[self._filled[self._draw(len(self._filled))]]
                chosen.append(stratum[self._draw(len(stratum))])
            elif self._recent:
                chosen.append(self._recent[self._draw(len(self._recent))])
        return chosen

    def latest(self, n: int) -> list[T]:
        """Return the last ``n`` lessons, oldest first; fewer when the recent part has fewer."""
        return list(islice(self._recent, max(len(self._recent) - n, 0), None))

    def erase(self, user: int) -> None:
        """Drop the lessons of a person, as if they had not been offered.

        Parameters
        ----------
        user
            Hash of the user id. Whoever shares it, one person in four billion, loses theirs, too.
        """
        self._recent = deque(lesson for lesson in self._recent if lesson.user != user)
        for place, stratum in enumerate(self._strata):
            kept = [lesson for lesson in stratum if lesson.user != user]
            self._offered[place] -= len(stratum) - len(kept)
            self._strata[place] = kept
        self._filled = [place for place, stratum in enumerate(self._strata) if stratum]

    def _offer(self, lesson: T) -> None:
        trait = lesson.item if self._settings.stratify == "item" else lesson.user
        place = trait % self._n_strata
        stratum = self._strata[place]
        self._offered[place] += 1
        if len(stratum) < self._per_stratum:
            if not stratum:
                insort(self._filled, place)
            stratum.append(lesson)
        elif self._per_stratum:
            lot = self._draw(self._offered[place])
            if lot < self._per_stratum:
                stratum[lot] = lesson

    def _draw(self, n: int) -> int:
        """Return a number in ``range(n)``."""
        self._draws += 1
        high = mmh3.hash(self._draws.to_bytes(8, "little"), self._seed, signed=False)
        return high * n >> 32

    def snapshot(self) -> bytes:
        """Return the whole buffer as a record."""
        return self.freeze()()

    def freeze(self) -> Frozen:
        """Return the whole buffer as it is now; lessons never change."""
        strata = [list(stratum) for stratum in self._strata]
        state = _State(list(self._recent), strata, list(self._offered), self._draws)
        return lambda: pack(state)

    def restore(self, record: bytes) -> None:
        """Replace the buffer by one that ``snapshot`` returned.

        Raises
        ------
        CorruptRecord
            When the record is damaged.
        IncompatibleState
            When it was made with another number of strata.
        """
        state = _decode(record, self._kind)
        if len(state.strata) != self._n_strata:
            message = (
                f"the replay buffer has {len(state.strata)} strata, the settings say "
                f"{self._n_strata}"
            )
            raise IncompatibleState(message)
        self._recent = deque(state.recent)
        self._strata = state.strata
        self._offered = state.offered
        self._draws = state.draws
        self._filled = [place for place, stratum in enumerate(state.strata) if stratum]


def _decode(record: bytes, kind: type[T]) -> _State[T]:
    return unpack(record, cast("type[_State[T]]", _STATES[kind]))
