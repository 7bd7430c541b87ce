"""One shard's lessons: what is counted, when a snapshot is due, and what ends them."""

from collections.abc import Iterator
from multiprocessing import Pipe
from pathlib import Path

import msgspec
import pytest

from actors.settings import ServerSettings
from actors.training import teacher
from actors.training.history import Lessons, decode_batch
from actors.training.teacher import Failed, Finished, Taught, Teacher, decode_report, work
from recsys.datasets import Interaction
from recsys.engine import Engine
from recsys.errors import InvalidEvent
from recsys.events import Event, ItemUpsert
from tests.engines import engine_with, feedback, item
from tests.histories import Threads, make_history


class Watch:
    """A clock that stands still until somebody moves it."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Watch:
    watch = Watch()
    monkeypatch.setattr(teacher, "perf_counter", watch)
    return watch


def test_what_became_of_a_batch() -> None:
    engine = engine_with()
    one = Teacher(engine)
    click, other = feedback("u", "i1", 1), feedback("v", "i1", 2)
    assert one.teach([item(1), click]) == Taught(accepted=1)
    changed = msgspec.structs.replace(click, type="view")
    renamed = msgspec.structs.replace(item(1), attributes={})
    assert one.teach([click, other, changed, item(1), renamed]) == Taught(
        accepted=1, duplicates=1, conflicts=1, other_items=1
    )
    assert one.finish() == Finished(sequence=3, refused_items=0, failed=0)


def test_snapshots_come_in_time_and_take_little_of_it(
    watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = engine_with()
    one = Teacher(engine)
    taken = list[float]()
    snapshot = engine.snapshot

    def slow() -> None:
        snapshot()
        watch.now_s += 1.0
        taken.append(watch.now_s)

    monkeypatch.setattr(engine, "snapshot", slow)
    for step in range(200):
        watch.now_s += 1.0
        one.teach([feedback("u", "i", step)])
    assert taken == [106.0, 157.0, 208.0, 259.0]
    assert engine.stats().snapshot_sequence < engine.stats().sequence
    one.finish()
    one.finish()
    assert len(taken) == 5
    assert engine.stats().snapshot_sequence == engine.stats().sequence


def test_what_breaks_a_limit_is_not_taken() -> None:
    engine = engine_with()
    with pytest.raises(InvalidEvent):
        Teacher(engine).teach([feedback("u", "i", 1), feedback("u", "", 2)])
    assert engine.stats().sequence == 0


def lessons(n: int) -> Iterator[bytes]:
    rows: list[Interaction | ItemUpsert] = [
        Interaction("u", f"i{number}", 10**12 + number, None, number) for number in range(n)
    ]
    return Lessons(rows, "file", 5.0).batches()


def taught(settings: ServerSettings, payloads: list[bytes]) -> list[object]:
    """Return what shard 0 answers; at the end of the payloads the pipe breaks."""
    ours, theirs = Pipe()
    process = Threads().Process(
        target=work, args=(0, settings, theirs), name="shard-0", daemon=True
    )
    process.start()
    theirs.close()
    for payload in payloads:
        ours.send_bytes(payload)
    answers = list[object]()
    while not answers or isinstance(answers[-1], Taught):
        if len(answers) == len(payloads):
            ours.close()
            break
        answers.append(decode_report(ours.recv_bytes()))
    process.join(10.0)
    return answers


def alone(settings: ServerSettings) -> ServerSettings:
    """Return settings of a server with one shard, which has nobody to mix with."""
    shards = settings.shards.model_copy(update={"count": 1})
    return settings.model_copy(update={"shards": shards})


def test_what_one_has_learned_another_hears_once() -> None:
    teller, listener = engine_with(), engine_with()
    one, other = Teacher(teller, "0-a"), Teacher(listener, "1-b")
    first = one.teach([feedback("u", f"i{step}", step) for step in range(1, 9)])
    second = one.teach([feedback("v", "i1", 10)])
    assert len(first.pieces) == len(second.pieces) == 1
    for pieces in (first.pieces, second.pieces, first.pieces):
        assert other.hear(pieces) == Taught()
    liked = [engine.state.counts.liked[:9].sum() for engine in (teller, listener)]
    assert liked == [9.0, 9.0]
    assert listener.mix.position.refused == 1
    # Whoever goes on the next day has told what came before.
    again = Teacher(teller, "0-a")
    assert again.teach([]).pieces == () or other.hear(again.teach([]).pieces) == Taught()
    assert listener.state.counts.liked[:9].sum() == 9.0


def test_all_go_on_from_wherever_they_are() -> None:
    engines = [engine_with() for _ in range(3)]
    teller, ahead, behind = (
        Teacher(engine, f"{number}-a") for number, engine in enumerate(engines)
    )
    first = teller.teach([feedback("u", f"i{step}", step) for step in range(1, 5)])
    ahead.hear(first.pieces)
    teller.teach([feedback("v", f"i{step}", step) for step in range(1, 4)])
    # As if all had been killed: whoever feeds them begins with the one who is furthest behind.
    at = ahead.position.vector["0-a"]
    again = Teacher(engines[0], "0-a").tell(0, (at,))
    for one in (ahead, behind):
        one.hear(again.pieces)
    liked = [engine.state.counts.liked[:9].sum() for engine in engines]
    assert liked == [7.0, 7.0, 7.0]


def test_asked_for_the_end_it_says_how_it_went(tmp_path: Path) -> None:
    settings = alone(make_history(tmp_path))
    assert taught(settings, [*lessons(9), b""]) == [Taught(accepted=9), Finished(9, 0, 0)]


def test_left_alone_it_ends_as_well(tmp_path: Path) -> None:
    settings = alone(make_history(tmp_path))
    assert taught(settings, list(lessons(9))) == [Taught(accepted=9)]
    engine = Engine.open(tmp_path / "data" / "shard-0", settings.engine)
    assert engine.stats().snapshot_sequence == engine.stats().sequence == 9
    engine.close()


def test_no_room_for_an_item_ends_it_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_history(tmp_path)
    monkeypatch.setenv("RECSYS__ENGINE__CATALOGUE__MAX_ITEMS", "3")
    monkeypatch.setenv("RECSYS__SHARDS__DATA_DIR", str(tmp_path / "data"))
    rows: list[Interaction | ItemUpsert] = [item(number) for number in range(4)]
    payloads = list(Lessons(rows, "file", 5.0).batches())
    assert taught(alone(ServerSettings()), payloads) == [
        Failed("the catalogue is full (catalogue.max_items is 3)")
    ]


def test_a_fault_of_ours_is_told_too(tmp_path: Path) -> None:
    settings = alone(make_history(tmp_path))
    (failed,) = taught(settings, [b"\xc1"])
    assert isinstance(failed, Failed)
    assert failed.reason.startswith("DecodeError: ")


def test_batches_are_what_was_said() -> None:
    events: list[Event] = [event for payload in lessons(3) for event in decode_batch(payload)]
    assert [event.event_id for event in events] == ["file-0", "file-1", "file-2"]
