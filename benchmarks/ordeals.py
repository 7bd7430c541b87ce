"""A seeded plan of what befalls a server beside the death of shards."""

from collections.abc import Iterator
from random import Random
from typing import Final, Literal, get_args

import msgspec

from benchmarks.server import SHARDS

__all__ = ["HELD", "KINDS", "TITLES", "Kind", "Ordeal", "plan"]

Kind = Literal[
    "gateway", "haproxy", "manager", "controller", "front", "supervisor", "pause", "quota"
]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)

TITLES: Final[dict[Kind, tuple[str, ...]]] = {
    "gateway": ("ray::ServeReplica",),
    "haproxy": ("haproxy -",),
    "manager": ("ray::HAProxyManager", "haproxy -"),
    "controller": ("ray::ServeController",),
    "front": ("ray::ServeController", "ray::HAProxyManager", "haproxy -", "ray::ServeReplica"),
    "supervisor": ("ray::SupervisorActor",),
}
"""Who is killed, by what the processes call themselves."""

HELD: Final[tuple[Kind, ...]] = ("pause", "quota")
"""What a shard suffers for a while: stopped by SIGSTOP; not allowed to write to the disk."""

_LONGEST_S: Final = 2.0


class Ordeal(msgspec.Struct, frozen=True):
    """One thing that befalls a server that is well, until it is well again.

    Attributes
    ----------
    shard
        Whom it hits, of the kinds that are held.
    lasts_s
        For how long they are.
    meanwhile
        What is killed in the middle of it.
    pause_s
        Before, so that its moment is random.
    """

    kind: Kind
    shard: int = 0
    lasts_s: float = 0.0
    meanwhile: Kind | None = None
    pause_s: float = 0.0

    @property
    def name(self) -> str:
        """What happens, in some words."""
        held = f" of shard {self.shard} for {self.lasts_s:g} s" if self.kind in HELD else ""
        return f"{self.kind}{held}{f', {self.meanwhile} meanwhile' if self.meanwhile else ''}"


def plan(seed: int, pause_s: float, quota_s: float) -> Iterator[Ordeal]:
    """Draw without an end: all kinds, in any order, then all of them again.

    From the second round on something dies while a shard is stopped.
    """
    rng = Random(seed)
    lasting: dict[Kind, float] = {"pause": pause_s, "quota": quota_s}
    deaths: tuple[Kind, ...] = ("gateway", "supervisor", "controller")
    turn = 0
    while True:
        for kind in rng.sample(KINDS, len(KINDS)):
            yield Ordeal(
                kind=kind,
                shard=rng.randrange(SHARDS),
                lasts_s=lasting.get(kind, 0.0),
                meanwhile=rng.choice(deaths) if turn and kind == "pause" else None,
                pause_s=round(rng.random() * _LONGEST_S, 3),
            )
        turn += 1
