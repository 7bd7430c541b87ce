"""The benchmark of acknowledgements counts what was acknowledged, once."""

import asyncio

import pytest

from benchmarks.acks import measure
from benchmarks.streams import synthetic
from tests.servers import live


@pytest.mark.parametrize("batch", [1, 30])
def test_every_event_is_acknowledged(batch: int) -> None:
    events = synthetic(60, 1).events
    with live() as url:
        acked = asyncio.run(measure(url, events, batch, connections=2))
        with pytest.raises(RuntimeError, match="60 of 60, 60 repeated"):
            asyncio.run(measure(url, events, batch, connections=2))
    assert (acked.batch, acked.events) == (batch, 60)
    assert acked.ack_ms.count >= 60 // batch
    assert acked.per_second > 0
