"""Counts what fails in a row, to tell a state that is broken from an event that is.

What raises while it is learned may have left the state half changed. One event that does so is left
behind, for it would fail again at every replay. Three of a kind in a row, none of which was learned
between them, say that it may be the state, and so do three lists that could not be made, for three
people in turn: one person who asks again and again is one strike. Then it is worth to go back to
the last snapshot (``recsys.engine.Engine.heal``), and so that this one is from before the first
failure, none should be taken while it is not known what a failure means.

It is worth that once. Whatever fails again right after it, without one of its kind that went well,
is not mended by going back; and what breaks again and again is gone back for ever more rarely, so
that a sender of poison cannot keep a shard from its work.
"""

from typing import Final

import msgspec

from recsys.errors import RecsysError

__all__ = ["ASKING", "Strikes"]

ASKING: Final = "asking"
"""Stands for a kind of event where a list could not be made."""
_OUT: Final = 3
"""Strikes after which it may be the state."""
_CALM: Final = 1_000
"""Events between the first two attempts; twice as many before each further one."""


class _Streak(msgspec.Struct):
    """Failures of one kind in a row.

    Attributes
    ----------
    sequence
        Of the last one, or of the last event before it.
    whose
        Of the last one.
    """

    strikes: int = 0
    sequence: int = 0
    whose: str = ""


class Strikes:
    """The failures of one engine; nothing of them is stored, for a replay finds them again."""

    def __init__(self) -> None:
        self._streaks = dict[str, _Streak]()
        self._spent = set[str]()
        self._attempts = 0
        self._next = 0

    def worked(self, kind: str) -> None:
        """Take in that one of a kind went well."""
        if self._streaks or self._spent:
            self._streaks.pop(kind, None)
            self._spent.discard(kind)

    def failed(self, kind: str, sequence: int, error: Exception, whose: str = "") -> None:
        """Take in that one of a kind failed.

        What is refused on purpose left the state as it was, and does not count.

        Parameters
        ----------
        whose
            One after another of the same person count once.
        """
        if isinstance(error, RecsysError):
            return
        streak = self._streaks.setdefault(kind, _Streak())
        streak.strikes += not whose or whose != streak.whose
        streak.sequence, streak.whose = sequence, whose

    def unsettled(self, after: int) -> bool:
        """Return whether something failed after a sequence, and nothing of its kind went well."""
        return any(streak.sequence > after for streak in self._streaks.values())

    def due(self, sequence: int) -> list[str]:
        """Return the kinds for which it is worth to go back now, sorted; mostly none.

        Parameters
        ----------
        sequence
            Of the last event that was learned.
        """
        return [] if sequence < self._next else [k for k in self._out() if k not in self._spent]

    def hopeless(self, sequence: int) -> list[str]:
        """Return the kinds that fail and for which it is not worth to go back now, sorted."""
        return sorted(set(self._out()) - set(self.due(sequence)))

    def _out(self) -> list[str]:
        return sorted(kind for kind, one in self._streaks.items() if one.strikes >= _OUT)

    def forget(self) -> None:
        """Forget all failures: what comes now is another state."""
        self._streaks.clear()

    def tried(self, kinds: list[str], sequence: int) -> None:
        """Take in that the state went back because of some kinds, or could not.

        Parameters
        ----------
        sequence
            Of the last event that was learned.
        """
        if kinds:
            self._spent.update(kinds)
            self._next = sequence + _CALM * 2**self._attempts
            self._attempts += 1
