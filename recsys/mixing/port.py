"""The engine's part of mixing: what a shard tells, and the events by which it is told."""

from collections.abc import Callable, Mapping

import msgspec

from recsys.events import Event
from recsys.ids import new_id
from recsys.mixing.average import Answer, Ranking
from recsys.mixing.base import make_base
from recsys.mixing.cut import Contribution, Cut, cut
from recsys.mixing.events import Averaged, Mixed, Mixing, Rebased
from recsys.state import State

__all__ = ["Mix", "Position"]


class Position(msgspec.Struct, frozen=True, kw_only=True):
    """How far a shard is.

    Attributes
    ----------
    shard
        Its name, empty for one that does not mix.
    sequence
        Last event of its log that it has learned.
    vector
        By other shard: up to where it has its lessons.
    released, waiting
        Up to which sequence it has dropped its own lessons, and how many it keeps.
    taken, refused, thinned, missed, untold
        See ``recsys.mixing.ledger.Ledger``.
    """

    shard: str
    sequence: int
    vector: Mapping[str, int]
    released: int
    waiting: int
    taken: int
    refused: int
    thinned: int
    missed: Mapping[str, int] = {}
    untold: bool = False


class Mix:
    """Asks a state; changes nothing. Its events go through ``append`` and ``fold`` as any others.

    Called from the thread that folds, and quick, but for ``base``.

    Parameters
    ----------
    state
        Returns the state of now.
    """

    def __init__(self, state: Callable[[], State]) -> None:
        self._state = state

    @property
    def position(self) -> Position:
        """How far the shard is."""
        ledger, counters = self._state().ledger, self._state().counters
        return Position(
            shard=ledger.shard,
            sequence=counters.sequence,
            vector=dict(ledger.vector),
            released=ledger.released,
            waiting=ledger.waiting,
            taken=ledger.taken,
            refused=ledger.refused,
            thinned=ledger.thinned,
            missed=dict(ledger.missed),
            untold=bool(ledger.untold),
        )

    def cut(self, after: int) -> Cut | None:
        """Return what the shard has seen since a sequence; see ``recsys.mixing.cut``."""
        return cut(self._state(), after)

    def ranking(self) -> Ranking | None:
        """Return the shared ranker as it is, ``None`` for one that is not averaged."""
        state = self._state()
        record = state.learner.report()
        if record is None:
            return None
        counters, learner = state.counters, state.learner
        return Ranking(
            state.ledger.version,
            counters.choices if learner.from_choices else counters.examples,
            record,
            counters.examples,
            merged=learner.merged,
        )

    def base(self) -> list[bytes]:
        """Return all that is known of items, in parts; takes as long as a snapshot."""
        return make_base(self._state())

    def begin(self, shard: str) -> Event | None:
        """Return the event by which the shard mixes under a name, ``None`` when it does."""
        if self._state().ledger.shard == shard:
            return None
        return Mixing(event_id=f"mixing-{new_id()}", ts_ms=self._now(), shard=shard)

    def release(self, released: int) -> Event:
        """Return the event by which the shard drops lessons that all others have."""
        shard = self._state().ledger.shard
        return Mixing(
            event_id=f"mixing-{new_id()}", ts_ms=self._now(), shard=shard, released=released
        )

    def contained(self, snapshot: int) -> list[int]:
        """Return sequences of events of mixing that may become tombstones of cause ``contained``.

        Each is named for a while, in case the store could not write.

        Parameters
        ----------
        snapshot
            Sequence of the last snapshot.
        """
        return self._state().ledger.contained(snapshot, self._now())

    def mixed(self, contribution: Contribution, released: int = 0) -> Event:
        """Return the event by which the shard learns what another one has seen.

        Parameters
        ----------
        released
            Up to this sequence of its own log all others have its lessons.
        """
        return Mixed(
            event_id=f"mixed-{new_id()}",
            ts_ms=self._now(),
            shard=contribution.shard,
            after=contribution.after,
            upto=contribution.upto,
            released=released,
            record=contribution.record,
        )

    def averaged(self, answer: Answer) -> Event:
        """Return the event by which the ranker comes to the average."""
        return Averaged(
            event_id=f"averaged-{new_id()}",
            ts_ms=self._now(),
            version=answer.version,
            examples=answer.examples,
            record=answer.record,
        )

    def rebased(self, shard: str, parts: list[bytes]) -> list[Event]:
        """Return the events by which all that is known of items becomes what another knows."""
        return [
            self.rebased_part(shard, number, part, last=number == len(parts) - 1)
            for number, part in enumerate(parts)
        ]

    def rebased_part(self, shard: str, number: int, record: bytes, *, last: bool) -> Event:
        """Return the event that holds a part of a base, see ``recsys.mixing.events.Rebased``."""
        return Rebased(
            event_id=f"rebased-{new_id()}",
            ts_ms=self._now(),
            shard=shard,
            number=number,
            last=last,
            record=record,
        )

    def _now(self) -> int:
        return self._state().counters.clock_ms
