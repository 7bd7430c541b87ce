"""What is told of a state: its counters and sizes, and what is known about a person."""

import copy

import msgspec

from recsys.candidates.transitions import Transitions
from recsys.shelf import Shelf
from recsys.state import State
from recsys.store.base import Store
from recsys.users import User
from recsys.views import RecentItem, Stats, Taste, UserView

__all__ = ["fingerprint_of", "stats_of", "view_of"]


def view_of(state: State, user: User) -> UserView:
    """Return what is known about a person."""
    catalogue = state.catalogue
    history = zip(user.items[::-1].tolist(), user.times_ms[::-1].tolist(), strict=True)
    tastes = [
        Taste(catalogue.token(token), mean, state.personal_bandit.deviation(token, left))
        for token, mean, left, _ in user.tastes.columns()
    ]
    return UserView(
        user_id=user.user_id,
        arm=state.arm_of(user.user_id),
        events=user.events,
        shown=user.shown,
        clicks=user.clicks,
        last_seen_ms=user.last_seen_ms,
        recent=tuple(RecentItem(catalogue[item].item_id, ts_ms) for item, ts_ms in history),
        tastes=tuple(sorted(tastes, key=lambda taste: -abs(taste.mean))),
    )


def stats_of(state: State, store: Store) -> Stats:
    """Return counters and sizes; the sequence is that of the last snapshot."""
    counters = state.counters
    transitions = state.source(Transitions)
    return Stats(
        sequence=counters.sequence,
        snapshot_sequence=store.snapshot_sequence,
        items=state.catalogue.n_alive,
        users_in_memory=len(state.users),
        feedback=dict(counters.feedback),
        arms={name: msgspec.structs.replace(arm) for name, arm in counters.arms.items()},
        examples=counters.examples,
        replayed=counters.replayed,
        replay_size=len(state.examples) + len(state.choices),
        pending=len(state.joiner),
        evicted={
            "attributes": state.catalogue.refused_tokens,
            "decisions": state.joiner.evicted,
            "examples": state.examples.evicted + state.choices.evicted,
            "items": state.catalogue.refused,
            "neighbours": 0 if transitions is None else transitions.evicted,
            "users": state.users.spilled,
        },
        unmatched=state.joiner.late,
        resets=state.user_model.resets,
        failed=counters.failed,
        lost=store.lost,
        quarantined=counters.quarantined,
        found_share=state.found_share,
        base=counters.base,
        memory=state.meter.stats,
        drift=copy.deepcopy(state.drift.stats),
    )


def fingerprint_of(state: State, shelf: Shelf) -> str:
    """Return a digest of all that was learned, people included; reads the whole store."""
    dirty = {user.user_id: user for user in state.users.dirty()}
    known = dirty.keys() | (shelf.ids(state.void) - state.users.erased.keys())
    return state.fingerprint(
        state.seal_user(dirty[user_id])
        if user_id in dirty
        else shelf.load(user_id, state.void) or b""
        for user_id in sorted(known)
    )
