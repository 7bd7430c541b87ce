"""How soon a click is seen: in the same person's next list, and in the lists of others elsewhere.

**Own.** Somebody asks for a list, clicks on one of its items, and asks again from the
acknowledgement on until the list has changed; what is measured ends with the last byte of the first
changed answer. Lists must not change by themselves, so the server explores nothing: its only arm is
``learner`` with the policy ``greedy``, and new items get no advance. A clicked item leaves the list
in any case, because it is consumed; ``reordered`` counts the lists in which more than that has
changed. As a control others ask twice without a click.

**Others.** Ten new items with the same attributes are ranked by watchers. The five that stand last
for them are clicked by twenty people of another shard in one request; from its acknowledgement on
each watcher asks again until those five stand first. The same with clickers of the watchers' own
shard shows that the method sees what there is to see, and a round without clicks that it sees
nothing else. What is not seen within ten seconds is said to be so, and there is no number then.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from random import Random
from statistics import median
from time import perf_counter
from typing import Final

import msgspec

from benchmarks.changes import Change, ChangeSummary, Still, reordered, summary
from benchmarks.connection import Address, Connection, do
from benchmarks.figures import quantile
from benchmarks.people import shard_of
from benchmarks.warm import LIST, Warm, warm_server
from recsys.client import Item, NewFeedback, Recommended
from recsys.client.calls import put_items, rank, recommend, send_events
from recsys.datasets import read_items
from recsys.events import Attributes

__all__ = ["Burst", "Freshness", "Watch", "measure", "others", "own", "rows"]

ENGINE: Final = {
    "candidates": {"fresh": {"weight": 0.0}},
    "arms": {"learner": {"share": 1.0, "policy": {"kind": "greedy"}}},
}
_UNCOUNTED: Final = 20
"""People before those who count."""
_MOST_ASKS: Final = 50
"""Then a list counts as unchanged."""
_ITEMS: Final = 10
_CLICKERS: Final = 20
_WATCHERS: Final = 10
_WAIT_S: Final = 10.0
_POLL_S: Final = 0.02
_SEED: Final = 1


class Burst(msgspec.Struct, frozen=True):
    """One burst of clicks.

    Attributes
    ----------
    seen_ms
        From its acknowledgement, of each watcher who saw it in time.
    """

    watchers: int
    seen_ms: list[float]

    @property
    def all_saw(self) -> bool:
        """Whether every watcher did."""
        return len(self.seen_ms) == self.watchers


class Freshness(msgspec.Struct, frozen=True):
    """What was measured.

    Attributes
    ----------
    own_p50_ms, own_p99_ms
        Medians of the rounds; ``own`` has the rounds.
    others_p50_ms, others_p99_ms
        Of all watchers on another shard; ``None`` where ``others_reason`` says why.
    same_shard_p99_ms
        Of watchers on the clickers' own shard.
    control_seen
        Watchers who "saw" a burst that there was not.
    """

    own_p50_ms: float | None
    own_p99_ms: float | None
    others_p50_ms: float | None
    others_p99_ms: float | None
    others_reason: str
    same_shard_p99_ms: float | None
    control_seen: int
    learned_before: int
    own: list[ChangeSummary]
    other_shard: list[Burst]
    same_shard: list[Burst]


class Watch:
    """Asks, clicks and watches over one connection, with the people of a history.

    Parameters
    ----------
    genres
        First genre by item id.
    """

    def __init__(
        self, url: str, connection: Connection, genres: Mapping[str, str], rng: Random
    ) -> None:
        self._url = url
        self._connection = connection
        self._genres = genres
        self._rng = rng

    async def click(self, user_id: str) -> Change:
        """Let somebody click once, and wait for the change."""
        shown = await self._ask(user_id)
        before = _ids(shown)
        clicked = self._rng.choice(before)
        click = NewFeedback(
            type="click", user_id=user_id, item_id=clicked, decision_id=shown.decision_id
        )
        sent_s = perf_counter()
        accepted = (await do(self._connection, self._url, send_events([click]))).accepted
        acked_s = perf_counter()
        if accepted != 1:
            message = f"a click of {user_id} was not accepted"
            raise RuntimeError(message)
        after, asks, changed = before, 0, False
        while not changed and asks < _MOST_ASKS:
            after, asks = _ids(await self._ask(user_id)), asks + 1
            changed = after != before
        answered_s = perf_counter()
        return Change(
            ack_ms=(acked_s - sent_s) * 1000.0,
            change_ms=(answered_s - acked_s) * 1000.0 if changed else None,
            asks=asks,
            reordered=reordered(before, after, clicked),
            newcomers=len(set(after) - set(before)),
            kin_before=self._kin(before, clicked),
            kin_after=self._kin(after, clicked),
        )

    async def stay(self, user_id: str, pause_s: float) -> Still:
        """Let somebody ask twice without a click."""
        before = _ids(await self._ask(user_id))
        await asyncio.sleep(pause_s)
        after = _ids(await self._ask(user_id))
        return Still(after != before, len(set(after) - set(before)))

    async def _ask(self, user_id: str) -> Recommended:
        call = recommend(user_id, n=LIST, context={}, candidates=None, exclude=(), arm=None)
        return await do(self._connection, self._url, call)

    def _kin(self, items: Sequence[str], clicked: str) -> int:
        genre = self._genres.get(clicked)
        return sum(item != clicked and self._genres.get(item) == genre for item in items)


def _ids(shown: Recommended) -> list[str]:
    return [item.item_id for item in shown.items]


async def own(
    url: str, people: Sequence[str], genres: Mapping[str, str], *, rounds: int, seed: int
) -> list[ChangeSummary]:
    """Let all people but the first few click once or, as many, not; a summary for each round.

    Raises
    ------
    RuntimeError
        When a click was not accepted.
    """
    connection = await Connection.to(Address.of(url))
    watch = Watch(url, connection, genres, Random(seed))
    changes, still = list[Change](), list[Still]()
    pairs = list(zip(people[::2], people[1::2], strict=False))
    for clicks, stays in pairs:
        change = await watch.click(clicks)
        changes.append(change)
        still.append(await watch.stay(stays, change.ack_ms / 1000.0))
    connection.close()
    counted = changes[-(len(pairs) - _UNCOUNTED) :], still[-(len(pairs) - _UNCOUNTED) :]
    edges = [round(part * len(counted[0]) / rounds) for part in range(rounds + 1)]
    return [summary(counted[0][a:b], counted[1][a:b]) for a, b in pairwise(edges)]


async def others(
    url: str, clickers: Sequence[str], watchers: Sequence[str], attributes: Attributes, tag: str,
    *, wait_s: float = _WAIT_S,
) -> Burst:  # fmt: skip
    """Let new items be clicked by some and watched by others.

    Parameters
    ----------
    clickers
        Nobody for the control.
    tag
        Begins the ids of the items, which must be new.
    wait_s
        For so long from the acknowledgement.
    """
    lines = [await Connection.to(Address.of(url)) for _ in watchers]
    items = [f"{tag}-{number}" for number in range(_ITEMS)]
    await do(lines[0], url, put_items([Item(item, attributes) for item in items]))
    question = [rank(watcher, items, n=len(items), context={}, arm=None) for watcher in watchers]
    places = dict.fromkeys(items, 0)
    for line, call in zip(lines, question, strict=True):
        for place, item in enumerate(_ids(await do(line, url, call))):
            places[item] += place
    last = sorted(items, key=lambda item: -places[item])[: _ITEMS // 2]
    burst = [
        NewFeedback(type="click", user_id=clicker, item_id=item)
        for clicker in clickers
        for item in last
    ]
    if burst and (await do(lines[0], url, send_events(burst))).accepted != len(burst):
        raise RuntimeError("a burst of clicks was not accepted")
    acked_s = perf_counter()
    seen_ms = list[float]()

    async def look(line: Connection, place: int) -> None:
        while perf_counter() < acked_s + wait_s:
            shown = _ids(await do(line, url, question[place]))
            if set(shown[: len(last)]) == set(last):
                seen_ms.append((perf_counter() - acked_s) * 1000.0)
                return
            await asyncio.sleep(_POLL_S)

    async with asyncio.TaskGroup() as group:
        for place, line in enumerate(lines):
            group.create_task(look(line, place))
    for line in lines:
        line.close()
    return Burst(len(watchers), seen_ms)


async def _bursts(
    warm: Warm, attributes: Attributes, rounds: int, say: Callable[[str], None]
) -> tuple[list[Burst], list[Burst], Burst]:
    """Return those seen from another shard, from the same one, and the control."""
    people = Random(_SEED).sample(warm.people, len(warm.people))
    here = [person for person in people if shard_of(person) == 0]
    there = [person for person in people if shard_of(person) == 1]
    n = _CLICKERS + _WATCHERS
    control = await others(warm.url, [], there[:_WATCHERS], attributes, "control")
    far, near = list[Burst](), list[Burst]()
    for number in range(rounds):
        some = here[number * n : (number + 1) * n]
        far_watchers = there[(number + 1) * _WATCHERS : (number + 2) * _WATCHERS]
        tag = f"burst-{number}"
        near.append(
            await others(warm.url, some[:_CLICKERS], some[_CLICKERS:], attributes, f"{tag}-near")
        )
        far.append(await others(warm.url, some[:_CLICKERS], far_watchers, attributes, f"{tag}-far"))
        say(
            f"burst {number + 1}: {len(near[-1].seen_ms)} of {_WATCHERS} watchers on the same "
            f"shard saw it, {len(far[-1].seen_ms)} of {_WATCHERS} on another"
        )
    return far, near, control


def measure(
    data: Path, *, rounds: int, people: int, history: int | None, keep: Path | None,
    say: Callable[[str], None],
) -> Freshness:  # fmt: skip
    """Measure a server of our own.

    Parameters
    ----------
    people
        Who click once, per round.
    history, keep
        See ``warm_server``.

    Raises
    ------
    RuntimeError
        When the server does not start, or does not take what it is sent.
    """
    say("a server learns the history ...")
    items = (read_items(data) or {}) if data.is_dir() else {}
    genres = {item: _first(attributes) for item, attributes in items.items()}
    with warm_server(data, ENGINE, history=history, keep=keep) as warm:
        asked = Random(_SEED).sample(warm.people, len(warm.people))
        wanted = 2 * (_UNCOUNTED + rounds * people)
        if len(asked) < wanted:
            message = f"{wanted:,} people are wanted and {len(asked):,} are known: name fewer"
            raise RuntimeError(message)
        mine = asyncio.run(own(warm.url, asked[:wanted], genres, rounds=rounds, seed=_SEED))
        for one in mine:
            say(f"own click to changed list: {one.change_ms.text('ms')}")
        attributes = next(iter(items.values()), {})
        far, near, control = asyncio.run(_bursts(warm, attributes, rounds, say))
    return conclude(mine, far, near, control, learned_before=warm.learned)


def _first(attributes: Attributes) -> str:
    genres = attributes.get("genres", ())
    return str(next(iter(genres), "")) if isinstance(genres, Sequence) else str(genres)


def conclude(
    mine: Sequence[ChangeSummary], far: Sequence[Burst], near: Sequence[Burst], control: Burst, *,
    learned_before: int,
) -> Freshness:  # fmt: skip
    """Sum up; no number for what was not seen."""
    reason = _reason(far, near, control)
    seen = [ms for one in far for ms in one.seen_ms]
    close = [ms for one in near for ms in one.seen_ms]
    unchanged = sum(one.unchanged for one in mine)
    known = [one.change_ms for one in mine] if not unchanged else []
    return Freshness(
        own_p50_ms=median(one.p50 or 0.0 for one in known) if known else None,
        own_p99_ms=median(one.p99 or 0.0 for one in known) if known else None,
        others_p50_ms=None if reason else quantile(seen, 0.5),
        others_p99_ms=None if reason else quantile(seen, 0.99),
        others_reason=reason,
        same_shard_p99_ms=quantile(close, 0.99) if all(one.all_saw for one in near) else None,
        control_seen=len(control.seen_ms),
        learned_before=learned_before,
        own=list(mine),
        other_shard=list(far),
        same_shard=list(near),
    )


def _reason(far: Sequence[Burst], near: Sequence[Burst], control: Burst) -> str:
    """Return why there is no number for others, or nothing."""
    if control.seen_ms:
        return f"{len(control.seen_ms)} watchers saw clicks that there were not"
    if not all(one.all_saw for one in near):
        return f"not even all watchers on the clickers' own shard saw it within {_WAIT_S:g} s"
    unseen = sum(one.watchers - len(one.seen_ms) for one in far)
    if unseen:
        total = sum(one.watchers for one in far)
        return f"{unseen} of {total} watchers on another shard saw nothing within {_WAIT_S:g} s"
    return ""


def rows(found: Freshness) -> dict[str, str]:
    """Return what people read."""
    clicks = sum(one.clicks for one in found.own)
    changed = clicks - sum(one.unchanged for one in found.own)
    more = sum(one.reordered for one in found.own)
    still = sum(one.still_changed for one in found.own)
    near = found.same_shard_p99_ms
    return {
        "own click, acknowledgement to changed list": (
            f"p50 {found.own_p50_ms:.1f}, p99 {found.own_p99_ms:.1f} ms (medians of rounds)"
            if found.own_p50_ms is not None and found.own_p99_ms is not None
            else "no number: not all lists changed"
        ),
        "lists changed": (
            f"{changed} of {clicks}, {sum(one.one_ask for one in found.own)} by the next answer; "
            f"beyond the item leaving: {more}; without a click: {still}"
        ),
        "others' clicks, same shard": "not seen" if near is None else f"p99 {near:.0f} ms",
        "others' clicks, another shard": (
            f"p50 {found.others_p50_ms:.0f}, p99 {found.others_p99_ms:.0f} ms"
            if found.others_p50_ms is not None and found.others_p99_ms is not None
            else f"no number: {found.others_reason}"
        ),
    }
