"""Events of a sender that leaves some out reach the log with the probability that they say."""

import math

import msgspec
import pytest

from actors.messages import Batch, decode
from recsys.client.schema import NewFeedback
from recsys.errors import InvalidEvent
from recsys.events import Feedback
from tests.servers import edge, served

SKIP = {"type": "skip", "user_id": "ann", "item_id": "i1"}


async def test_it_reaches_the_shard_in_json_and_msgpack() -> None:
    async with served() as server:
        made = NewFeedback(type="skip", user_id="ann", item_id="i1", survival=0.125)
        whole = NewFeedback(type="skip", user_id="ann", item_id="i2")
        assert "survival" not in msgspec.to_builtins(whole)
        for kind, body in (
            ("application/json", msgspec.json.encode([made, whole])),
            ("application/msgpack", msgspec.msgpack.encode([{**SKIP, "survival": 0.5}])),
            ("application/json", msgspec.json.encode([{**SKIP, "survival": None}])),
        ):
            answer = await server.client.post(
                "/v1/events", content=body, headers={"Content-Type": kind}
            )
            assert answer.status_code == 202
        batches = [decode(p, Batch) for _, method, p in server.port.calls if method == "append"]
        events = [event for batch in batches for event in batch.events]
        assert [event.survival for event in events if isinstance(event, Feedback)] == [
            0.125,
            1.0,
            0.5,
            1.0,
        ]


@pytest.mark.parametrize("survival", [0, -1, 0.009, 1.01, True, "0.5"])
async def test_what_is_no_probability_is_refused_at_the_edge(survival: object) -> None:
    async with edge() as client:
        answer = await client.post("/v1/events", json=[{**SKIP, "survival": survival}])
        assert answer.status_code == 422
        (error,) = answer.json()["errors"]
        assert error["pointer"] == "/0/survival"


async def test_nor_is_one_that_is_no_number() -> None:
    body = msgspec.msgpack.encode([{**SKIP, "survival": math.nan}])
    async with edge() as client:
        answer = await client.post(
            "/v1/events", content=body, headers={"Content-Type": "application/msgpack"}
        )
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["pointer"] == "/0/survival"


async def test_a_shard_refuses_it_too() -> None:
    async with served() as server:
        bad = Feedback(
            event_id="e", user_id="ann", ts_ms=1, type="skip", item_id="i", survival=0.001
        )
        with pytest.raises(InvalidEvent, match=r"/events/0/survival: must lie in \[0.01, 1\]"):
            await server.shards[0].call(
                "append", msgspec.msgpack.encode(Batch(events=(bad,), received_ms=1))
            )
