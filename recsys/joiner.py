"""Joins decisions with the feedback they earn, on event time.

A reward is learned at once, and once more with the running total if the same slot earns again. What
earned nothing gets the default reward when the person asks again (``close_on_next``: they are done
with the list before), at the latest when the reward window ends. Waiting for the window alone would
teach a person who asks ten times within it by their clicks only, and the first lucky click would
rule for as long.

Only slots that were looked at get the default reward: every slot above one that earned something,
and of the others slot r (from 1) with probability ``r ** -examination_decay``, by a lot drawn from
the decision id. People read from the top, and a slot that nobody looked at says nothing. Of an item
that the catalogue lacks nothing is learned before somebody acts on it.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Final

import msgspec
import numpy as np

from recsys.codec import list_head, map_head, seal_pieces, unpack
from recsys.examination import looks
from recsys.features.base import Choice, Example, narrow
from recsys.frozen import Frozen
from recsys.ids import feature_hashes
from recsys.settings import JoinerSettings

__all__ = ["Joined", "Joiner", "Passed", "Pending", "PendingSlot"]


_WRITTEN_AT_ONCE: Final = 16
"""Decisions whose bytes are made in one step: .2 ms."""
_JOINED_AT_ONCE: Final = 256
"""Decisions that are copied while other threads wait: .1 ms."""

_encoder = msgspec.msgpack.Encoder()


class PendingSlot(msgspec.Struct, array_like=True, gc=False):
    """A shown item that waits for its reward.

    Attributes
    ----------
    place
        Place in the list as shown, 0 at the top.
    item
        Dense index, -1 for an item that the catalogue lacked.
    item_id
        Of such an item; empty for others.
    score
        What the policy drew from.
    earned
        Sum of the rewards so far, ``None`` before the first.
    clicked
        Whether one of them was above 0.
    """

    place: int
    item: int
    propensity: float
    numeric: bytes
    earned: float | None = None
    clicked: bool = False
    item_id: str = ""
    score: float = 0.0


class Pending(msgspec.Struct, kw_only=True):
    """A decision inside its reward window.

    Attributes
    ----------
    shared
        See ``recsys.events.Decision.features``.
    closed
        Whether what earned nothing has been learned already; feedback still counts.
    """

    decision_id: str
    user_id: str
    arm: str
    ts_ms: int
    user: int
    context: tuple[int, ...]
    slots: list[PendingSlot]
    shared: bytes = b""
    closed: bool = False


class Joined(msgspec.Struct, frozen=True):
    """An example and whose it is.

    Attributes
    ----------
    discovered
        Whether the catalogue lacked the item when it was shown, and this is its first feedback.
    first
        Whether this is the first feedback of its slot that earned something.
    shares
        All items of the list, and the probability that a click falls on their place, if this is the
        first.
    surface
        Context of the list, and how many slots it had.
    choice
        The item among those of the list that had earned nothing yet, if this is the first.
    """

    user_id: str
    arm: str
    example: Example
    first: bool
    discovered: bool = False
    choice: Choice | None = None
    shares: tuple[tuple[int, float], ...] = ()
    surface: tuple[tuple[int, ...], int] = ((), 0)


class Passed(msgspec.Struct, frozen=True):
    """What a list leaves when it is closed: slots that were looked at and earned nothing.

    Attributes
    ----------
    slots
        At least one.
    reward
        What each of them earned for that.
    """

    pending: Pending
    slots: list[PendingSlot]
    reward: float

    def examples(self) -> Iterator[Example]:
        """Make the example of each slot."""
        for slot in self.slots:
            yield _example(self.pending, slot, self.reward)


class _State(msgspec.Struct):
    pending: list[Pending]
    late: int
    evicted: int


class Joiner:
    """Holds the decisions of one reward window.

    Attributes
    ----------
    late
        Feedback that named a decision that was not (or no longer) waiting, or was another
        person's, or an item that the decision did not show.
    evicted
        Decisions closed early because ``joiner.pending_decisions`` were waiting.
    """

    def __init__(self, settings: JoinerSettings) -> None:
        self._settings = settings
        self._window_ms = round(settings.reward_window_s * 1000.0)
        self._pending = OrderedDict[str, Pending]()
        self._latest = dict[str, str]()
        # As they are written, of those that have not changed since: there may be tens of thousands,
        # and each snapshot would write all of them anew while nobody gets a list.
        self._written = dict[str, bytes]()
        self._unwritten = dict[str, None]()
        self.late = 0
        self.evicted = 0

    def __len__(self) -> int:
        return len(self._pending)

    def reward(self, feedback_type: str, value: float | None) -> float:
        """Return what feedback of a type is worth, within ``joiner.max_reward`` of 0."""
        rule = self._settings.rewards.get(feedback_type)
        if rule is None or (rule.by_value and value is None):
            return 0.0
        factor = value - rule.neutral if rule.by_value and value is not None else 1.0
        return self.bounded(rule.weight * factor)

    def bounded(self, reward: float) -> float:
        """Return a reward within ``joiner.max_reward`` of 0."""
        bound = self._settings.max_reward
        return min(max(reward, -bound), bound)

    def open(self, pending: Pending) -> Iterator[Passed]:
        """Take in a decision; yields what the person's last one, or an evicted one, leaves."""
        previous = self._pending.get(self._latest.get(pending.user_id, ""))
        if previous is not None and self._settings.close_on_next:
            yield from self._close(previous)
        self._hold(pending)
        yield from self._evict()

    def _hold(self, pending: Pending) -> None:
        self._pending[pending.decision_id] = pending
        self._latest[pending.user_id] = pending.decision_id
        self._unwritten[pending.decision_id] = None

    def _evict(self) -> Iterator[Passed]:
        while len(self._pending) > self._settings.pending_decisions:
            self.evicted += 1
            yield from self._drop_oldest()

    def depart(self, gone: Callable[[str], bool]) -> list[Pending]:
        """Take out, and return, the decisions for the people of whom ``gone`` says so."""
        left = [pending for pending in self._pending.values() if gone(pending.user_id)]
        for pending in left:
            del self._pending[pending.decision_id]
            self._let_go(pending.decision_id)
            self._latest.pop(pending.user_id, None)
        return left

    def waiting(self, of: Callable[[str], bool]) -> list[Pending]:
        """Return the decisions for the people of whom ``of`` says so, in the order they came."""
        return [pending for pending in self._pending.values() if of(pending.user_id)]

    def arrive(self, pending: Pending) -> Iterator[Passed]:
        """Take in a decision that waited elsewhere; yields what an evicted one leaves."""
        self._hold(pending)
        yield from self._evict()

    def feedback(
        self, user_id: str, decision_id: str, item: int, item_id: str, reward: float
    ) -> Joined | None:
        """Credit a shown item; ``None`` when no waiting decision showed it to this person.

        Parameters
        ----------
        item
            Its dense index now, even if the catalogue lacked it when it was shown.
        """
        pending = self._pending.get(decision_id)
        slot = None
        if pending is not None and pending.user_id == user_id:
            slot = next((s for s in pending.slots if item_id == s.item_id or item == s.item), None)
        if pending is None or slot is None:
            self.late += 1
            return None
        self._unwritten[decision_id] = None
        first = reward > 0.0 and not slot.clicked
        choice = self._choice(pending, slot) if first else None
        slot.clicked = slot.clicked or first
        discovered = slot.item < 0
        slot.item = item
        slot.earned = self.bounded((slot.earned or 0.0) + reward)
        example = _example(pending, slot, slot.earned)
        return Joined(
            pending.user_id,
            pending.arm,
            example,
            first,
            discovered,
            choice,
            self._shares(pending) if first else (),
            (pending.context, len(pending.slots)),
        )

    def _shares(self, pending: Pending) -> tuple[tuple[int, float], ...]:
        by_place = looks(len(pending.slots), self._settings.examination_decay)
        looked = [by_place[slot.place] for slot in pending.slots]
        total = sum(looked)
        pairs = zip(pending.slots, looked, strict=True)
        return tuple((slot.item, look / total) for slot, look in pairs if slot.item >= 0)

    def _choice(self, pending: Pending, chosen: PendingSlot) -> Choice:
        others = [slot for slot in pending.slots if not slot.clicked]
        places = np.array([slot.place for slot in others], np.float32)
        return Choice(
            pending.user,
            b"".join(slot.numeric for slot in others),
            pending.shared,
            len(others),
            others.index(chosen),
            narrow(-np.float32(self._settings.examination_decay) * np.log1p(places)),
            chosen.item,
        )

    def expire(self, now_ms: int) -> Iterator[Passed]:
        """Close the decisions whose window has ended and yield what they leave.

        Decisions close in the order in which they came; one with an earlier time behind one with a
        later time waits for it.
        """
        while self._pending:
            oldest = next(iter(self._pending.values()))
            if oldest.ts_ms + self._window_ms > now_ms:
                return
            yield from self._drop_oldest()

    def erase(self, user_id: str) -> None:
        """Drop a person's decisions; nothing is learned of them."""
        for decision_id, pending in list(self._pending.items()):
            if pending.user_id == user_id:
                del self._pending[decision_id]
                self._let_go(decision_id)
        self._latest.pop(user_id, None)

    def _drop_oldest(self) -> Iterator[Passed]:
        decision_id, pending = self._pending.popitem(last=False)
        if self._latest.get(pending.user_id) == decision_id:
            del self._latest[pending.user_id]
        self._let_go(decision_id)
        yield from self._close(pending)

    def _let_go(self, decision_id: str) -> None:
        self._written.pop(decision_id, None)
        self._unwritten.pop(decision_id, None)

    def _close(self, pending: Pending) -> Sequence[Passed]:
        if pending.closed:
            return ()
        pending.closed = True
        if pending.decision_id in self._pending:
            self._unwritten[pending.decision_id] = None
        slots = pending.slots
        earned = [slot.place for slot in slots if slot.earned is not None]
        last_earned = earned[-1] if earned else -1
        by_place = looks(len(slots), self._settings.examination_decay)
        lots = feature_hashes(_lot_names(len(slots)), pending.decision_id)
        passed = [
            slot
            for slot in slots
            if slot.earned is None
            and slot.item >= 0
            and (slot.place < last_earned or lots[slot.place] / 2**32 < by_place[slot.place])
        ]
        return (Passed(pending, passed, self._settings.default_reward),) if passed else ()

    def snapshot(self) -> bytes:
        """Return the waiting decisions as a record."""
        return self.freeze()()

    def freeze(self) -> Frozen:
        """Return the waiting decisions as they are now, soon after ``writing``."""
        for _ in self.writing():
            pass
        pending = list(map(self._written.__getitem__, self._pending))
        late, evicted = self.late, self.evicted
        return lambda: _record(pending, late, evicted)

    def writing(self) -> Iterator[None]:
        """Make the bytes of what has changed since, in short steps; nothing may change meanwhile.

        Thousands of lists are made between two snapshots, and took .06 s in one go.
        """
        # Looked up once: the front of a dictionary that is emptied from there is ever further away.
        changed = list(self._unwritten)
        for start in range(0, len(changed), _WRITTEN_AT_ONCE):
            for decision_id in changed[start : start + _WRITTEN_AT_ONCE]:
                self._written[decision_id] = _encoder.encode(self._pending[decision_id])
                del self._unwritten[decision_id]
            yield

    def restore(self, record: bytes) -> None:
        """Replace the waiting decisions by those that ``snapshot`` returned.

        Raises
        ------
        CorruptRecord
            When the record is damaged.
        """
        state = unpack(record, _State)
        self._pending = OrderedDict((pending.decision_id, pending) for pending in state.pending)
        self._latest = {pending.user_id: pending.decision_id for pending in state.pending}
        self._written = {}
        self._unwritten = dict.fromkeys(self._pending)
        self.late = state.late
        self.evicted = state.evicted


def _record(pending: Sequence[bytes], late: int, evicted: int) -> bytes:
    """Return what ``pack`` makes of a ``_State``, of decisions that are bytes already."""
    pieces = [map_head(3), _encoder.encode("pending"), list_head(len(pending))]
    for start in range(0, len(pending), _JOINED_AT_ONCE):
        pieces.append(b"".join(pending[start : start + _JOINED_AT_ONCE]))
    numbers = ("late", late, "evicted", evicted)
    return seal_pieces([*pieces, *map(_encoder.encode, numbers)])


@lru_cache(maxsize=256)
def _lot_names(places: int) -> tuple[str, ...]:
    return tuple(f"looked-at-{place}" for place in range(places))


def _example(pending: Pending, slot: PendingSlot, reward: float) -> Example:
    return Example(
        pending.user,
        pending.context,
        slot.item,
        slot.numeric,
        slot.place,
        slot.propensity,
        reward,
        slot.score,
    )
