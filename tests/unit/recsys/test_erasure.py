"""A person who is erased leaves state, log and files, and does not come back."""

import logging
import shutil
import struct
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import pytest
from typing_extensions import override

from recsys.engine import Engine
from recsys.errors import StoreError
from recsys.events import Event, Feedback, ItemUpsert, Tombstone, UserErase
from recsys.ids import dedupe_key, feature_hash
from recsys.keyfile import load_key
from recsys.moving.move import move
from recsys.partition import partition_of
from recsys.refit.lessons import LogReader
from recsys.settings import EngineSettings
from recsys.store.base import Outcome
from recsys.store.records import DeadLetter, Erasure
from recsys.store.sqlite import SqliteStore
from recsys.tombstones import Cause
from tests.engines import asked, feedback, items

ANN = "ann-whose-id-is-long-and-unmistakable"
OTHERS = [f"user-{number}" for number in range(6)]
RECEIPT = "2a-receipt"

LISTWISE = EngineSettings.model_validate(
    {
        "candidates": {"without": []},
        "features": {"crossings": 100},
        "learners": {"user_model": {"enabled": True}},
        "memory": {"recent": 8, "reservoir": 64, "strata": 4, "meter": {"slice": 4, "every": 1}},
        "users": {"in_memory": 3},
    }
)
VW, FTRL = (
    LISTWISE.model_copy(
        update={"learners": LISTWISE.learners.model_copy(update={"ranker": ranker})}
    )
    for ranker in ("vw", "ftrl")
)


def live(engine: Engine, people: Sequence[str], rounds: int, start: int = 1) -> None:
    """Let people ask, click what they are shown and find things by themselves."""
    for number in range(start, start + rounds):
        for place, user in enumerate(people):
            now = 1_000_000 * number + 1000 * place
            decision = asked(engine, user, f"d-{user}-{number}", now, n=4)
            clicked = decision.slots[number % 4].item_id
            found = f"i{(7 * number + place) % 40}"
            engine.apply(
                [
                    feedback(user, clicked, now + 300, decision_id=decision.event_id),
                    feedback(user, found, now + 600, "purchase"),
                ]
            )
        if number % 3 == 0:
            engine.snapshot()


def erased(user: str = ANN, receipt: str = RECEIPT, ts_ms: int = 90_000_000) -> UserErase:
    return UserErase(event_id=receipt, user_id=user, ts_ms=ts_ms)


def files(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.glob("log.sqlite*")))


def hashes(user: str) -> list[bytes]:
    """Return how the hash of a person's id is written in records."""
    number = feature_hash("user", user)
    return [b"\xce" + struct.pack(">I", number)]


def traces(folder: Path, engine: Engine, user: str = ANN) -> list[str]:
    """Return where something of a person is found."""
    raw = files(folder)
    found = ["files: id"] if user.encode() in raw else []
    found += ["files: hash"] if any(one in raw for one in hashes(user)) else []
    for name, record in engine.state.parts().items():
        found += [name] if user.encode() in record else []
        found += [f"{name}: hash"] if any(one in record for one in hashes(user)) else []
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "shard"


@pytest.mark.parametrize("settings", [LISTWISE, VW, FTRL], ids=["listwise", "vw", "ftrl"])
def test_nothing_of_an_erased_person_is_left(folder: Path, settings: EngineSettings) -> None:
    engine = Engine.open(folder, settings)
    engine.apply(items(40))
    live(engine, [*OTHERS, ANN], rounds=8)
    assert {"files: id", "files: hash", "joiner"} <= {*traces(folder, engine)}
    buffer = "choices: hash" if settings is LISTWISE else "examples: hash"
    assert buffer in traces(folder, engine)
    engine.apply([erased()])
    assert engine.user(ANN) is None
    live(engine, OTHERS, rounds=2, start=9)
    engine.snapshot()
    assert engine.user(ANN) is None
    finished = engine.erasures.complete(now_ms=123)
    assert [(one.receipt, one.user_id, one.done_ms) for one in finished] == [(RECEIPT, "", 123)]
    assert finished == [engine.erasures.find(RECEIPT)]
    assert finished[0].removed == 8 * 3 + 1
    assert traces(folder, engine) == []
    before = engine.fingerprint()
    engine.close()
    again = Engine.open(folder, settings)
    assert again.fingerprint() == before
    assert traces(folder, again) == []
    again.close()


def test_the_log_has_tombstones_and_no_gaps(folder: Path) -> None:
    engine = Engine.open(folder, LISTWISE)
    engine.apply(items(40))
    live(engine, [ANN, *OTHERS], rounds=2)
    engine.apply([erased()])
    engine.snapshot()
    before = dict(engine.store.read(after=0))
    engine.erasures.complete(now_ms=1)
    after = dict(engine.store.read(after=0))
    assert list(after) == list(before)
    for sequence, event in after.items():
        if getattr(before[sequence], "user_id", None) == ANN:
            key = dedupe_key(before[sequence].event_id).hex()
            assert event == Tombstone(event_id=key, cause="erased")
        else:
            assert event == before[sequence]
    engine.close()


