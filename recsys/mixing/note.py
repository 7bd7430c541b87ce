"""Writes down what the fold learns from a shard's own people, for the others."""

from collections.abc import Sequence

from recsys.features.table import surface
from recsys.ids import feature_hash
from recsys.joiner import Joined
from recsys.mixing.lessons import Click, Like, Show
from recsys.state import State
from recsys.users import User

__all__ = ["note_click", "note_like", "note_list"]


def note_like(
    state: State, user: User, item: int, ts_ms: int, strength: float, *, again: bool
) -> None:
    """Write down a like, before the person's history has taken it in.

    Parameters
    ----------
    again
        Whether it says more of an act that was written down before.
    """
    ledger = state.ledger
    if not ledger.shard:
        return
    n = state.remembered
    ledger.like(
        Like(
            state.counters.sequence,
            feature_hash("user", user.user_id),
            item,
            ts_ms,
            strength,
            -1 if again else len(user.items),
            tuple(user.items[-n:].tolist()),
            tuple(user.times_ms[-n:].tolist()),
        )
    )


def note_list(state: State, person: int, items: Sequence[int], ts_ms: int) -> None:
    """Write down what a list has shown of the catalogue.

    Parameters
    ----------
    person
        Hash of the user id.
    """
    ledger = state.ledger
    if ledger.shard and items:
        ledger.show(Show(state.counters.sequence, person, ts_ms, tuple(items)))


def note_click(state: State, joined: Joined, ts_ms: int) -> None:
    """Write down what earned something on a list, and what it has shown beyond the catalogue."""
    ledger = state.ledger
    if not ledger.shard or not (joined.discovered or joined.first):
        return
    sequence, person = state.counters.sequence, feature_hash("user", joined.user_id)
    item = joined.example.item
    if joined.discovered:
        ledger.show(Show(sequence, person, ts_ms, (item,)))
    if joined.first:
        items = tuple(other for other, _ in joined.shares)
        shares = tuple(share for _, share in joined.shares)
        tokens = tuple(surface(*joined.surface).tolist())
        ledger.click(Click(sequence, person, item, ts_ms, items, shares, tokens))
