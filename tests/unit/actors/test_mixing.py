"""Shards that mix: what one of them is told, all know; whoever is away holds nobody up."""

import asyncio

import pytest

from actors.errors import MixFailed, Overloaded, ShardUnavailable
from actors.messages import MIX, Method, encode
from actors.mix_calls import Hear, TellBase
from recsys.mixing.settings import MixSettings
from tests.mixers import mixed


async def test_what_one_shard_sees_all_know_after_a_round_and_once() -> None:
    async with mixed() as server:
        await server.rounds()
        await server.like(0, "a", "b", n=3)
        await server.like(1, "b", "c", n=2)
        await server.rounds(5)
        for shard in range(3):
            assert [server.liked(shard, one) for one in "abc"] == [3.0, 5.0, 2.0]
        await server.like(2, "a")
        await server.rounds(2)
        assert [server.liked(shard, "a") for shard in range(3)] == [4.0, 4.0, 4.0]


async def test_what_others_do_is_no_event_of_ours() -> None:
    async with mixed(2) as server:
        await server.rounds()
        await server.like(0, "a", n=5)
        before = server.shards[1].stats()
        await server.rounds(2)
        after = server.shards[1].stats()
        assert after.engine.sequence > before.engine.sequence
        assert after.events_per_second == before.events_per_second == 0.0
        assert after.freshness_p50_ms is None
        assert after.mix is not None
        assert after.mix.taken == 1


async def test_a_shard_that_is_away_holds_nobody_up_and_hears_all_when_it_is_back() -> None:
    async with mixed() as server:
        await server.rounds()
        server.port.faults[1] = ShardUnavailable(1, "it is restarting")
        await server.like(0, "a", n=4)
        await server.like(1, "b", n=2)
        await server.rounds(3)
        assert server.liked(2, "a") == 4.0
        assert server.liked(1, "a") == 0.0
        with pytest.raises(ShardUnavailable):
            await server.mixer.round(1)
        server.port.faults.clear()
        await server.rounds(2)
        for shard in range(3):
            assert (server.liked(shard, "a"), server.liked(shard, "b")) == (4.0, 2.0)


async def test_a_mixer_that_begins_anew_counts_nothing_twice() -> None:
    async with mixed() as server:
        await server.rounds()
        await server.like(0, "a", n=4)
        await server.mixer.round(0)
        await server.mixer.round(1)
        server.mixer = server.another_mixer()
        await server.like(2, "a", n=3)
        await server.rounds(4)
        assert [server.liked(shard, "a") for shard in range(3)] == [7.0, 7.0, 7.0]


async def test_who_has_missed_too_much_gets_all_that_another_knows() -> None:
    async with mixed(2) as server:
        await server.rounds()
        await server.like(0, "first")
        await server.rounds(2)
        server.port.faults[1] = ShardUnavailable(1, "it is restarting")
        await server.like(1, "mine")
        name = server.engines[0].mix.position.shard
        for _ in range(8):
            await server.like(0, "a", "b", "c", n=10)
            await server.mixer.round(0)
        # As after hours: nobody keeps what it lacks.
        line = server.mixer.mixer._lines[name]  # noqa: SLF001
        while len(line) > 1:
            line.drop_first()
        server.port.faults.clear()
        await server.rounds(3)
        assert any("missed too much" in notice for notice in server.notices)
        for shard in range(2):
            assert [server.liked(shard, one) for one in ("a", "mine")] == [80.0, 1.0]


