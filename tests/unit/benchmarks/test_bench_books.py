"""The proof must be able to fail: accounts of shards that lost or doubled something say so."""

import shutil
from collections import Counter
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from benchmarks.books import Books, Heard, close_books
from benchmarks.crash import Hurt, Outcome
from benchmarks.mover import Moves
from benchmarks.sender import Sender
from benchmarks.striker import Blow
from recsys.client import AsyncClient, NewFeedback
from recsys.engine import Engine
from recsys.events import Feedback
from recsys.settings import EngineSettings

SETTINGS = EngineSettings()
PEOPLE = ("ann", "bob", "eve", "joe")
SENT = [
    NewFeedback(type="click", user_id=PEOPLE[n % 4], item_id=f"item-{n % 7}", event_id=f"e{n}")
    for n in range(40)
]
BLOWS = [Blow(0, ["random", "mid-recovery"], 2.0, 4.5), Blow(1, ["after-sync"], 3.0, 3.0)]


def event(sent: NewFeedback, number: int) -> Feedback:
    return Feedback(
        event_id=sent.event_id,
        user_id=sent.user_id,
        ts_ms=10**12 + number,
        type=sent.type,
        item_id=sent.item_id,
    )


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return two shards that were killed once each, and ended well."""
    lived = tmp_path_factory.mktemp("lived")
    for shard in (0, 1):
        for start in (0, 20, 40):
            with closing(Engine.open(lived / str(shard), SETTINGS)) as engine:
                for number, sent in list(enumerate(SENT))[start : start + 20]:
                    if PEOPLE.index(sent.user_id) % 2 == shard:
                        engine.apply([event(sent, number)])
                    if number == start + 5:
                        engine.snapshot()
                if start == len(SENT):
                    engine.snapshot()
    return lived


@pytest.fixture
def folders(lived: Path, tmp_path: Path) -> list[Path]:
    shutil.copytree(lived, tmp_path, dirs_exist_ok=True)
    return [tmp_path / "0", tmp_path / "1"]


@pytest.fixture
def sender() -> Sender:
    sender = Sender(AsyncClient("http://nowhere"), [], 1)
    sender.sent = list(SENT)
    sender.acknowledged = {one.event_id for one in SENT}
    return sender


def heard_of(folders: list[Path]) -> Heard:
    """Return what the server would say of its people."""
    learned_of: Counter[str] = Counter()
    for folder in folders:
        with closing(Engine.open(folder, SETTINGS)) as engine:
            for user_id in PEOPLE:
                view = engine.user(user_id)
                learned_of[user_id] += 0 if view is None else view.events
    return Heard(learned_of.total(), dict(learned_of))


def close(sender: Sender, folders: list[Path]) -> tuple[Books, Outcome]:
    heard = heard_of(folders)
    books = close_books(sender, heard, folders, SETTINGS)
    return books, Outcome.of(
        Hurt(Moves(7, 1, 0.1, 0.2), BLOWS, sender, heard, 60.0), books, status=0
    )


def test_kills_that_hurt_nobody_pass(sender: Sender, folders: list[Path]) -> None:
    books, outcome = close(sender, folders)
    assert books.clean
    assert outcome.passed
    first = {
        "kills": 3, "acked": 40, "lost": 0, "doubled": 0, "bytes_equal": True,
        "recovery_p50_s": 2.0, "recovery_max_s": 3.0, "outage_max_s": 4.5,
    }  # fmt: skip
    assert list(msgspec.to_builtins(outcome).items())[: len(first)] == list(first.items())
    assert outcome.points == {"after-sync": 1, "mid-recovery": 1, "random": 1}
    assert not msgspec.structs.replace(outcome, status=1).passed


def test_a_loss_is_found(sender: Sender, folders: list[Path]) -> None:
    promised = NewFeedback(type="click", user_id="ann", item_id="item-1", event_id="lost")
    sender.sent.append(promised)
    sender.acknowledged.add("lost")
    _, outcome = close(sender, folders)
    assert (outcome.lost, outcome.doubled, outcome.bytes_equal) == (1, 0, True)
    assert not outcome.passed


def test_an_event_in_two_logs_is_found(sender: Sender, folders: list[Path]) -> None:
    with closing(Engine.open(folders[1], SETTINGS)) as engine:
        engine.apply([event(SENT[0], 0)])
        engine.snapshot()
    _, outcome = close(sender, folders)
    assert (outcome.lost, outcome.doubled, outcome.bytes_equal) == (0, 1, True)
    assert not outcome.passed


def test_an_event_that_was_learned_twice_is_found(sender: Sender, folders: list[Path]) -> None:
    with closing(Engine.open(folders[0], SETTINGS)) as engine:
        engine.state.users.touch("ann").events += 1
        engine.snapshot()
    _, outcome = close(sender, folders)
    assert (outcome.lost, outcome.doubled, outcome.bytes_equal) == (0, 1, False)
    assert not outcome.passed


def test_another_state_is_found_though_every_event_is_there(
    sender: Sender, folders: list[Path]
) -> None:
    with closing(Engine.open(folders[0], SETTINGS)) as engine:
        engine.state.counters.failed += 1
        engine.snapshot()
    books, outcome = close(sender, folders)
    assert books.rebuilt[0].different == ["counters"]
    assert (outcome.lost, outcome.doubled, outcome.bytes_equal) == (0, 0, False)
    assert not outcome.passed


def test_others_count_unless_the_sender_was_alone(sender: Sender, folders: list[Path]) -> None:
    with closing(Engine.open(folders[0], SETTINGS)) as engine:
        engine.apply([Feedback(event_id="x", user_id="max", ts_ms=1, type="click", item_id="i")])
        engine.snapshot()
    heard = heard_of(folders)
    assert close_books(sender, heard, folders, SETTINGS).audit.unasked == 1
    assert close_books(sender, heard, folders, SETTINGS, alone=False).clean
