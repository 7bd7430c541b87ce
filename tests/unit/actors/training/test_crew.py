"""Shards in processes of their own: fed, ended in the middle, and fed again."""

import multiprocessing
import os
import signal
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from actors.layout import DataFolder, shard_folder
from actors.settings import ServerSettings
from actors.shard_map import ShardMap
from actors.training import history
from actors.training.crew import Crew, CrewFault
from actors.training.history import History
from actors.training.teacher import Taught
from recsys.datasets import fingerprint, read_interactions
from recsys.engine import Engine
from recsys.store.memory import MemoryStore
from tests.histories import ROWS, make_history


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ServerSettings:
    monkeypatch.setattr(history, "_BATCH", 5)
    return make_history(tmp_path)


def read(settings: ServerSettings) -> History:
    path = settings.shards.data_dir.parent / "ratings.csv"
    return History(read_interactions(path), fingerprint(path), click_at=5.0)


def feed(settings: ServerSettings, act: Callable[[list[Taught]], None] | None = None) -> int:
    """Feed everything and return how many were duplicates.

    ``act`` is called whenever there is news, with all of it.
    """
    heard = list[Taught]()

    def hear(taught: Taught) -> None:
        heard.append(taught)
        if act is not None:
            act(heard)

    shard_map = ShardMap.dealt_out(settings.shards.count, settings.shards.partitions)
    with Crew(settings) as crew:
        crew.assign(read(settings).divide(shard_map, settings.shards.count))
        while crew.busy:
            crew.step(hear)
        finished = crew.finished()
    assert len(finished) == settings.shards.count
    assert sum(one.accepted + one.duplicates for one in heard) == ROWS
    for shard in range(settings.shards.count):
        # Each knows what everybody did, whoever owns them, and once.
        with closing(
            Engine.open(shard_folder(settings.shards.data_dir, shard), settings.engine)
        ) as engine:
            assert engine.state.counts.liked.sum() == likes(settings)
    return sum(one.duplicates for one in heard)


def likes(settings: ServerSettings) -> float:
    """Return how many likes one who sees the whole history counts."""
    (whole,) = read(settings).divide(ShardMap.dealt_out(1, 1), 1)
    engine = Engine(MemoryStore(), settings.engine, bytes(32))
    engine.apply(list(whole.events()))
    return float(engine.state.counts.liked.sum())


def test_a_shard_that_dies_is_named_and_the_next_time_goes_on(settings: ServerSettings) -> None:
    def strike(heard: list[Taught]) -> None:
        if len(heard) == 3:
            (victim,) = (
                child for child in multiprocessing.active_children() if child.name == "shard-0"
            )
            assert victim.pid is not None
            os.kill(victim.pid, signal.SIGKILL)

    owner = DataFolder(settings.shards)
    with pytest.raises(CrewFault, match=r"the process of shard 0 has ended \(exit code -9\)"):
        feed(settings, strike)
    assert multiprocessing.active_children() == []
    # Whoever was not killed has ended well.
    with closing(Engine.open(shard_folder(settings.shards.data_dir, 1), settings.engine)) as engine:
        stats = engine.stats()
        assert stats.snapshot_sequence == stats.sequence > 0
    assert feed(settings) > 0
    owner.release()


def test_who_cannot_wait_leaves_no_process_and_loses_nothing(settings: ServerSettings) -> None:
    shards = settings.shards.model_copy(update={"count": 1})
    alone = settings.model_copy(update={"shards": shards})
    learned = list[int]()

    def hurry(heard: list[Taught]) -> None:
        if len(heard) == 1:
            # As a terminal does to all of its processes: this is for the feeder to hear.
            (child,) = multiprocessing.active_children()
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                assert child.pid is not None
                os.kill(child.pid, number)
        if len(heard) == 3:
            learned.append(sum(one.accepted for one in heard))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        feed(alone, hurry)
    assert multiprocessing.active_children() == []
    assert feed(alone) >= learned[0] > 0