async def test_one_base_is_enough_whatever_its_donor_does_meanwhile(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with mixed(2) as server:
        await server.rounds()
        await server.like(0, "first")
        await server.rounds(2)
        name = server.engines[0].mix.position.shard
        await server.like(0, "a", n=2)
        await server.mixer.round(0)
        server.mixer.mixer._lines[name].drop_first()  # noqa: SLF001
        call = server.port.call

        async def slow(shard: int, method: Method, payload: bytes, timeout_s: float) -> bytes:
            if payload != encode(TellBase(0)):
                return await call(shard, method, payload, timeout_s)
            # A base takes a while: its donor goes on, and is heard meanwhile.
            await server.like(0, "a")
            answer = await call(shard, method, payload, timeout_s)
            await server.like(0, "a")
            await server.mixer.round(0)
            return answer

        monkeypatch.setattr(server.port, "call", slow)
        for _ in range(4):
            await server.rounds()
            await server.like(0, "a")
        await server.rounds()
        assert len([one for one in server.notices if "missed too much" in one]) == 1
        assert [server.liked(shard, "a") for shard in range(2)] == [8.0, 8.0]
        assert not server.engines[1].mix.position.missed


async def test_who_would_lose_by_a_base_goes_on_without_one_and_says_so() -> None:
    async with mixed(2) as server:
        await server.like(1, "before", n=3)
        await server.rounds(2)
        name = server.engines[0].mix.position.shard
        await server.like(0, "missed", n=2)
        await server.mixer.round(0)
        line = server.mixer.mixer._lines[name]  # noqa: SLF001
        line.drop_first()
        upto = line.upto
        await server.like(0, "a", n=4)
        await server.rounds(3)
        assert [server.liked(1, one) for one in ("before", "missed", "a")] == [3.0, 0.0, 4.0]
        assert server.engines[1].mix.position.missed == {name: 1}
        [notice] = server.notices
        assert notice.startswith("shard 1 goes on without some of what others have seen")
        assert "before it mixed" in notice
        assert notice.endswith(f"to {upto} of shard 0")


async def test_a_ranker_is_reported_no_more_often_than_it_is_averaged() -> None:
    async with mixed(2, MixSettings(ranker_every_s=3600)) as server:
        await server.like(0, *"abcdefgh", n=10)
        await server.rounds()
        assert server.mixer.mixer.rankers()
        await server.like(0, *"abcdefgh", n=10)
        await server.rounds(2)
        assert not server.mixer.mixer.rankers()


async def test_rankers_come_together() -> None:
    async with mixed(2, MixSettings(ranker_every_s=1e-9)) as server:
        await server.rounds()
        await server.like(0, *"abcdefgh", n=10)
        await server.like(1, *"hgfedcba", n=10)
        for _ in range(3):
            await server.like(0, *"abcdefgh", n=3)
            await server.rounds()
            server.mixer._answers.update(server.mixer.mixer.rankers())  # noqa: SLF001
        await server.rounds()
        versions = [engine.state.ledger.version for engine in server.engines]
        assert versions == [3, 3]
        assert all(engine.stats().failed == 0 for engine in server.engines)


async def test_an_overloaded_shard_is_left_alone_until_the_next_round() -> None:
    async with mixed(2) as server:
        await server.rounds()
        await server.like(0, "a")
        await server.mixer.round(0)
        server.port.faults[1] = Overloaded(1, 1.0)
        with pytest.raises(Overloaded):
            await server.mixer.round(1)
        server.port.faults.clear()
        await server.rounds()
        assert server.liked(1, "a") == 1.0


async def test_shards_that_shall_not_mix_do_not() -> None:
    async with mixed(2, MixSettings(enabled=False)) as server:
        with pytest.raises(MixFailed, match="does not mix"):
            await server.shards[0].call(MIX, encode(Hear()))
        assert server.shards[0].stats().mix is None


async def test_a_part_of_a_base_is_told_after_those_before_it() -> None:
    async with mixed(2) as server:
        await server.rounds()
        with pytest.raises(MixFailed, match="begin with 0"):
            await server.shards[0].call(MIX, encode(TellBase(3)))


async def test_a_mixer_at_work_goes_on_whatever_shards_do() -> None:
    quick = MixSettings(every_s=0.01, ranker_every_s=0.01)
    async with mixed(3, quick) as server, asyncio.timeout(30):
        server.port.faults[2] = RuntimeError("nobody thought of this")
        server.mixer.start()
        while not server.engines[0].mix.position.shard:  # noqa: ASYNC110 - nobody is told of it
            await asyncio.sleep(0.01)
        await server.like(0, "a")
        while server.liked(1, "a") < 1.0:  # noqa: ASYNC110 - nobody is told of it
            await asyncio.sleep(0.01)
        assert server.notices == [
            "the mixing of shard 2 failed and goes on: RuntimeError: nobody thought of this"
        ]
        server.port.faults.clear()
        while server.liked(2, "a") < 1.0:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        await server.mixer.stop()
        calls = list(server.port.calls)
        await asyncio.sleep(0.03)
        assert server.port.calls == calls
