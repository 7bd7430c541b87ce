"""The forgetting meter: how well the ranker still knows what it learned long ago.

A slice of old choices is held out of the replay buffer: each was learned once, as it came, and
never again. What the ranker loses on them now, beside what it lost when each was new and what it
loses on new ones, says whether it forgets.

A slice is one choice, by lot, of each equal part of a stretch of the log. It then stays as it is,
while the next one is sampled. The next one takes its place when as many choices have come as before
it, and at the latest after ``memory.meter.period``: a slice is as old as the log allows, and no
older than it says something about the present.

At every so many choices one of the slice is asked again, in turn, so that no single event pays for
all of them; when all were, their mean is told.
"""

from typing import Final

import mmh3
import msgspec

from recsys.codec import pack, unpack
from recsys.features.base import Choice
from recsys.learners.base import Learner
from recsys.settings import MeterSettings
from recsys.views import MemoryStats

__all__ = ["ForgettingMeter"]

_FIRST: Final = 10
"""Choices per one that is held out, at first; later they are rarer."""


class _Kept(msgspec.Struct, array_like=True):
    """A choice, and the loss on it when it was new."""

    choice: Choice
    loss: float


class _State(msgspec.Struct):
    gathered: list[_Kept] = []
    slice: list[_Kept] = []
    choices: int = 0
    ends: int = 0
    began: int = 0
    place: int = 0
    total: float = 0.0
    recent: float = 0.0
    stats: MemoryStats = MemoryStats()


class ForgettingMeter:
    """Two slices, one that is measured and one that is being sampled.

    Parameters
    ----------
    learner
        Asked, and taught nothing.
    """

    def __init__(self, settings: MeterSettings, learner: Learner, seed: int) -> None:
        self._settings = settings
        self._learner = learner
        self._seed = ~seed & 0xFFFFFFFF
        self._state = _State(ends=_FIRST * settings.slice)

    @property
    def stats(self) -> MemoryStats:
        """What was measured last."""
        return self._state.stats

    def take(self, choice: Choice, loss: float) -> bool:
        """Take in a choice that was just learned; returns whether it may never be replayed.

        Parameters
        ----------
        loss
            On it, before it was learned.
        """
        if not self._settings.slice:
            return False
        state = self._state
        state.choices += 1
        state.recent += max(1.0 / state.choices, 1.0 / self._settings.slice) * (loss - state.recent)
        state.stats = msgspec.structs.replace(state.stats, recent_loss=state.recent)
        if state.choices > state.ends:
            self._renew()
        if state.slice and state.choices % self._settings.every == 0:
            self._ask_next()
        if self._is_drawn():
            state.gathered.append(_Kept(choice, loss))
            return True
        return False

    def _renew(self) -> None:
        state = self._state
        state.slice, state.gathered = state.gathered, []
        state.began = state.ends
        state.ends += min(state.ends, max(self._settings.period, _FIRST * self._settings.slice))
        state.place, state.total = 0, 0.0
        state.stats = MemoryStats(recent_loss=state.recent)

    def _is_drawn(self) -> bool:
        """Return whether the lot of this part of the stretch fell on the choice of now."""
        state = self._state
        length = (state.ends - state.began) // self._settings.slice
        part, place = divmod(state.choices - state.began - 1, length)
        first = state.began + part * length
        lot = mmh3.hash(first.to_bytes(8, "little"), self._seed, signed=False) * length >> 32
        return part < self._settings.slice and place == lot

    def _ask_next(self) -> None:
        state = self._state
        loss = self._learner.loss(state.slice[state.place].choice)
        # What the ranker could read when it was new, it can read as long as it is the same ranker.
        state.total += state.slice[state.place].loss if loss is None else loss
        state.place += 1
        if state.place == len(state.slice):
            n = len(state.slice)
            state.stats = msgspec.structs.replace(
                state.stats,
                old_loss=state.total / n,
                old_loss_when_new=sum(kept.loss for kept in state.slice) / n,
                old_choices=n,
            )
            state.place, state.total = 0, 0.0

    def erase(self, user: int) -> None:
        """Drop the choices of a person; those that are left are asked from the first one on.

        Parameters
        ----------
        user
            Hash of the user id, as in ``ReplayBuffer.erase``.
        """
        state = self._state
        state.gathered = [kept for kept in state.gathered if kept.choice.user != user]
        left = [kept for kept in state.slice if kept.choice.user != user]
        if len(left) < len(state.slice):
            state.slice, state.place, state.total = left, 0, 0.0

    def snapshot(self) -> bytes:
        """Return the slices and what was measured as a record."""
        return pack(self._state)

    def restore(self, record: bytes) -> None:
        """Replace everything by what ``snapshot`` returned.

        Raises
        ------
        CorruptRecord
            When the record is damaged.
        """
        self._state = unpack(record, _State)
