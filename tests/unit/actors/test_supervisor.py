"""The supervisor over shards that live and die on command."""

import asyncio
import errno
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from typing_extensions import override

from actors.errors import ShardUnavailable, StartupError
from actors.fleet import Fleet, ShardLost, ShardSilent
from actors.giving import Given
from actors.handles import Ready
from actors.layout import DataFolder
from actors.settings import ServerSettings, ShardSettings
from actors.shard_map import Moving, ShardMap
from actors.supervisor import Supervisor


class PaperFleet(Fleet):
    """Shards on paper.

    Attributes
    ----------
    opened
        How often each shard was opened.
    faults
        What a shard answers in place of being ready, once per entry.
    closed
        In order.
    stuck
        Shards that do not answer, until they are restarted.
    ended
        Shards that were restarted, in order.
    trouble
        What a shard says of itself.
    asked
        Set when any shard has been asked.
    """

    def __init__(self) -> None:
        self.opened: dict[int, int] = {}
        self.faults: dict[int, list[ShardUnavailable]] = {}
        self.restarts: dict[int, int] = {}
        self.stuck: set[int] = set()
        self.ended: list[int] = []
        self.closed: list[int] = []
        self.trouble: dict[int, tuple[str, ...]] = {}

    @override
    def open(self, shard: int) -> None:
        self.opened[shard] = self.opened.get(shard, 0) + 1

    @override
    async def ready(self, shard: int, timeout_s: float | None) -> Ready:
        await asyncio.sleep(0)
        if self.faults.get(shard):
            raise self.faults[shard].pop(0)
        try:
            async with asyncio.timeout(timeout_s):
                while shard in self.stuck:  # noqa: ASYNC110 - a stuck shard tells nobody
                    await asyncio.sleep(0.001)
        except TimeoutError as error:
            raise ShardSilent(shard, "it did not answer in time") from error
        life = self.opened[shard] + self.restarts.get(shard, 0)
        return Ready(
            pid=1000 * (shard + 1) + life,
            epoch=life,
            sequence=7,
            recovered=5,
            recovery_s=0.25,
            trouble=self.trouble.get(shard, ()),
        )

    @override
    async def give(self, moving: Moving) -> Given:
        raise NotImplementedError

    @override
    async def give_up(self, moving: Moving) -> bool:
        raise NotImplementedError

    @override
    async def forget(self, moving: Moving) -> None:
        raise NotImplementedError

    @override
    async def adopt(self, shard: int, shard_map: ShardMap) -> None:
        raise NotImplementedError

    @override
    def restart(self, shard: int) -> None:
        self.ended.append(shard)
        self.restarts[shard] = self.restarts.get(shard, 0) + 1
        self.stuck.discard(shard)
        self.faults[shard] = [ShardUnavailable(shard, "it is restarting")]

    @override
    async def close(self, shard: int, timeout_s: float) -> int | None:
        self.closed.append(shard)
        return 7


@pytest.fixture
def settings(tmp_path: Path) -> ServerSettings:
    return ServerSettings(shards=ShardSettings(count=3, partitions=8, data_dir=tmp_path / "data"))


@pytest.fixture
def fleet() -> PaperFleet:
    return PaperFleet()


@pytest.fixture
def folder(settings: ServerSettings) -> Iterator[DataFolder]:
    folder = DataFolder(settings.shards)
    yield folder
    folder.release()


@asynccontextmanager
async def watching(
    fleet: PaperFleet, folder: DataFolder, settings: ServerSettings, patience_s: float = 0.01
) -> AsyncIterator[Supervisor]:
    supervisor = Supervisor(fleet, folder, settings, interval_s=0.001, patience_s=patience_s)
    try:
        yield supervisor
    finally:
        await supervisor.shutdown()


async def notice(supervisor: Supervisor, text: str) -> str:
    """Wait for a notice that holds a text."""
    async with asyncio.timeout(5):
        while True:
            for found in supervisor.notices(after=0):
                if text in found.text:
                    return found.text
            await asyncio.sleep(0.001)


async def test_it_opens_every_shard_once_and_deals_the_partitions_out(
    fleet: PaperFleet, folder: DataFolder, settings: ServerSettings
) -> None:
    async with watching(fleet, folder, settings) as supervisor:
        first, second = await asyncio.gather(supervisor.start(), supervisor.start())
        assert fleet.opened == {0: 1, 1: 1, 2: 1}
        assert first == second
        assert first.owners == (0, 1, 2, 0, 1, 2, 0, 1)
        assert first.epoch == 1


async def test_a_shard_that_cannot_be_opened_stops_the_start(
    fleet: PaperFleet, folder: DataFolder, settings: ServerSettings
) -> None:
    fleet.faults[1] = [ShardLost(1, "log.sqlite is damaged at row 12")]
    async with watching(fleet, folder, settings) as supervisor:
        with pytest.raises(
            StartupError, match=r"^shard 1 cannot be opened: log.sqlite is damaged at row 12$"
        ):
            await supervisor.start()
        assert sorted(fleet.closed) == [0, 1, 2]
        assert (await supervisor.start()).epoch == 1, "the next attempt may do better"


