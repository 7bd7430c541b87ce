"""``recsys quarantine`` on a directory that no server uses."""

from contextlib import closing
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner, Result

from actors.cli.main import app
from actors.layout import DataFolder, shard_folder
from actors.settings import ServerSettings, load_settings
from recsys.engine import Engine
from recsys.events import Event, Feedback, Tombstone, UserErase
from recsys.partition import shard_of
from recsys.store.sqlite import SqliteStore
from tests.engines import feedback, items

BOT = "user-7"
GOOD = [f"user-{number}" for number in range(6)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "server.yaml").write_text(
        f"shards: {{count: 1, partitions: 8, data_dir: {tmp_path / 'data'}}}\n"
        "engine: {features: {crossings: 100}, store: {log_events: 1000}}\n"
    )
    DataFolder(settings_of(tmp_path).shards).release()
    return tmp_path


def settings_of(folder: Path) -> ServerSettings:
    return load_settings(folder / "server.yaml")


def opened(folder: Path) -> Engine:
    settings = settings_of(folder)
    return Engine.open(shard_folder(settings.shards.data_dir, 0), settings.engine)


def quarantine(folder: Path, *arguments: str) -> Result:
    command = ["quarantine", "--config", str(folder / "server.yaml"), *arguments]
    return CliRunner().invoke(app, command)


def crowd(start: int, n: int = 30) -> list[Event]:
    return [
        feedback(GOOD[number % 6], f"i{number % 17}", start + 1000 * number) for number in range(n)
    ]


def burst(start: int, n: int = 40) -> list[Event]:
    """Return what a robot sends, which says of itself that it is one."""
    acts = [feedback(BOT, f"i{number % 3}", start + number, "purchase") for number in range(n)]
    return [msgspec.structs.replace(act, context={"app": "robot"}) for act in acts]


def test_a_burst_after_the_snapshot(folder: Path) -> None:
    with closing(opened(folder)) as engine:
        engine.apply([*items(20), *crowd(10_000)])
        engine.snapshot()
        engine.apply([*burst(100_000), *crowd(200_000)])
    done = quarantine(folder, "--user", BOT)
    assert done.exit_code == 0, done.output
    assert "shard 0: 40 events are taken out, 51 to 90; what came after the snapshot" in done.output
    assert "made again up to event 120" in done.output
    with closing(opened(folder)) as engine:
        assert engine.stats().feedback == {"click": 60}
        assert engine.stats().quarantined == 40
        assert engine.user(BOT) is None
        assert len(engine.store.dead_letters()) == 40
        expected = Engine.open(None, settings_of(folder).engine)
        expected.apply([*items(20), *crowd(10_000), *crowd(200_000)])
        # The same learned, but for the lots, which go by the sequence.
        assert engine.user(GOOD[1]) == expected.user(GOOD[1])


@pytest.mark.parametrize(
    "arguments",
    [["--context", "app=robot"], ["--from", "51", "--to", "90"], ["--user", BOT]],
    ids=lambda arguments: arguments[0],
)
def test_a_burst_before_the_snapshot(folder: Path, arguments: list[str]) -> None:
    with closing(opened(folder)) as engine:
        engine.apply([*items(20), *crowd(10_000), *burst(100_000), *crowd(200_000)])
        engine.snapshot()
    dry = quarantine(folder, "--shard", "0", "--dry-run", *arguments)
    assert "shard 0: 40 events would be taken out, 51 to 90; the whole log is" in dry.output
    done = quarantine(folder, "--shard", "0", *arguments)
    assert done.exit_code == 0, done.output
    assert "shard 0: 40 events are taken out, 51 to 90; the whole log is folded" in done.output
    with closing(opened(folder)) as engine:
        assert engine.stats().feedback == {"click": 60}
        assert engine.stats().snapshot_sequence == 120
        events = [event for _, event in engine.store.read(after=0)]
        assert [isinstance(event, Tombstone) for event in events] == [
            50 <= place < 90 for place in range(120)
        ]
        again = engine.apply(burst(100_000))
        assert [append.sequence for append in again] == list(range(51, 91))
        assert engine.stats().sequence == 120
    once_more = quarantine(folder, "--shard", "0", *arguments)
    assert once_more.output == "shard 0: no such event is in the log\n"


