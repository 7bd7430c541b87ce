"""``POST /v1/recommend``, ``POST /v1/rank`` and ``POST /v1/recommend:batch``."""

from collections.abc import Collection
from time import perf_counter
from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from actors.auth.guard import Guard
from actors.errors import Overloaded, RuntimeFault, ShardUnavailable
from actors.http.bodies import JSON, decode_body, read_body
from actors.http.problems import retry_after
from actors.http.schema import RankBody, RecommendBody, RecommendManyBody
from actors.http.shards import Shards
from actors.settings import ServerSettings
from recsys import decision
from recsys.clock import now_ms
from recsys.errors import InvalidEvent

__all__ = ["RecommendRoutes"]

_JSON_TYPE: Final = JSON.encode()


class RecommendRoutes:
    """Makes requests of a body, asks the users' shards, and numbers what came back.

    Parameters
    ----------
    guard
        Knows how much callers may ask for; without one, any number.
    """

    def __init__(
        self, shards: Shards, settings: ServerSettings, guard: Guard | None = None
    ) -> None:
        self._shards = shards
        self._guard = guard
        self._limit = settings.http.max_body_bytes
        self._arms: Collection[str] = settings.engine.arms.keys()
        self._recommend_body = msgspec.json.Decoder(RecommendBody)
        self._most = settings.http.max_batch_lists
        self._many_body = msgspec.json.Decoder(RecommendManyBody)
        self._rank_body = msgspec.json.Decoder(RankBody)
        self._encoder = msgspec.json.Encoder()

    async def recommend(self, request: Request) -> Response:
        """Recommend items to a person; the decision is logged with its propensities."""
        started = perf_counter()
        body = decode_body(self._recommend_body, await read_body(request, self._limit))
        made = await self._shards.recommend(self._asked(body, now_ms()))
        return _Answer(_timed(made, started))

    async def rank(self, request: Request) -> Response:
        """Order the candidates for a person; logged like a recommendation."""
        started = perf_counter()
        body = decode_body(self._rank_body, await read_body(request, self._limit))
        asked = decision.Request(
            user_id=body.user_id,
            ts_ms=now_ms(),
            decision_id=self._shards.new_decision_id(body.user_id),
            n=len(set(body.candidates)) if body.n is None else body.n,
            context=body.context,
            candidates=body.candidates,
            arm=body.arm,
        )
        made = await self._shards.recommend(self._checked(asked, ""))
        return _Answer(_timed(made, started))

    async def recommend_many(self, request: Request) -> Response:
        """Recommend items to several people in one call; each decision is logged as by itself."""
        started = perf_counter()
        bodies = decode_body(self._many_body, await read_body(request, self._limit)).requests
        if len(bodies) > self._most:
            raise InvalidEvent("/requests", f"at most {self._most} requests, got {len(bodies)}")
        if self._guard is not None:
            self._guard.admit_lists(request, len(bodies))
        ts_ms = now_ms()
        asked = [
            self._asked(body, ts_ms, f"/requests/{index}") for index, body in enumerate(bodies)
        ]
        outcomes = await self._shards.recommend_all(asked)
        faults = [made for _, made in outcomes if isinstance(made, RuntimeFault)]
        if len(faults) == len(asked):
            # Nothing was made: the whole request can be answered like one.
            raise next(
                (fault for fault in faults if isinstance(fault, ShardUnavailable)), faults[0]
            )
        answer = _ManyMade(
            failed=len(faults),
            results=[
                _failed(index, made)
                if isinstance(made, RuntimeFault)
                else _Made(index, "ok", answer=msgspec.Raw(_timed(made, started)))
                for index, (_, made) in enumerate(outcomes)
            ],
        )
        return Response(
            self._encoder.encode(answer),
            status_code=207 if faults else 200,
            headers=retry_after() if faults else None,
            media_type=JSON,
        )

    def _asked(self, body: RecommendBody, ts_ms: int, at: str = "") -> decision.Request:
        asked = decision.Request(
            user_id=body.user_id,
            ts_ms=ts_ms,
            decision_id=self._shards.new_decision_id(body.user_id),
            n=body.n,
            context=body.context,
            candidates=body.candidates,
            exclude=body.exclude_item_ids,
            arm=body.arm,
        )
        return self._checked(asked, at)

    def _checked(self, asked: decision.Request, at: str) -> decision.Request:
        """Hold a request against its limits, and name each candidate once.

        Parameters
        ----------
        at
            Pointer of the request in the body.

        Raises
        ------
        InvalidEvent
            With a pointer into the body.
        """
        try:
            decision.validate_request(asked)
        except InvalidEvent as error:
            pointer = error.pointer.replace("/exclude", "/exclude_item_ids", 1)
            raise InvalidEvent(at + pointer, error.detail) from None
        if asked.arm is not None and asked.arm not in self._arms:
            arms = ", ".join(sorted(self._arms))
            raise InvalidEvent(f"{at}/arm", f"must be one of {arms}; got {asked.arm!r}")
        if asked.candidates is not None and len(set(asked.candidates)) != len(asked.candidates):
            unique = tuple(dict.fromkeys(asked.candidates))
            asked = msgspec.structs.replace(asked, candidates=unique)
        return asked


class _Made(msgspec.Struct):
    """A ``RecommendResult`` whose list was made into JSON by a shard."""

    index: int
    status: str
    answer: msgspec.Raw | None = None
    detail: str | None = None


class _ManyMade(msgspec.Struct):
    """A ``RecommendManyAnswer`` of such."""

    failed: int
    results: list[_Made]


class _Answer(Response):
    """A list, without the steps that other answers take."""

    # With what is set below, all that the base class sets for each.
    status_code = 200
    background = None

    def __init__(self, body: bytes) -> None:
        self.body = body
        length = b"%d" % len(body)
        self.raw_headers = [(b"content-length", length), (b"content-type", _JSON_TYPE)]


def _failed(index: int, fault: RuntimeFault) -> _Made:
    status = "overloaded" if isinstance(fault, Overloaded) else "unavailable"
    return _Made(index, status, detail=str(fault))


def _timed(made: bytes, started: float) -> bytes:
    """Return a ``RecommendAnswer`` of a ``ShownList``, both JSON."""
    return made[:-1] + b',"took_ms":%.3f}' % ((perf_counter() - started) * 1000)