async def test_a_slow_recovery_is_waited_for(
    fleet: PaperFleet, folder: DataFolder, settings: ServerSettings
) -> None:
    fleet.faults[0] = [ShardUnavailable(0, "it is restarting")] * 3
    async with watching(fleet, folder, settings) as supervisor:
        await supervisor.start()
        assert fleet.opened[0] == 1


async def test_a_shard_that_ray_restarts_is_left_to_ray_and_told_of(
    fleet: PaperFleet, folder: DataFolder, settings: ServerSettings
) -> None:
    async with watching(fleet, folder, settings) as supervisor:
        await supervisor.start()
        fleet.restarts[2] = 1
        fleet.faults[2] = [ShardUnavailable(2, "it is restarting")] * 2
        text = await notice(supervisor, "shard 2 is back")
        assert text.endswith("recovered sequence 5 in 0.25 s")
        assert fleet.opened[2] == 1
        assert supervisor.shard_map().epoch == 2
        assert next(found.text for found in supervisor.notices(after=0)) == (
            "shard 2 is unavailable: it is restarting"
        )


async def test_a_shard_that_is_gone_for_good_is_opened_anew(
    fleet: PaperFleet, folder: DataFolder, settings: ServerSettings
) -> None:
    async with watching(fleet, folder, settings) as supervisor:
        await supervisor.start()
        fleet.faults[1] = [ShardLost(1, "killed by ray.kill")]
        await notice(supervisor, "shard 1 has ended (killed by ray.kill); opening it anew")
        await notice(supervisor, "shard 1 is back")
        assert fleet.opened == {0: 1, 1: 2, 2: 1}


async def test_a_silence_without_a_restart_changes_no_owner(
    fleet: PaperFleet, folder: DataFolder, settings: ServerSettings
) -> None:
    async with watching(fleet, folder, settings) as supervisor:
        await supervisor.start()
        fleet.faults[0] = [ShardUnavailable(0, "it did not answer in time")]
        await notice(supervisor, "shard 0 answers again")
        assert supervisor.shard_map().epoch == 1


