"""The fleet without Ray; with it, the integration tests."""

import pytest

from actors.fleet import RayFleet, ShardLost
from actors.handles import ShardHandle


async def test_a_shard_that_could_not_be_opened_is_lost_and_not_a_fault() -> None:
    def refuse(shard: int) -> ShardHandle:
        message = "Ray has no time"
        raise RuntimeError(message)

    fleet = RayFleet(refuse, lambda handle, for_good: None)
    with pytest.raises(RuntimeError):
        fleet.open(0)
    with pytest.raises(ShardLost, match="it is not open"):
        await fleet.ready(0, timeout_s=1.0)
