"""How soon a click is seen: in the same person's next list, and in the lists of others elsewhere.

A server with a history that explores nothing, so that a list is what the server knows: the arm
``learner`` with the policy ``greedy`` for one's own clicks (``benchmarks.own_clicks``), the arm
``popularity`` for those of others (``benchmarks.bursts``). Others' clicks are watched by people of
another shard. People of the clickers' own shard watch, too, which shows that the method sees what
there is to see, and a burst without clicks shows that it sees nothing else. What is not seen within
ten seconds is said to be so, and there is no number then.
"""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from statistics import median
from typing import Final

import msgspec

from benchmarks import bursts, own_clicks
from benchmarks.bursts import Burst, burst
from benchmarks.figures import Quantiles, quantile
from benchmarks.own_clicks import Own
from benchmarks.people import shard_of
from benchmarks.warm import Warm, warm_server

__all__ = ["ENGINE", "Freshness", "conclude", "measure", "rows"]

_GREEDY: Final = {"kind": "greedy"}
ENGINE: Final = {
    "arms": {
        own_clicks.ARM: {"share": 1.0, "policy": _GREEDY},
        bursts.ARM: {"share": 0.0, "ranker": "popularity", "policy": _GREEDY},
    }
}
"""Whoever asks names the arm; so the shares are of no consequence."""
_UNCOUNTED: Final = 40
_CLICKERS: Final = 20
_WATCHERS: Final = 10
_WAIT_S: Final = 10.0
_SEED: Final = 1


class Freshness(msgspec.Struct, frozen=True):
    """What was measured.

    Attributes
    ----------
    own_p50_ms, own_p99_ms
        From the acknowledgement to the end of the list that shows the click; medians of the rounds.
    others_p50_ms, others_p99_ms
        Of all watchers on another shard; ``None`` where ``others_reason`` says why.
    same_shard_p99_ms
        Of watchers on the clickers' own shard.
    control_seen
        Watchers who saw a burst that there was not.
    """

    own_p50_ms: float | None
    own_p99_ms: float | None
    own_reason: str
    others_p50_ms: float | None
    others_p99_ms: float | None
    others_reason: str
    same_shard_p99_ms: float | None
    control_seen: int
    learned_before: int
    own: list[Own]
    other_shard: list[Burst]
    same_shard: list[Burst]


async def _bursts(
    url: str, people: Sequence[str], rounds: int, say: Callable[[str], None]
) -> tuple[list[Burst], list[Burst], Burst]:
    """Return those seen from another shard, from the same one, and the control."""
    clickers, near_watchers = _deal([one for one in people if shard_of(one) == 0])
    far_watchers = [one for one in people if shard_of(one) == 1]
    control = await burst(url, [], far_watchers[:_WATCHERS], tag="control", wait_s=_WAIT_S)
    far, near = list[Burst](), list[Burst]()
    for number in range(rounds):
        first = number * _CLICKERS
        some = [clickers[(first + place) % len(clickers)] for place in range(_CLICKERS)]
        for tag, watchers, found in (
            ("near", near_watchers, near),
            ("far", far_watchers, far),
        ):
            found.append(
                await burst(
                    url, some, watchers[:_WATCHERS], tag=f"burst-{number}-{tag}", wait_s=_WAIT_S
                )
            )
        say(
            f"burst {number + 1}: {len(near[-1].seen_ms)} of {_WATCHERS} watchers on the same "
            f"shard saw it, {len(far[-1].seen_ms)} of {_WATCHERS} on another"
        )
    return far, near, control


def _deal(people: Sequence[str]) -> tuple[Sequence[str], Sequence[str]]:
    """Return people twice, nobody on both sides."""
    return people[: len(people) // 2], people[len(people) // 2 :]


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
        When the server does not start, does not take what it is sent, or knows too few people.
    """
    say("a server learns the history ...")
    with warm_server(data, ENGINE, history=history, keep=keep) as warm:
        asked = _drawn(warm, _UNCOUNTED + 2 * rounds * people)
        mine = list[Own]()
        asyncio.run(own_clicks.own_clicks(warm.url, asked[:_UNCOUNTED], _SEED))
        for number in range(rounds):
            first = _UNCOUNTED + 2 * number * people
            some = asked[first : first + 2 * people]
            mine.append(asyncio.run(own_clicks.own_clicks(warm.url, some, _SEED + number)))
            say(f"own click until it is seen: {mine[-1].seen_ms.text('ms')}")
        far, near, control = asyncio.run(_bursts(warm.url, _drawn(warm, 0), rounds, say))
    return conclude(mine, far, near, control, learned_before=warm.learned)


def _drawn(warm: Warm, wanted: int) -> list[str]:
    """Return all that have a history in random order, of whom so many are wanted."""
    if len(warm.people) < wanted:
        message = f"{wanted:,} people are wanted and {len(warm.people):,} known: lower --people"
        raise RuntimeError(message)
    return Random(_SEED).sample(warm.people, len(warm.people))


def conclude(
    mine: Sequence[Own], far: Sequence[Burst], near: Sequence[Burst], control: Burst, *,
    learned_before: int,
) -> Freshness:  # fmt: skip
    """Sum up; no number for what was not seen."""
    unseen = sum(one.unseen for one in mine)
    own_reason = f"{unseen} clicks were never seen" if unseen else ""
    known: list[Quantiles] = [] if unseen else [one.seen_ms for one in mine]
    reason = _reason(far, near, control)
    seen = [ms for one in far for ms in one.seen_ms]
    close = [ms for one in near for ms in one.seen_ms]
    return Freshness(
        own_p50_ms=median(one.p50 or 0.0 for one in known) if known else None,
        own_p99_ms=median(one.p99 or 0.0 for one in known) if known else None,
        own_reason=own_reason,
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
    left = sum(one.control_left for one in found.own)
    return {
        "own click, from its acknowledgement": (
            f"{_pair(found.own_p50_ms, found.own_p99_ms, found.own_reason)} (medians of rounds); "
            f"{sum(one.by_next for one in found.own)} of {clicks} by the very next list"
        ),
        "an item that was not clicked left": f"{left} of {clicks} next lists (the control)",
        "others' clicks, same shard": (
            "not seen by all"
            if found.same_shard_p99_ms is None
            else f"p99 {found.same_shard_p99_ms:.1f} ms"
        ),
        "others' clicks, another shard": _pair(
            found.others_p50_ms, found.others_p99_ms, found.others_reason
        ),
    }


def _pair(p50: float | None, p99: float | None, reason: str) -> str:
    return (
        f"no number: {reason}" if p50 is None or p99 is None else f"p50 {p50:.1f}, p99 {p99:.1f} ms"
    )
