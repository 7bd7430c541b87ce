"""The fold: what each kind of event teaches. Only this module changes a ``State``."""

from recsys.events import Decision, Event, Feedback, ItemRemove, ItemUpsert
from recsys.features.base import context_hashes
from recsys.ids import feature_hash
from recsys.joiner import Joined, Pending, PendingSlot
from recsys.state import State
from recsys.users import User
from recsys.views import ArmStats

__all__ = ["fold"]


def fold(state: State, sequence: int, event: Event) -> None:
    """Take one event of the log into the state.

    Parameters
    ----------
    sequence
        The event's place in the log; the caller goes through the log in order.
    """
    state.counters.sequence = sequence
    state.counters.clock_ms = max(state.counters.clock_ms, event.ts_ms)
    for joined in state.joiner.expire(state.counters.clock_ms):
        _learn(state, joined)
    match event:
        case Decision():
            _decision(state, event)
        case Feedback():
            _feedback(state, event)
        case ItemUpsert():
            state.catalogue.upsert(event.item_id, event.ts_ms, event.attributes)
            state.grow()
        case ItemRemove():
            state.catalogue.remove(event.item_id, event.ts_ms)
            state.grow()


def _decision(state: State, event: Decision) -> None:
    slots = list[PendingSlot]()
    for place, slot in enumerate(event.slots):
        item = state.catalogue.mention(slot.item_id, event.ts_ms)
        if item is not None:
            slots.append(PendingSlot(place, item, slot.propensity, slot.features))
    state.grow()
    arm = state.counters.arms.setdefault(event.policy, ArmStats())
    arm.decisions += 1
    arm.shown += len(slots)
    user = state.users.touch(event.user_id)
    user.shown += len(slots)
    user.last_seen_ms = max(user.last_seen_ms, event.ts_ms)
    for shown in slots:
        state.counts.show(shown.item)
    if slots:
        pending = Pending(
            decision_id=event.event_id,
            user_id=event.user_id,
            arm=event.policy,
            ts_ms=event.ts_ms,
            user=feature_hash("user", event.user_id),
            context=context_hashes(event.context),
            slots=slots,
        )
        for joined in state.joiner.open(pending):
            _learn(state, joined)


def _feedback(state: State, event: Feedback) -> None:
    counters = state.counters
    counters.feedback[event.type] = counters.feedback.get(event.type, 0) + 1
    user = state.users.touch(event.user_id)
    user.events += 1
    user.last_seen_ms = max(user.last_seen_ms, event.ts_ms)
    item = state.catalogue.mention(event.item_id, event.ts_ms)
    if item is None:
        return
    state.grow()
    reward = state.joiner.reward(event.type, event.value)
    joined = None
    if event.decision_id is not None:
        joined = state.joiner.feedback(event.user_id, event.decision_id, item, reward)
    if joined is None:
        _learn_personal(state, user, item, reward, shown=False)
    else:
        _credit(state, joined, reward)
        _learn(state, joined)
    if reward > 0.0:
        _like(state, user, item, event.ts_ms, reward)


def _credit(state: State, joined: Joined, reward: float) -> None:
    """Count a slot's reward for its arm; its first positive feedback is a click."""
    arm = state.counters.arms[joined.arm]
    arm.reward += reward
    if joined.first and reward > 0.0:
        arm.clicks += 1
        state.counts.click(joined.example.item)


def _like(state: State, user: User, item: int, ts_ms: int, reward: float) -> None:
    """Teach the collaborative sources and the person's own history, once per act.

    Further feedback on the item that the person liked last (they stayed, they bought it) is the
    same act.
    """
    settings = state.settings
    if reward >= settings.catalogue.consumed_reward:
        user.consume(item, settings.users.consumed)
    if user.items and user.items[-1] == item:
        return
    strength = min(reward, 1.0)
    state.counts.liked[item] += 1
    for source in state.sources:
        source.learn(user, item, ts_ms, strength)
    user.clicks += 1
    user.like(item, ts_ms, settings.users.history)


def _learn(state: State, joined: Joined) -> None:
    """Teach the learners one example, and a few old ones beside it."""
    example = joined.example
    counters = state.counters
    counters.examples += 1
    state.learner.learn(example)
    for old in state.replay.sample():
        state.learner.learn(old)
        counters.replayed += 1
    state.replay.add(example)
    user = state.users.touch(joined.user_id)
    _learn_personal(state, user, example.item, example.reward, shown=True)


def _learn_personal(state: State, user: User, item: int, reward: float, *, shown: bool) -> None:
    for model in state.personal:
        model.learn(user, item, reward, shown=shown)
