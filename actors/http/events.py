"""``POST /v1/events``: a batch is checked whole, split by user, and answered event by event."""

import math
from collections.abc import Sequence

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from actors.auth.guard import Guard
from actors.errors import RuntimeFault, ShardUnavailable
from actors.http.bodies import (
    JSON,
    MSGPACK,
    NDJSON,
    decode_body,
    decode_lines,
    media_type,
    read_body,
)
from actors.http.feedback import feedback_of
from actors.http.problems import Problem, retry_after
from actors.http.schema import EventBody, EventResult, EventsAnswer, EventsBody
from actors.http.shards import Shards
from actors.settings import ServerSettings
from recsys.clock import now_ms
from recsys.errors import InvalidEvent
from recsys.store.base import Append, Outcome

__all__ = ["EventRoutes"]


class EventRoutes:
    """Takes feedback in.

    Parameters
    ----------
    guard
        Knows how much callers may send; without one, any number.
    """

    def __init__(
        self, shards: Shards, settings: ServerSettings, guard: Guard | None = None
    ) -> None:
        self._shards = shards
        self._guard = guard
        self._http = settings.http
        self._json_list = msgspec.json.Decoder(list[EventBody])
        self._json_object = msgspec.json.Decoder(EventsBody)
        self._line = msgspec.json.Decoder(EventBody)
        self._msgpack_list = msgspec.msgpack.Decoder(list[EventBody])
        self._msgpack_object = msgspec.msgpack.Decoder(EventsBody)
        self._encoder = msgspec.json.Encoder()

    async def post(self, request: Request) -> Response:
        """Learn from feedback; what is answered as accepted is on the disk."""
        received_ms = now_ms()
        payload = await read_body(request, self._http.max_body_bytes, also=(NDJSON, MSGPACK))
        pointer, bodies = self._decode(media_type(request), payload)
        if len(bodies) > self._http.max_batch_events:
            detail = f"at most {self._http.max_batch_events} events, got {len(bodies)}"
            raise InvalidEvent(pointer, detail)
        skew_s = self._http.future_skew_s
        events = [
            feedback_of(body, f"{pointer}/{index}", received_ms, skew_s)
            for index, body in enumerate(bodies)
        ]
        admission = None if self._guard is None else self._guard.admit_events(request, events)
        capped = {} if admission is None else admission.capped
        taken = [index for index in range(len(events)) if index not in capped]
        if events and not taken:
            later = retry_after(min(capped.values()))
            raise Problem(429, "too many events about each of these people", headers=later)
        answers = await self._shards.append_all([events[index] for index in taken], received_ms)
        outcomes = dict(zip(taken, answers, strict=True))
        failures = {
            index: answer
            for index, (_, answer) in outcomes.items()
            if isinstance(answer, RuntimeFault)
        }
        if admission is not None:
            admission.give_back(failures)
        if failures and len(failures) == len(taken):
            # Nothing was taken: the whole request can be answered like one event.
            every = failures.values()
            raise next((f for f in every if isinstance(f, ShardUnavailable)), failures[taken[0]])
        results = [
            _capped(index, event.event_id, capped[index])
            if index in capped
            else _result(index, event.event_id, *outcomes[index])
            for index, event in enumerate(events)
        ]
        return self._answer(results, [1.0] * bool(failures) + list(capped.values()))

    def _decode(self, kind: str, payload: bytes) -> tuple[str, list[EventBody]]:
        """Return the pointer of the list and the list."""
        if kind == NDJSON:
            return "", decode_lines(self._line, payload)
        if kind == MSGPACK:
            if payload[:1] and (0x80 <= payload[0] <= 0x8F or payload[0] in {0xDE, 0xDF}):
                return "/events", decode_body(self._msgpack_object, payload).events
            return "", decode_body(self._msgpack_list, payload)
        if payload.lstrip()[:1] == b"{":
            return "/events", decode_body(self._json_object, payload).events
        return "", decode_body(self._json_list, payload)

    def _answer(self, results: Sequence[EventResult], waits: Sequence[float]) -> Response:
        """Return the answer; some of what failed can be sent again after one of these waits."""
        count = {"accepted": 0, "duplicate": 0, "conflict": 0, "unavailable": 0, "capped": 0}
        for result in results:
            count[result.status] += 1
        answer = EventsAnswer(
            accepted=count["accepted"],
            duplicates=count["duplicate"],
            failed=count["conflict"] + count["unavailable"] + count["capped"],
            results=tuple(results),
        )
        return Response(
            self._encoder.encode(answer),
            status_code=207 if answer.failed else 202,
            headers=retry_after(min(waits)) if waits else None,
            media_type=JSON,
        )


def _capped(index: int, event_id: str, wait_s: float) -> EventResult:
    detail = f"too many events about this person; there is room for one in {math.ceil(wait_s)} s"
    return EventResult(index=index, event_id=event_id, status="capped", detail=detail)


def _result(index: int, event_id: str, shard: int, answer: Append | RuntimeFault) -> EventResult:
    if isinstance(answer, RuntimeFault):
        return EventResult(
            index=index,
            event_id=event_id,
            status="unavailable",
            shard=shard,
            detail=f"{answer}; send it again with the same event_id",
        )
    conflict = answer.outcome is Outcome.CONFLICT
    return EventResult(
        index=index,
        event_id=event_id,
        status=answer.outcome.value,
        shard=shard,
        sequence=answer.sequence or None,
        detail="this id was there with other content; the first one stays" if conflict else None,
    )