async def test_a_watch_outlasts_what_it_cannot_write(
    fleet: PaperFleet,
    folder: DataFolder,
    settings: ServerSettings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    async with watching(fleet, folder, settings) as supervisor:
        await supervisor.start()
        with monkeypatch.context() as disk:
            disk.setattr("actors.layout.replace_file", full)
            fleet.restarts[1] = 1
            text = await notice(supervisor, "the watch of shard 1 failed and goes on")
            assert "No space left on device" in text
            await asyncio.sleep(0.02)
            assert len(supervisor.notices(after=0)) == 1, "it says so once"
        await notice(supervisor, "shard 1 is back")
        assert supervisor.shard_map().epoch == 2
        fleet.faults[1] = [ShardLost(1, "killed by ray.kill")]
        await notice(supervisor, "shard 1 has ended (killed by ray.kill); opening it anew")


async def test_a_layout_that_cannot_be_written_leaves_no_shard_open(
    fleet: PaperFleet,
    folder: DataFolder,
    settings: ServerSettings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("actors.layout.replace_file", full)
    async with watching(fleet, folder, settings) as supervisor:
        with pytest.raises(StartupError, match=r"cannot be used: layout\.json: No space"):
            await supervisor.start()
        assert sorted(fleet.closed) == [0, 1, 2]


async def test_a_restarted_supervisor_opens_nothing_twice_and_goes_on_watching(
    fleet: PaperFleet, folder: DataFolder, settings: ServerSettings
) -> None:
    fleet.faults[2] = [ShardLost(2, "killed by ray.kill")]
    async with watching(fleet, folder, settings) as supervisor:
        supervisor.resume()
        await notice(supervisor, "shard 2 has ended")
        assert fleet.closed == []


async def test_a_restarted_supervisor_tells_of_the_end_of_a_silence_that_it_came_into(
    fleet: PaperFleet, folder: DataFolder, settings: ServerSettings
) -> None:
    fleet.faults[1] = [ShardUnavailable(1, "it did not answer in time")]
    async with watching(fleet, folder, settings) as supervisor:
        supervisor.resume()
        await notice(supervisor, "shard 1 answers again")
        assert [found.text for found in supervisor.notices(after=0)] == [
            "shard 1 is unavailable: it did not answer in time",
            "shard 1 answers again",
        ]


async def test_notices_are_numbered_and_asked_for_from_a_number_on(
    fleet: PaperFleet, folder: DataFolder, settings: ServerSettings
) -> None:
    async with watching(fleet, folder, settings) as supervisor:
        await supervisor.start()
        fleet.faults[0] = [ShardUnavailable(0, "it is restarting")]
        await notice(supervisor, "answers again")
        first, second = supervisor.notices(after=0)
        assert supervisor.notices(after=first.number) == [second]
        assert supervisor.notices(after=second.number) == []


async def test_shutdown_closes_the_shards_and_gives_the_folder_back(
    fleet: PaperFleet, folder: DataFolder, settings: ServerSettings
) -> None:
    async with watching(fleet, folder, settings) as supervisor:
        await supervisor.start()
        await supervisor.shutdown()
        assert sorted(fleet.closed) == [0, 1, 2]
        DataFolder(settings.shards).release()


async def test_what_troubles_a_shard_is_noticed_once_for_as_long_as_it_lasts(
    fleet: PaperFleet, folder: DataFolder, settings: ServerSettings
) -> None:
    fleet.trouble[1] = ("data_gap in t-1",)
    async with watching(fleet, folder, settings) as supervisor:
        await supervisor.start()
        assert await notice(supervisor, "data_gap") == "shard 1: data_gap in t-1"
        fleet.trouble[1] = ("data_gap in t-1", "data_gap in t-3")
        await notice(supervisor, "t-3")
        texts = [one.text for one in supervisor.notices(after=0)]
        assert texts.count("shard 1: data_gap in t-1") == 1
        fleet.trouble.clear()
        await notice(supervisor, "shard 1 is well again")
        await asyncio.sleep(0.02)
        texts = [one.text for one in supervisor.notices(after=0)]
        assert texts.count("shard 1 is well again") == 1


def quick(settings: ServerSettings, stuck_s: float) -> ServerSettings:
    shards = settings.shards.model_copy(update={"stuck_s": stuck_s})
    return settings.model_copy(update={"shards": shards})


async def test_a_shard_whose_loop_stands_still_is_ended_once_and_comes_back(
    fleet: PaperFleet, folder: DataFolder, settings: ServerSettings
) -> None:
    async with watching(fleet, folder, quick(settings, 0.05)) as supervisor:
        await supervisor.start()
        fleet.stuck.add(1)
        await notice(supervisor, "shard 1 was silent for 0 s; ending its process")
        await notice(supervisor, "shard 1 is back")
        assert fleet.ended == [1]
        assert supervisor.shard_map().epoch == 2
        fleet.stuck.add(1)
        await until_ended(fleet, 2)
    assert fleet.ended == [1, 1]
    assert fleet.opened == {0: 1, 1: 1, 2: 1}


async def test_a_patient_watch_ends_it_no_later(
    fleet: PaperFleet, folder: DataFolder, settings: ServerSettings
) -> None:
    async with watching(fleet, folder, quick(settings, 0.05), patience_s=600) as supervisor:
        await supervisor.start()
        fleet.stuck.add(1)
        await until_ended(fleet, 1)
        await notice(supervisor, "shard 1 is back")


async def until_ended(fleet: PaperFleet, times: int) -> None:
    async with asyncio.timeout(5):
        while len(fleet.ended) < times:  # noqa: ASYNC110
            await asyncio.sleep(0.001)


async def test_a_recovery_is_never_taken_for_a_loop_that_stands_still(
    fleet: PaperFleet, folder: DataFolder, settings: ServerSettings
) -> None:
    async with watching(fleet, folder, quick(settings, 0.01)) as supervisor:
        await supervisor.start()
        # Ray says once that it restarts; then its process is there and recovers in silence.
        fleet.faults[2] = [ShardUnavailable(2, "it is restarting")]
        fleet.stuck.add(2)
        await notice(supervisor, "shard 2 is unavailable")
        fleet.stuck.add(0)
        await until_ended(fleet, 1)
        await asyncio.sleep(0.05)
        fleet.stuck.discard(2)
        await notice(supervisor, "shard 2 answers again")
        assert fleet.ended == [0]


async def test_nobody_is_ended_whom_a_restarted_supervisor_has_never_heard(
    fleet: PaperFleet, folder: DataFolder, settings: ServerSettings
) -> None:
    fleet.stuck.add(1)
    async with watching(fleet, folder, quick(settings, 0.01)) as supervisor:
        supervisor.resume()
        await notice(supervisor, "shard 1 is unavailable")
        await asyncio.sleep(0.05)
        fleet.stuck.clear()
        await notice(supervisor, "shard 1 answers again")
        assert fleet.ended == []


@pytest.mark.parametrize("stuck_s", [0.0, 60.0])
async def test_a_silence_that_may_last_is_waited_for(
    fleet: PaperFleet, folder: DataFolder, settings: ServerSettings, stuck_s: float
) -> None:
    async with watching(fleet, folder, quick(settings, stuck_s)) as supervisor:
        await supervisor.start()
        fleet.stuck.add(0)
        await notice(supervisor, "shard 0 is unavailable")
        await asyncio.sleep(0.05)
        fleet.stuck.clear()
        await notice(supervisor, "shard 0 answers again")
        assert fleet.ended == []
