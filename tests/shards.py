"""What tests of one shard share."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
from typing_extensions import override

from actors.messages import Batch, ShownList, encode, encode_list
from actors.observer import Observer, Reason, Silent
from actors.settings import ServerSettings
from actors.shard import Shard
from recsys.clock import now_ms
from recsys.decision import Made, Recommendation, Request
from recsys.engine import Engine
from recsys.events import Decision, Feedback, ItemUpsert
from recsys.recommend import DEGRADED
from recsys.settings import EngineSettings, StoreSettings
from tests.servers import SETTINGS


def click(n: int, user_id: str = "ann") -> Feedback:
    return Feedback(
        event_id=f"e{n}", user_id=user_id, ts_ms=now_ms(), type="click", item_id=f"i{n}"
    )


def batch(*events: Feedback | ItemUpsert) -> bytes:
    return encode(Batch(events=events, received_ms=now_ms()))


def question(n: int) -> bytes:
    return encode(Request(user_id="ann", ts_ms=now_ms(), decision_id=f"d{n}", n=3))


def shown(made: bytes) -> ShownList:
    """Return the list of an answer."""
    return msgspec.json.decode(made, type=ShownList)


def shown_of(decision: Decision) -> ShownList:
    """Return what was to be seen of a decision."""
    slots = decision.slots
    made = Made(
        [slot.item_id for slot in slots],
        [slot.propensity for slot in slots],
        [slot.score for slot in slots],
        b"".join(slot.features for slot in slots),
        decision.features,
        degraded=decision.policy == DEGRADED,
    )
    asked = Request(user_id=decision.user_id, ts_ms=decision.ts_ms, decision_id=decision.event_id)
    return shown(
        encode_list(
            Recommendation(
                request=asked,
                made=made,
                policy=decision.policy,
                model_sequence=decision.model_sequence,
                fallback=decision.fallback,
            )
        )
    )


class Tally(Silent):
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.told: list[tuple[str | float, ...]] = []
        self.snapshot = asyncio.Event()

    @override
    def on_recommend(self, arm: str, seconds: float, *, fallback: bool) -> None:
        self.told.append(("recommend", arm, fallback))

    @override
    def on_commit(self, events: int, seconds: float) -> None:
        self.told.append(("commit", events))

    @override
    def on_folded(self, events: int, seconds: float) -> None:
        self.told.append(("folded", events))

    @override
    def on_rejected(self, reason: Reason, events: int) -> None:
        self.told.append(("rejected", reason, events))

    @override
    def on_snapshot(self, seconds: float) -> None:
        self.snapshot.set()


@asynccontextmanager
async def running(
    engine: Engine, settings: ServerSettings = SETTINGS, observer: Observer | None = None
) -> AsyncIterator[Shard]:
    shard = Shard(0, settings, engine, epoch=7, observer=observer)
    await shard.start()
    try:
        yield shard
    finally:
        await shard.stop()


def with_store(**store: float) -> ServerSettings:
    return ServerSettings(engine=EngineSettings(store=StoreSettings.model_validate(store)))
