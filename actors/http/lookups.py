"""``GET`` of a user, of a decision, of the statistics, and of the server's health."""

from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from actors.http.bodies import JSON
from actors.http.paths import path_id
from actors.http.problems import Problem, retry_after
from actors.http.schema import Check, Liveness, Readiness
from actors.http.shards import Shards
from actors.kafka.stats import KafkaStats
from actors.messages import ShardStats

__all__ = ["LookupRoutes"]

_READY_S = 1.0
"""A shard that takes longer to say how it is doing does not take traffic well either."""


_NOT_WRITING: Final = "answers, but takes no events: its store cannot write"
_LOW_DISK: Final = "answers; its disk is almost full"


class LookupRoutes:
    """Answers questions about what is there.

    Parameters
    ----------
    discreet
        Whether who watches the server's health is told no names: of users, brokers and files.
    """

    def __init__(self, shards: Shards, *, discreet: bool = False) -> None:
        self._shards = shards
        self._discreet = discreet
        self._encoder = msgspec.json.Encoder()

    async def user(self, request: Request) -> Response:
        """Show what the server knows about a person."""
        view = await self._shards.user(path_id(request, "user_id"))
        if view is None:
            raise Problem(404, "this user is not known")
        return self._answer(view)

    async def decision(self, request: Request) -> Response:
        """Show a decision as it was logged, with its propensities."""
        decision = await self._shards.decision(path_id(request, "decision_id"))
        if decision is None:
            raise Problem(404, "no decision has this id, or its log has been cut since")
        return self._answer(decision)

    async def stats(self, request: Request) -> Response:
        """Show the state of all shards, and the arms of the experiment summed over them."""
        return self._answer(await self._shards.stats())

    async def live(self, request: Request) -> Response:
        """Say that the process is there."""
        return self._answer(Liveness())

    async def ready(self, request: Request) -> Response:
        """Say whether every shard answers.

        One that cannot write still makes lists, which is more than no server would do.
        """
        stats = await self._shards.stats(_READY_S)
        checks = {
            shard.shard: Check(
                name=f"shard {shard.shard}",
                ok=True,
                detail=_state_of(shard),
            )
            for shard in stats.shards
        }
        for down in stats.unavailable:
            checks[down.shard] = Check(name=f"shard {down.shard}", ok=False, detail=down.detail)
        # Of Kafka only what is: a server that cannot read it still answers, and learns over HTTP.
        kafka = tuple(
            _check_of(shard.shard, shard.kafka, discreet=self._discreet)
            for shard in stats.shards
            if shard.kafka
        )
        ready = not stats.unavailable
        answer = Readiness(
            status="ready" if ready else "not ready",
            checks=(*(checks[shard] for shard in sorted(checks)), *kafka),
        )
        return Response(
            self._encoder.encode(answer),
            status_code=200 if ready else 503,
            headers=None if ready else retry_after(),
            media_type=JSON,
        )

    def _answer(self, answer: msgspec.Struct) -> Response:
        return Response(self._encoder.encode(answer), media_type=JSON)


def _state_of(shard: ShardStats) -> str:
    """Return how a shard is that answers."""
    if not shard.writing:
        return _NOT_WRITING
    return _LOW_DISK if shard.disk_low else "answers"


def _check_of(shard: int, kafka: KafkaStats, *, discreet: bool) -> Check:
    """Return the check of one shard's reading from Kafka; readiness does not depend on it."""
    troubles = [f"data_gap: {gap.cause}" if discreet else str(gap) for gap in kafka.gaps]
    if kafka.state != "reading" or kafka.detail:
        why = "why is in /v1/stats" if discreet else kafka.detail
        troubles.append(f"{kafka.state}: {why}")
    detail = "; ".join(troubles) or "reading"
    return Check(name=f"kafka of shard {shard}", ok=not troubles, detail=detail)
