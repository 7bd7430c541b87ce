"""The fold: what each kind of event teaches. Only this module changes a ``State``."""

import math
from collections.abc import Iterable, Iterator, Sequence

import msgspec
import numpy as np

from recsys.candidates.base import Asker
from recsys.choices import eligible
from recsys.errors import IncompatibleState
from recsys.events import (
    Adopt,
    Decision,
    Event,
    Feedback,
    ItemRemove,
    ItemUpsert,
    PartitionIn,
    PartitionOut,
    Tombstone,
    UserErase,
)
from recsys.features.base import Choice, Example, context_hashes, narrow
from recsys.features.table import NOWHERE, surface
from recsys.ids import feature_hash
from recsys.joiner import Joined, Passed, Pending, PendingSlot
from recsys.learners.trust import open_list, settle_list
from recsys.mixing.events import Averaged, Mixed, Mixing, Rebased
from recsys.mixing.fold import mixing
from recsys.mixing.note import note_click, note_like, note_list
from recsys.moving.fold import arrive, depart
from recsys.state import State
from recsys.users import User
from recsys.views import ArmStats, Base

__all__ = ["fold", "folding"]


def fold(state: State, sequence: int, event: Event) -> None:
    """Take one event of the log into the state.

    Parameters
    ----------
    sequence
        The event's place in the log; the caller goes through the log in order.
    """
    for _ in folding(state, sequence, event):
        pass


def folding(state: State, sequence: int, event: Event) -> Iterator[None]:
    """Do as ``fold`` in short steps, between which lists may be made, but nothing else learned.

    Only what other shards have learned takes more than one.
    """
    state.counters.sequence = sequence
    state.counters.clock_ms = max(state.counters.clock_ms, event.ts_ms)
    _pass_over(state, state.joiner.expire(state.counters.clock_ms))
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
        case Adopt():
            _adopt(state, event)
        case _:
            yield from _rearrange(state, event)


def _rearrange(state: State, event: Event) -> Iterator[None]:
    """Take an event that says who belongs here, or that another one no longer counts."""
    match event:
        case PartitionIn():
            _pass_over(state, arrive(state, event))
        case PartitionOut():
            depart(state, event)
        case UserErase():
            _erase(state, event)
        case Tombstone():
            state.counters.quarantined += event.cause not in {"erased", "contained"}
            if event.cause == "contained":
                state.ledger.lost_some(learned=state.counts.used)
        case Mixing() | Mixed() | Averaged() | Rebased():
            yield from mixing(state, event)


def _erase(state: State, event: UserErase) -> None:
    """Drop all that is a person's own; what they taught what all share stays in there."""
    user = state.users.get(event.user_id)
    if user is not None:
        for model in state.personal:
            model.forget(user)
        for source in state.sources:
            source.erase(user)
    state.users.erase(event.user_id, state.counters.sequence)
    state.joiner.erase(event.user_id)
    trait = feature_hash("user", event.user_id)
    state.examples.erase(trait)
    state.choices.erase(trait)
    state.meter.erase(trait)
    state.ledger.erase(trait)


def _adopt(state: State, event: Adopt) -> None:
    """Go on from the record of a refit, which is taught what came while it was made."""
    counters = state.counters
    before = counters.base.version
    missed = counters.choices - event.choices
    if event.version != before + 1 or missed < 0:
        message = (
            f"base version {event.version} after {event.choices} choices does not follow version "
            f"{before} after {counters.choices}: two refits at a time, or one of another log"
        )
        raise IncompatibleState(message)
    state.learner.adopt(event.record)
    for choice in state.choices.latest(missed):
        state.learner.choose(choice, ())
    counters.base = Base(
        version=event.version,
        digest=event.digest,
        sequence=counters.sequence,
        ts_ms=event.ts_ms,
        loss=event.loss,
        baseline=event.baseline,
    )