def test_a_late_event_is_a_strangers_and_a_repeat_is_a_repeat(folder: Path) -> None:
    engine = Engine.open(folder, LISTWISE)
    engine.apply(items(40))
    live(engine, [ANN], rounds=2)
    first = feedback(ANN, "i1", 1000, "purchase")
    engine.apply([first, erased()])
    engine.snapshot()
    engine.erasures.complete(now_ms=1)
    other = Feedback(event_id=first.event_id, user_id="user-1", ts_ms=1, type="click", item_id="i2")
    outcomes = [append.outcome for append in engine.apply([first, other, erased()])]
    assert outcomes == [Outcome.DUPLICATE] * 3
    assert engine.user(ANN) is None
    engine.apply([feedback(ANN, "i3", 95_000_000)])
    view = engine.user(ANN)
    assert view is not None
    assert [recent.item_id for recent in view.recent] == ["i3"]
    engine.snapshot()
    assert engine.erasures.complete(now_ms=2) == []
    engine.close()
    again = Engine.open(folder, LISTWISE)
    assert again.user(ANN) == view
    again.close()


def test_a_person_may_be_erased_again(folder: Path) -> None:
    engine = Engine.open(folder, LISTWISE)
    engine.apply([*items(9), feedback(ANN, "i1", 1000), erased(), feedback(ANN, "i2", 2000)])
    engine.apply([erased(receipt="2a-second"), feedback(ANN, "i3", 3000)])
    engine.snapshot()
    finished = engine.erasures.complete(now_ms=1)
    assert [one.receipt for one in finished] == [RECEIPT, "2a-second"]
    left = [event for _, event in engine.store.read(after=0) if isinstance(event, Feedback)]
    assert [event.item_id for event in left] == ["i3"]
    view = engine.user(ANN)
    assert view is not None
    assert view.events == 1
    engine.close()


def test_nothing_is_removed_before_a_snapshot_contains_the_erasure(folder: Path) -> None:
    engine = Engine.open(folder, LISTWISE)
    engine.apply([*items(9), feedback(ANN, "i1", 1000)])
    engine.snapshot()
    engine.apply([erased()])
    assert engine.erasures.complete(now_ms=1) == []
    assert engine.user(ANN) is None
    engine.close()
    again = Engine.open(folder, LISTWISE)
    assert again.user(ANN) is None
    again.snapshot()
    assert len(again.erasures.complete(now_ms=1)) == 1
    assert traces(folder, again) == []
    again.close()


def test_a_rebuilt_state_does_not_know_the_person_at_all(folder: Path) -> None:
    engine = Engine.open(folder, LISTWISE)
    engine.apply(items(40))
    live(engine, [*OTHERS, ANN], rounds=4)
    engine.apply([erased()])
    engine.snapshot()
    engine.erasures.complete(now_ms=1)
    log = [event for _, event in engine.store.read(after=0)]
    learned = engine.stats()
    engine.close()
    smaller = LISTWISE.model_validate({**LISTWISE.model_dump(), "features": {"crossings": 50}})
    rebuilt = Engine.open(folder, smaller)
    assert rebuilt.stats().sequence == len(log)
    assert rebuilt.stats().failed == 0
    assert rebuilt.stats().feedback["purchase"] < learned.feedback["purchase"]
    never = Engine.open(None, smaller)
    never.apply([event for event in log if not isinstance(event, Tombstone)])
    assert rebuilt.stats().arms == never.stats().arms
    assert rebuilt.stats().feedback == never.stats().feedback
    rebuilt.close()
    never.close()


class Dying(SqliteStore):
    """Raises at the given step of an erasure, as a process that dies there.

    Attributes
    ----------
    step
        Counted from 0: tombstones, wiping, and the note that all is done.
    """

    step = -9

    def _die(self) -> None:
        self.step -= 1
        if self.step == -1:
            detail = "died"
            raise StoreError(detail)

    @override
    def bury(
        self,
        sequences: Collection[int],
        cause: Cause,
        *,
        others: Mapping[int, Event] | None = None,
        letters: Sequence[DeadLetter] = (),
        erasures: Sequence[Erasure] = (),
        afresh: bool = False,
    ) -> None:
        self._die()
        super().bury(
            sequences, cause, others=others, letters=letters, erasures=erasures, afresh=afresh
        )

    @override
    def scrub(self, user_ids: Collection[str]) -> None:
        self._die()
        super().scrub(user_ids)


