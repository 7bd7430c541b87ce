"""``POST /v1/recommend`` and ``POST /v1/rank``."""

from collections.abc import Collection
from time import perf_counter

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from actors.http.bodies import JSON, decode_body, read_body
from actors.http.schema import RankBody, RecommendAnswer, RecommendBody, ShownItem
from actors.http.shards import Shards
from actors.settings import ServerSettings
from recsys import decision
from recsys.clock import now_ms
from recsys.errors import InvalidEvent

__all__ = ["RecommendRoutes"]


class RecommendRoutes:
    """Makes a request of a body, asks the user's shard, and numbers what came back."""

    def __init__(self, shards: Shards, settings: ServerSettings) -> None:
        self._shards = shards
        self._limit = settings.http.max_body_bytes
        self._arms: Collection[str] = settings.engine.arms.keys()
        self._recommend_body = msgspec.json.Decoder(RecommendBody)
        self._rank_body = msgspec.json.Decoder(RankBody)
        self._encoder = msgspec.json.Encoder()

    async def recommend(self, request: Request) -> Response:
        """Recommend items to a person; the decision is logged with its propensities."""
        started = perf_counter()
        body = decode_body(self._recommend_body, await read_body(request, self._limit))
        return await self._answer(
            decision.Request(
                user_id=body.user_id,
                ts_ms=now_ms(),
                decision_id=self._shards.new_decision_id(body.user_id),
                n=body.n,
                context=body.context,
                candidates=body.candidates,
                exclude=body.exclude_item_ids,
                arm=body.arm,
            ),
            started,
        )

    async def rank(self, request: Request) -> Response:
        """Order the candidates for a person; logged like a recommendation."""
        started = perf_counter()
        body = decode_body(self._rank_body, await read_body(request, self._limit))
        return await self._answer(
            decision.Request(
                user_id=body.user_id,
                ts_ms=now_ms(),
                decision_id=self._shards.new_decision_id(body.user_id),
                n=len(set(body.candidates)) if body.n is None else body.n,
                context=body.context,
                candidates=body.candidates,
                arm=body.arm,
            ),
            started,
        )

    async def _answer(self, asked: decision.Request, started: float) -> Response:
        _check(asked)
        if asked.arm is not None and asked.arm not in self._arms:
            arms = ", ".join(sorted(self._arms))
            raise InvalidEvent("/arm", f"must be one of {arms}; got {asked.arm!r}")
        if asked.candidates is not None and len(set(asked.candidates)) != len(asked.candidates):
            unique = tuple(dict.fromkeys(asked.candidates))
            asked = msgspec.structs.replace(asked, candidates=unique)
        recommendation = await self._shards.recommend(asked)
        made = recommendation.decision
        answer = RecommendAnswer(
            decision_id=made.event_id,
            items=tuple(
                ShownItem(
                    item_id=slot.item_id, rank=rank, score=slot.score, propensity=slot.propensity
                )
                for rank, slot in enumerate(made.slots, start=1)
            ),
            policy=made.policy,
            model_sequence=made.model_sequence,
            fallback=made.fallback,
            degraded=recommendation.degraded,
            unknown_items=recommendation.unknown_items,
            took_ms=round((perf_counter() - started) * 1000, 3),
        )
        return Response(self._encoder.encode(answer), media_type=JSON)


def _check(asked: decision.Request) -> None:
    """Hold the request against its limits; pointers go into the body."""
    try:
        decision.validate_request(asked)
    except InvalidEvent as error:
        pointer = error.pointer.replace("/exclude", "/exclude_item_ids", 1)
        raise InvalidEvent(pointer, error.detail) from None
