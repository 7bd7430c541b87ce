"""``recsys train``: what it leaves behind, how it ends, and what it refuses to disturb."""

import os
import shutil
import signal
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

import pytest

from actors.layout import DataFolder, shard_folder
from actors.settings import load_settings
from actors.training import history
from actors.training.crew import Crew
from actors.training.teacher import Taught
from recsys.decision import Request
from recsys.events import Event
from recsys.mixing.events import MixEvent
from recsys.partition import partition_of
from recsys.store.base import Outcome
from tests.histories import FIRST_S, ITEMS, ROWS, USERS, expected, shard, train

pytestmark = pytest.mark.usefixtures("threads", "signals")


def test_the_state_is_that_of_the_same_events_one_by_one(folder: Path) -> None:
    result = train(folder, "--items", str(folder / "goods.csv"))
    assert result.exit_code == 0, result.output
    assert "200 events: 200 learned, 0 duplicates skipped; 7 users, 12 items; " in result.output
    for index in range(2):
        alone = shard_folder(folder / "alone", index)
        alone.mkdir(parents=True)
        # The same secret, or what it seals would differ.
        shutil.copy(shard_folder(folder / "data", index) / "key", alone)
        with (
            closing(shard(folder, index)) as trained,
            closing(shard(folder, index, "alone")) as one,
        ):
            log = [event for _, event in trained.store.read(after=0)]
            assert of_people(log) == expected(folder, index)
            for event in log:
                (append,) = one.apply([event])
                assert append.outcome is Outcome.ACCEPTED
            assert trained.fingerprint() == one.fingerprint()
            stats = trained.stats()
            assert stats.snapshot_sequence == stats.sequence == len(log)


def of_people(log: Sequence[Event]) -> list[Event]:
    """Return events but for those that say what other shards have seen."""
    return [event for event in log if not isinstance(event, MixEvent)]


def test_who_opens_the_folder_recommends_from_it(folder: Path) -> None:
    assert train(folder, "--items", str(folder / "goods.csv")).exit_code == 0
    owner = partition_of("u3", 8) % 2
    request = Request(user_id="u3", ts_ms=(FIRST_S + 10**5) * 1000, decision_id="d", n=ITEMS)
    with closing(shard(folder, owner)) as engine:
        user = engine.user("u3")
        assert user is not None
        assert user.events == sum(number % USERS == 3 for number in range(ROWS))
        answer = engine.recommend(request)
        assert not answer.decision.fallback
        assert {slot.item_id for slot in answer.decision.slots} <= {f"i{n}" for n in range(ITEMS)}
    with closing(shard(folder, 1 - owner)) as other:
        assert other.user("u3") is None
        assert other.stats().items == ITEMS


def test_a_second_time_adds_nothing(folder: Path) -> None:
    assert train(folder).exit_code == 0
    with closing(shard(folder, 0)) as engine:
        before = engine.fingerprint()
    again = train(folder)
    assert again.exit_code == 0
    assert "200 events: 0 learned, 200 duplicates skipped" in again.output
    with closing(shard(folder, 0)) as engine:
        assert engine.fingerprint() == before


def test_another_meaning_of_the_same_rows_is_a_conflict(folder: Path) -> None:
    assert train(folder).exit_code == 0
    again = train(folder, "--click-at", "4")
    assert again.exit_code == 1
    assert again.stderr == (
        "recsys: 40 events and 0 items were there before with other content (another --click-at?) "
        "and stay as they were\n"
    )


def press(monkeypatch: pytest.MonkeyPatch) -> None:
    """Press Ctrl-C as soon as something is learned."""
    monkeypatch.setattr(history, "_BATCH", 10)
    pressed = list[Taught]()
    step = Crew.step

    def interrupted(crew: Crew, count: Callable[[Taught], None]) -> None:
        def hear(taught: Taught) -> None:
            count(taught)
            pressed.append(taught)
            if len(pressed) == 3:
                os.kill(os.getpid(), signal.SIGINT)

        step(crew, hear)

    monkeypatch.setattr(Crew, "step", interrupted)


def test_ctrl_c_ends_well_and_the_next_time_goes_on(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patches:
        press(patches)
        stopped = train(folder, "--items", str(folder / "goods.csv"))
    assert stopped.exit_code == 130
    assert "run the same command again, nothing counts twice" in stopped.output
    learned = 0
    for index in range(2):
        with closing(shard(folder, index)) as engine:
            stats = engine.stats()
            assert stats.snapshot_sequence == stats.sequence
            learned += sum(stats.feedback.values())
    assert 0 < learned < ROWS
    assert f"{learned} of 200 events: {learned} learned" in stopped.output
    again = train(folder, "--items", str(folder / "goods.csv"))
    assert again.exit_code == 0
    expect = f"200 events: {ROWS - learned} learned, {learned} duplicates skipped"
    assert expect in again.output
    for index in range(2):
        with closing(shard(folder, index)) as engine:
            log = of_people([event for _, event in engine.store.read(after=0)])
            assert log == expected(folder, index)


def test_a_running_server_is_not_disturbed(folder: Path) -> None:
    server = DataFolder(load_settings(folder / "server.yaml").shards)
    try:
        result = train(folder)
    finally:
        server.release()
    assert (result.exit_code, result.stderr) == (
        1,
        f"recsys: the data directory {folder / 'data'} is in use by another recsys (process "
        f"{os.getpid()}); stop it or choose another with --data-dir\n",
    )
    assert not shard_folder(folder / "data", 0).exists()


def test_a_shard_that_somebody_has_open_is_named(folder: Path) -> None:
    with closing(shard(folder, 1)):
        result = train(folder)
    assert result.exit_code == 1
    assert result.stderr.startswith("recsys: shard 1: ")
    assert "log.sqlite is open in another process; stop that one" in result.stderr
    assert train(folder).exit_code == 0


def test_another_division_is_refused_as_serve_refuses_it(folder: Path) -> None:
    assert train(folder).exit_code == 0
    (folder / "server.yaml").write_text("shards: {count: 3, partitions: 8}\n")
    result = train(folder, "--data-dir", str(folder / "data"))
    assert result.exit_code == 1
    assert "was made for 2 shards and 8 partitions, the settings say 3 and 8" in result.stderr