@pytest.mark.parametrize("step", [0, 1, 2], ids=["tombstones", "wiping", "note"])
def test_a_process_that_dies_leaves_it_to_the_next(folder: Path, step: int) -> None:
    folder.mkdir()
    store = Dying(folder / "log.sqlite")
    engine = Engine(store, LISTWISE, load_key(folder / "key"))
    engine.apply(items(40))
    live(engine, [*OTHERS, ANN], rounds=3)
    engine.apply([erased()])
    engine.snapshot()
    before = engine.fingerprint()
    store.step = step
    with pytest.raises(StoreError, match="died"):
        engine.erasures.complete(now_ms=1)
    # What lies there now, the write-ahead log included, is all that a killed process leaves.
    left = folder.with_name("left")
    shutil.copytree(folder, left)
    engine.close()
    folder = left
    again = Engine.open(folder, LISTWISE)
    assert again.fingerprint() == before
    finished = again.erasures.complete(now_ms=2)
    assert [(one.receipt, one.user_id, one.done_ms) for one in finished] == [(RECEIPT, "", 2)]
    assert finished[0].removed == 10
    assert traces(folder, again) == []
    again.close()


def test_short_ids_that_are_parts_of_others(folder: Path) -> None:
    engine = Engine.open(folder, LISTWISE)
    engine.apply(items(40))
    live(engine, ["u1", "u10", "u11"], rounds=3)
    engine.apply([erased("u1")])
    engine.snapshot()
    assert engine.erasures.complete(now_ms=1)[0].removed == 10
    people = {getattr(event, "user_id", "") for _, event in engine.store.read(after=0)}
    assert people == {"", "u10", "u11"}
    assert engine.user("u10") is not None
    assert b"\xa7user_id\xa2u1" not in files(folder)
    engine.close()


def test_pages_that_were_divided_keep_nothing(folder: Path) -> None:
    """People in random order divide the pages of the table of users again and again."""
    engine = Engine.open(folder, LISTWISE)
    engine.apply(items(9))
    people = [f"{feature_hash('person', str(n)):08x}-of-some-length" for n in range(1000)]
    for start in range(0, len(people), 100):
        engine.apply([feedback(user, "i1", 1000 + start) for user in people[start : start + 100]])
        engine.snapshot()
    chosen = people[::100]
    wanted: list[Event] = [erased(user, f"receipt-{number}") for number, user in enumerate(chosen)]
    engine.apply(wanted)
    engine.snapshot()
    assert len(engine.erasures.complete(now_ms=1)) == len(chosen)
    assert [user for user in chosen if user.encode() in files(folder)] == []
    assert len(list(engine.store.user_ids())) == len(people) - len(chosen)
    engine.close()


def test_a_page_that_has_kept_the_name_is_written_anew(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """An item of the same name looks like a page that has kept what was deleted."""
    engine = Engine.open(folder, LISTWISE)
    engine.apply([*items(9), ItemUpsert(event_id="twin", ts_ms=1, item_id=ANN)])
    engine.apply([feedback(ANN, "i1", 1000), erased()])
    engine.snapshot()
    with caplog.at_level(logging.INFO):
        assert engine.erasures.complete(now_ms=1)[0].removed == 2
    assert "written anew, for pages had kept what was deleted" in caplog.text
    assert engine.user(ANN) is None
    before = engine.fingerprint()
    engine.close()
    again = Engine.open(folder, LISTWISE)
    assert again.fingerprint() == before
    assert b"user_id\xd9\x25" + ANN.encode() not in files(folder)
    again.close()


def test_a_log_with_tombstones_can_be_refit(folder: Path) -> None:
    engine = Engine.open(folder, LISTWISE)
    engine.apply(items(40))
    live(engine, [*OTHERS, ANN], rounds=4)
    engine.apply([erased()])
    engine.snapshot()
    engine.erasures.complete(now_ms=1)
    reader = LogReader(LISTWISE)
    reader.read(engine.store.read(after=0))
    assert reader.sequence == engine.stats().sequence
    trait = feature_hash("user", ANN)
    assert reader.lessons
    assert [lesson for lesson in reader.lessons if lesson.choice.user == trait] == []
    engine.close()


def test_who_came_from_another_shard_is_erased_on_both(tmp_path: Path) -> None:
    old, new = (Engine.open(tmp_path / name, LISTWISE) for name in ("old", "new"))
    for engine in (old, new):
        engine.apply(items(40))
    live(old, [*OTHERS, ANN], rounds=4)
    partition = partition_of(ANN, 2)
    stays = [user for user in OTHERS if partition_of(user, 2) == partition]
    assert stays, "somebody comes along"
    move(old, new, partition, 2, epoch=1)
    views = [new.user(user) for user in stays]
    for engine in (old, new):
        engine.apply([erased()])
        engine.snapshot()
        assert engine.erasures.complete(now_ms=5) != []
    assert traces(tmp_path / "old", old) == traces(tmp_path / "new", new) == []
    new.store.bury((), "erased", afresh=True)
    new.close()
    again = Engine.open(tmp_path / "new", LISTWISE)
    assert [again.user(user) for user in stays] == views, "the others are still part of the log"
    assert again.user(ANN) is None
    again.close()
    old.close()
