"""What must hold while a server goes through an ordeal, and after it."""

from collections.abc import Sequence
from typing import Final

from benchmarks.ordeals import Kind, Ordeal
from benchmarks.probes import Answer

__all__ = [
    "LIMIT_S",
    "broken_outages",
    "broken_while_full",
    "broken_while_stopped",
    "to_be_told",
]

LIMIT_S: Final[dict[Kind, float]] = {
    "gateway": 15.0,
    "haproxy": 15.0,
    "manager": 15.0,
    "controller": 1.5,
    "front": 45.0,
    "supervisor": 1.5,
    "pause": 5.0,
    "quota": 1.5,
}
"""Without a list, at the most: for those who were hit, and from the end of what was held. Where
nothing should be seen, a second and a half, for the processors are shared with what restarts."""

_OTHERS_S: Final = 1.5
"""Nobody else waits longer for a list."""
_DEADLINE_S: Final = 6.5
"""Of an answer by a shard that hangs: the gateway's patience, and a machine that is busy."""
_PATIENCE_S: Final = 12.0
"""A shard that is silent for so long is told of."""


def broken_outages(ordeal: Ordeal, outage_s: float, others_s: float) -> list[str]:
    """Return what is wrong with how long there were no lists, for those whom it hit and others."""
    limit_s = LIMIT_S[ordeal.kind] + (ordeal.lasts_s if ordeal.kind == "pause" else 0.0)
    if ordeal.meanwhile is not None:
        limit_s += LIMIT_S[ordeal.meanwhile]
    broken = []
    if outage_s > limit_s:
        broken.append(f"there was no list for {outage_s:.1f} s")
    if ordeal.meanwhile is None and others_s > _OTHERS_S:
        broken.append(f"people of other shards had no list for {others_s:.1f} s")
    return broken


def to_be_told(ordeal: Ordeal) -> list[str]:
    """Return what an operator must read of it."""
    if ordeal.meanwhile is not None:
        return []  # who tells may have died
    if ordeal.kind == "quota":
        return [f"shard {ordeal.shard}: it takes no events", f"shard {ordeal.shard} is well again"]
    if ordeal.kind == "pause" and ordeal.lasts_s > _PATIENCE_S:
        return [f"shard {ordeal.shard} is unavailable", f"shard {ordeal.shard} answers again"]
    return []


def broken_while_stopped(
    ordeal: Ordeal, lists: Sequence[Answer], acks: Sequence[Answer], freed_s: float
) -> list[str]:
    """Return what is wrong with answers to people whose shard was stopped.

    Parameters
    ----------
    lists, acks
        Asked for since it was, or refused since.
    freed_s
        Until when.
    """
    broken = []
    if any(one.good and one.answered_s < freed_s for one in (*lists, *acks)):
        broken.append("somebody served the people of a shard that was stopped")
    if ordeal.meanwhile is None:
        for what, answers in (("lists", lists), ("acks", acks)):
            broken += _impolite(what, answers, expected=ordeal.lasts_s > _DEADLINE_S)
    return broken


def broken_while_full(
    ordeal: Ordeal, lists: Sequence[Answer], acks: Sequence[Answer], freed_s: float
) -> list[str]:
    """Return what is wrong with answers to people whose shard could not write; as above."""
    broken = _impolite("acks", acks, expected=True)
    if any(one.good and one.answered_s < freed_s for one in acks):
        broken.append("something was acknowledged that cannot have been written")
    if any("cannot write" not in one.detail for one in acks if not one.good):
        broken.append("why nothing is acknowledged was not said")
    if any(not one.good for one in lists):
        broken.append("lists were refused because the store cannot write")
    return broken


def _impolite(what: str, answers: Sequence[Answer], *, expected: bool) -> list[str]:
    """Return what is wrong with refusals: each says in time that, and when, to ask again."""
    refusals = [answer for answer in answers if not answer.good]
    broken = [] if refusals or not expected else [f"no {what} were refused"]
    if any(one.status not in {429, 503} or not one.retry_after for one in refusals):
        broken.append(f"{what} were refused otherwise than by 503 and Retry-After")
    if any(answer.took_s > _DEADLINE_S for answer in answers):
        broken.append(f"{what} took longer than the deadline")
    return broken