def _decision(state: State, event: Decision) -> None:
    user = state.users.touch(event.user_id)
    context = context_hashes(event.context)
    items = state.catalogue.indices([slot.item_id for slot in event.slots])
    slots = [
        PendingSlot(place, items[place], slot.propensity, slot.features, score=slot.score)
        for place, slot in enumerate(event.slots)
    ]
    known = items
    # A request may name any candidates; to be ranked does not bring one into the catalogue.
    if -1 in items:
        known = [item for item in items if item >= 0]
        for pending_slot, slot in zip(slots, event.slots, strict=True):
            if pending_slot.item < 0:
                pending_slot.item_id = slot.item_id
    shown = np.array(known, np.int32)
    new = state.features.show(shown, event.ts_ms, state.new_items.shown_below)
    if new:
        tokens = surface(context, len(slots))
        state.new_items.show(user, new, tokens, event.ts_ms)
    person = feature_hash("user", event.user_id)
    note_list(state, person, known, event.ts_ms)
    arm = _arm(state, event.policy)
    arm.decisions += 1
    arm.shown += len(slots)
    state.drift.ask_again(user, len(slots), event.ts_ms)
    trust = state.settings.learners.trust
    settle_list(user, state.learner, trust)
    # The scores of other rankers promised no reward: nobody can be held to them.
    promising = state.ranks_by_learning(event.policy)
    scores = [slot.score for slot in event.slots] if promising else []
    open_list(user, scores, state.settings.joiner.examination_decay, trust)
    user.shown += len(slots)
    user.last_seen_ms = max(user.last_seen_ms, event.ts_ms)
    user.seen.count(shown, state.settings.users.seen)
    if slots:
        pending = Pending(
            decision_id=event.event_id,
            user_id=event.user_id,
            arm=event.policy,
            ts_ms=event.ts_ms,
            user=person,
            context=context,
            slots=slots,
            shared=event.features,
        )
        _pass_over(state, state.joiner.open(pending))


def _arm(state: State, name: str) -> ArmStats:
    """Return what is counted of an arm, from its first list on."""
    arms = state.counters.arms
    if name not in arms:
        arms[name] = ArmStats()
    return arms[name]


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
    # What it earned stands for what was left out. What it says of the act itself does not: somebody
    # who stayed with an item did so once, whatever became of the others.
    earned = reward / event.survival
    joined = None
    if event.decision_id is not None:
        joined = state.joiner.feedback(
            event.user_id, event.decision_id, item, event.item_id, earned
        )
    if joined is None:
        if reward > 0.0:
            _found(state, user, item, event.ts_ms)
        _learn_personal(state, user, (item,), (state.joiner.bounded(earned),), shown=False)
    else:
        user.unrest.clicks += joined.first
        user.account.open_earned += state.joiner.bounded(earned)
        _credit(state, joined, earned, event.ts_ms)
        example = joined.example
        _learn_shared(state, 1, (example,))
        _learn_personal(state, user, (example.item,), (example.reward,), shown=True)
        if joined.choice is not None:
            _choose(state, joined.choice, listed=True)
    if reward > 0.0:
        _like(state, user, item, event, reward, again=joined is not None and not joined.first)


def _found(state: State, user: User, item: int, ts_ms: int) -> None:
    """Teach the learner what a person found by themselves, among what it would have considered.

    It learns less of that the more it has learned from lists, which alone say what lists earn; and
    to consider what nobody was shown costs as much as a request.
    """
    if not state.learner.from_choices or item in user.consumed:
        return
    share = state.found_share
    if share < 1.0 and feature_hash("found", str(state.counters.sequence)) / 2**32 >= share:
        return
    # An item that came with the feedback itself could not have been considered: it would teach that
    # whatever is new this very moment is chosen.
    if state.catalogue.created_ms[item] >= ts_ms:
        return
    asker = Asker.at(user, ts_ms, eligible(state, user))
    state.gather.propose(state.pool, asker)
    if state.pool.place_of[item] < 0:
        return
    cut = state.gather.best_proposed(state.pool, asker, state.settings.candidates.keep)
    place = np.flatnonzero(cut.items == item)
    if not len(place):
        return
    asked = state.features.ask(asker, cut, NOWHERE, 0)
    _choose(
        state,
        Choice(
            feature_hash("user", user.user_id),
            narrow(asked.logged_rows),
            narrow(asked.logged_shared),
            len(cut.items),
            int(place[0]),
            item=item,
        ),
        listed=False,
    )


