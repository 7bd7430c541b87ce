"""What one seed decides before anything happens: how small the shard is, and what goes wrong."""

import random
from dataclasses import dataclass
from typing import Literal, Self

from actors.settings import ServerSettings
from recsys.settings import ArmSettings, StoreSettings, UniformSettings
from tests.simulation.disk import Troubles
from tests.tiny import RANKERS

__all__ = ["End", "Plan", "troubles"]

End = Literal["cut", "kill", "stop"]
"""How a life of the shard ends unless something else ends it: power, ``kill -9``, on request."""

_ARMS = {
    "learner": ArmSettings(share=0.7),
    "random": ArmSettings(share=0.3, ranker="random", policy=UniformSettings()),
}
_SERVER = ServerSettings()
_RARE_ONE_IN = 8
"""An engine on Vowpal Wabbit takes forty times as long to make."""
_RARE = {0: "vw", 1: "ftrl"}


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The scale of one simulated world.

    Attributes
    ----------
    log_events
        Retention of the log; most worlds keep all.
    checkpoint_pages
        How soon SQLite copies its log into the file.
    clients, deeds
        How many there are, and how much each of them does.
    lives
        How often something may go wrong before the rest goes well.
    records
        Records of the outside log.
    """

    settings: ServerSettings
    log_events: int
    checkpoint_pages: int
    clients: int
    deeds: int
    lives: int
    records: int

    @classmethod
    def draw(cls, chance: random.Random) -> Self:
        """Draw one."""
        ranker = _RARE.get(chance.randrange(_RARE_ONE_IN), "listwise")
        tiny = RANKERS[ranker]
        store = StoreSettings(
            snapshot_every_s=chance.choice((0.03, 0.1, 0.5)),
            commit_events=chance.choice((1, 3, 10, 100)),
            queue_events=chance.choice((2, 8, 20_000)),
        )
        users = tiny.users.model_copy(update={"in_memory": chance.choice((1, 2, 10))})
        engine = tiny.model_copy(
            update={"store": store, "users": users, "arms": _ARMS, "seed": chance.randrange(1000)}
        )
        return cls(
            settings=_SERVER.model_copy(update={"engine": engine}),
            log_events=chance.choice((10_000, 10_000, 10_000, 15)),
            checkpoint_pages=chance.choice((10, 60, 8000)),
            clients=chance.randint(1, 3),
            deeds=chance.randint(4, 9),
            lives=chance.randint(1, 5),
            records=chance.choice((0, 15, 40)),
        )


def troubles(chance: random.Random, *, opening: bool) -> Troubles:
    """Draw what goes wrong with a disk during one life of the shard.

    Parameters
    ----------
    opening
        Whether it is to happen while the shard is still opening.
    """
    start = chance.randint(1, 40) if opening else chance.randint(1, chance.choice((40, 300)))
    match chance.choice(("cut", "cut", "cut", "flush", "flush", "full", "full", "read", "none")):
        case "cut":
            return Troubles(cut_at=start)
        case "full":
            return Troubles(full=range(start, start + chance.randint(1, 60)))
        case "flush":
            return Troubles(flush_fails_at=start)
        case "read":
            return Troubles(read_fails_at=chance.randint(1, 60))
        case _:
            return Troubles()