def test_afresh_makes_the_weights_forget_who_was_erased(folder: Path) -> None:
    with closing(opened(folder)) as engine:
        engine.apply([*items(20), *crowd(10_000), *burst(100_000), *crowd(200_000)])
        engine.apply([UserErase(event_id="0-receipt", user_id=BOT, ts_ms=300_000)])
        engine.snapshot()
        engine.erasures.complete(now_ms=1)
        assert engine.stats().feedback == {"click": 60, "purchase": 40}
    dry = quarantine(folder, "--shard", "0", "--afresh", "--dry-run")
    assert dry.output == "shard 0: the whole log would be folded again\n"
    done = quarantine(folder, "--shard", "0", "--afresh")
    assert done.exit_code == 0, done.output
    with closing(opened(folder)) as engine:
        assert engine.stats().feedback == {"click": 60}
        kept = [event for _, event in engine.store.read(after=0) if isinstance(event, Feedback)]
        assert len(kept) == 60


def test_an_erasure_is_never_taken_out(folder: Path) -> None:
    with closing(opened(folder)) as engine:
        engine.apply([*items(20), *burst(100_000), *crowd(200_000)])
        engine.apply([UserErase(event_id="0-receipt", user_id=BOT, ts_ms=300_000)])
    done = quarantine(folder, "--shard", "0", "--from", "41", "--to", "91")
    assert "shard 0: 50 events are taken out, 41 to 90" in done.output
    with closing(opened(folder)) as engine:
        assert engine.user(BOT) is None
        assert engine.erasures.pending
        assert engine.erasures.complete(now_ms=1)[0].removed == 21


def test_a_log_that_has_lost_its_start(folder: Path) -> None:
    with closing(opened(folder)) as engine:
        engine.apply([*items(20), *crowd(10_000, 600), *burst(1_000_000), *crowd(2_000_000, 600)])
        engine.snapshot()
    before = log_of(folder)
    refused = quarantine(folder, "--user", BOT)
    assert refused.exit_code == 1
    assert "the log begins at event 261: the state after the last snapshot" in refused.output
    assert log_of(folder) == before


def log_of(folder: Path) -> list[tuple[int, Event]]:
    settings = settings_of(folder)
    path = shard_folder(settings.shards.data_dir, 0) / "log.sqlite"
    with closing(SqliteStore(path, log_events=1000)) as store:
        return list(store.read(after=0))


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([], "name the events: --user, --context, --from or --to"),
        (["--shard", "0", "--context", "app"], "--context: expected NAME=VALUE, got app"),
        (["--from", "3"], "--shard: expected 0 to 0, got None"),
        (["--shard", "1", "--from", "3"], "--shard: expected 0 to 0, got 1"),
    ],
)
def test_wrong_options(folder: Path, arguments: list[str], complaint: str) -> None:
    refused = quarantine(folder, *arguments)
    assert refused.exit_code == 2
    assert complaint in refused.output


def test_a_directory_in_use_and_one_without_a_log(folder: Path, tmp_path: Path) -> None:
    owner = DataFolder(settings_of(folder).shards)
    refused = quarantine(folder, "--user", BOT)
    owner.release()
    assert refused.exit_code == 1
    assert "is in use by another recsys" in refused.output
    empty = quarantine(folder, "--user", BOT, "--data-dir", str(tmp_path / "nothing"))
    assert "holds no log" in empty.output


def test_the_shard_of_a_user_is_found(tmp_path: Path) -> None:
    (tmp_path / "server.yaml").write_text(
        f"shards: {{count: 3, partitions: 8, data_dir: {tmp_path / 'data'}}}\n"
    )
    DataFolder(settings_of(tmp_path).shards).release()
    done = quarantine(tmp_path, "--user", BOT)
    assert done.output == f"shard {shard_of(BOT, 8, 3)}: no such event is in the log\n"