def _choose(state: State, choice: Choice, *, listed: bool) -> None:
    """Teach the learner one choice, and a few old ones beside it."""
    if not state.learner.from_choices:
        return
    old = state.choices.sample(recent_only=state.drift.hurries)
    loss = state.learner.choose(choice, old, haste=state.drift.haste)
    if loss is not None:
        state.drift.learned(loss / math.log(choice.n), state.counters.clock_ms)
        state.counters.choices += 1
        state.counters.listed += listed
        state.counters.replayed += len(old)
        if not state.meter.take(choice, loss):
            state.choices.add(choice)


def _credit(state: State, joined: Joined, reward: float, ts_ms: int) -> None:
    """Count a slot's reward for its arm; its first positive feedback is a click."""
    # The list may have been shown by the shard from which its person came.
    arm = _arm(state, joined.arm)
    arm.reward += reward
    item = joined.example.item
    if joined.discovered:
        state.features.show(np.array([item], np.int32), ts_ms)
    note_click(state, joined, ts_ms)
    if joined.first:
        arm.clicks += 1
        state.counts.click(item)
        state.features.click(item, joined.shares, ts_ms, surface(*joined.surface))


def _like(
    state: State, user: User, item: int, event: Feedback, reward: float, *, again: bool
) -> None:
    """Teach the collaborative sources and the person's own history, once per act.

    Other feedback on the item that the person liked last (they stayed, they bought it) is the same
    act, and so is more on the same place of a list: it teaches by how much it says more than the
    strongest before it. Feedback of the same type that refers to no list is another act: a song is
    played again.

    Parameters
    ----------
    again
        Whether the place in the list that the feedback refers to had earned something before.
    """
    settings = state.settings
    if reward >= settings.catalogue.consumed_reward:
        user.consumed.add(item, settings.users.consumed)
    strength = min(reward, 1.0)
    same_act = user.last_liked == item and (again or event.type != user.liked_by)
    if same_act:
        more = strength - user.liked_strength
        if more > 0.0:
            before = msgspec.structs.replace(
                user, items=user.items[:-1], times_ms=user.times_ms[:-1]
            )
            note_like(state, before, item, event.ts_ms, more, again=True)
            for source in state.sources:
                source.learn(before, item, event.ts_ms, more)
            user.liked_by, user.liked_strength = event.type, strength
        return
    state.counts.like(item)
    pause_ms = event.ts_ms - int(user.times_ms[-1]) if len(user.times_ms) else None
    state.habits.like(item, pause_ms, len(user.items), event.ts_ms)
    note_like(state, user, item, event.ts_ms, strength, again=False)
    for source in state.sources:
        source.learn(user, item, event.ts_ms, strength)
    user.clicks += 1
    user.like(item, event.ts_ms, settings.users.history)
    user.liked_by, user.liked_strength = event.type, strength


def _pass_over(state: State, passed: Iterable[Passed]) -> None:
    """Teach the learners what earned nothing; a person's own a list at once.

    Nothing that it changes decides what comes.
    """
    for one in passed:
        n = len(one.slots)
        _learn_shared(state, n, one.examples())
        user = state.users.touch(one.pending.user_id)
        _learn_personal(
            state, user, [slot.item for slot in one.slots], [one.reward] * n, shown=True
        )


def _learn_shared(state: State, n: int, examples: Iterable[Example]) -> None:
    """Teach the learner examples, and a few old ones beside each.

    Parameters
    ----------
    n
        How many there are.
    """
    counters = state.counters
    counters.examples += n
    if not state.learner.from_examples:
        return
    for example in examples:
        state.learner.learn(example)
        for old in state.examples.sample():
            state.learner.learn(old)
            counters.replayed += 1
        state.examples.add(example)


def _learn_personal(
    state: State, user: User, items: Sequence[int], rewards: Sequence[float], *, shown: bool
) -> None:
    for model in state.personal:
        model.learn_list(user, items, rewards, shown=shown)
