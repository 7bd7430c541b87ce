"""Another number of shards: nobody is lost, nothing is taken twice, wherever it is broken off."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import msgspec
import pytest
from typing_extensions import override

from actors.division import Divided, divide
from actors.errors import StartupError
from actors.layout import DataFolder, shard_folder
from actors.settings import ServerSettings, ShardSettings
from recsys.decision import Request
from recsys.engine import Engine
from recsys.errors import StoreError
from recsys.events import Event, Feedback, ItemUpsert
from recsys.settings import EngineSettings
from recsys.store.base import Outcome
from recsys.views import UserView

PARTITIONS = 6
PEOPLE = [f"person-{number}" for number in range(24)]
ENGINE = EngineSettings()


class BrokenOffError(Exception):
    """The process dies here."""


def settings_of(path: Path, shards: int) -> ServerSettings:
    return ServerSettings(
        shards=ShardSettings(count=shards, partitions=PARTITIONS, data_dir=path / "data")
    )


@contextmanager
def owned(path: Path, shards: int = 2, *, dividing: bool = False) -> Iterator[DataFolder]:
    folder = DataFolder(settings_of(path, shards).shards, dividing=dividing)
    try:
        yield folder
    finally:
        folder.release()


@contextmanager
def engines_of(path: Path, shards: int) -> Iterator[list[Engine]]:
    data_dir = settings_of(path, shards).shards.data_dir
    engines = [Engine.open(shard_folder(data_dir, shard), ENGINE) for shard in range(shards)]
    try:
        yield engines
    finally:
        for engine in engines:
            engine.close()


def _items() -> list[Event]:
    return [
        ItemUpsert(event_id=f"put-{n}", ts_ms=n, item_id=f"i{n}", attributes={"genre": f"g{n % 3}"})
        for n in range(20)
    ]


def fill(path: Path) -> dict[str, list[Event]]:
    """Let people ask and click on two shards; return what was logged of each."""
    done = dict[str, list[Event]]()
    with owned(path) as folder, engines_of(path, 2) as engines:
        for engine in engines:
            engine.apply(_items())
        for number, user_id in enumerate(PEOPLE * 2):
            engine = engines[folder.shard_map.owner(user_id)]
            ts_ms = 1000 * number
            request = Request(user_id=user_id, ts_ms=ts_ms, decision_id=f"d{number}", n=5)
            decision = engine.recommend(request).decision
            click = Feedback(
                event_id=f"c{number}",
                user_id=user_id,
                ts_ms=ts_ms + 500,
                type="click",
                item_id=decision.slots[number % 5].item_id,
                decision_id=decision.event_id,
            )
            engine.apply([decision, click])
            done.setdefault(user_id, []).extend([decision, click])
            if number == len(PEOPLE):
                for one in engines:
                    one.snapshot()
    return done


def everybody(path: Path, shards: int) -> dict[str, UserView]:
    """Return what the owners know of people, but for what shards know of people at large."""
    views = dict[str, UserView]()
    with owned(path, shards) as folder, engines_of(path, shards) as engines:
        for user_id in PEOPLE:
            view = engines[folder.shard_map.owner(user_id)].user(user_id)
            assert view is not None
            tastes = tuple(msgspec.structs.replace(taste, deviation=0.0) for taste in view.tastes)
            views[user_id] = msgspec.structs.replace(view, tastes=tastes)
    return views


def run(path: Path, shards: int, *, before: int = 2) -> Divided:
    with owned(path, before, dividing=True) as folder:
        return divide(folder, settings_of(path, before), shards, lambda done, total: None)


def check(path: Path, shards: int, done: dict[str, list[Event]]) -> None:
    with owned(path, shards) as folder, engines_of(path, shards) as engines:
        sizes = [len(folder.shard_map.owned_by(shard)) for shard in range(shards)]
        assert sum(sizes) == PARTITIONS
        assert max(sizes) - min(sizes) <= 1
        for user_id, events in done.items():
            owner = engines[folder.shard_map.owner(user_id)]
            for append in owner.apply(events):
                assert append.outcome is Outcome.DUPLICATE
            for other in engines:
                assert other is owner or other.user(user_id) is None
        assert [engine.stats().failed for engine in engines] == [0] * shards
        assert {engine.stats().items for engine in engines} == {20}


@pytest.mark.parametrize("shards", [1, 3, 6])
def test_people_take_all_along(tmp_path: Path, shards: int) -> None:
    done = fill(tmp_path)
    before = everybody(tmp_path, 2)
    divided = run(tmp_path, shards)
    assert divided.before[:2] == [3, 3]
    assert sum(divided.after) == PARTITIONS
    assert everybody(tmp_path, shards) == before
    check(tmp_path, shards, done)


def test_there_and_back(tmp_path: Path) -> None:
    done = fill(tmp_path)
    before = everybody(tmp_path, 2)
    for old, new in ((2, 3), (3, 1), (1, 4), (4, 2)):
        run(tmp_path, new, before=old)
        check(tmp_path, new, done)
    assert everybody(tmp_path, 2) == before
    retired = sorted(folder.name for folder in tmp_path.glob("data/retired-*"))
    assert [name.split("-epoch")[0] for name in retired] == [
        "retired-shard-1", "retired-shard-2", "retired-shard-2", "retired-shard-3",
    ]  # fmt: skip


def test_places_in_kafka_go_along(tmp_path: Path) -> None:
    fill(tmp_path)
    topic = ServerSettings().kafka.topics.feedback
    with engines_of(tmp_path, 2) as engines:
        for shard, engine in enumerate(engines):
            own = {f"{topic}-{n}": 100 + n for n in range(shard, PARTITIONS, 2)}
            marks = {f"{topic}-{n}#topic": 7 for n in range(shard, PARTITIONS, 2)}
            engine.append([], {**own, **marks, "recsys.catalogue-1": shard, "decisions-out": 5})
    run(tmp_path, 1)
    with engines_of(tmp_path, 1) as [engine]:
        positions = engine.store.positions()
    assert {positions[f"{topic}-{n}"] for n in range(PARTITIONS)} == set(range(100, 106))
    assert {positions[f"{topic}-{n}#topic"] for n in range(PARTITIONS)} == {7}
    assert positions["recsys.catalogue-1"] == 0, "each shard reads the whole catalogue"


def test_the_same_number_changes_nothing(tmp_path: Path) -> None:
    done = fill(tmp_path)
    assert run(tmp_path, 2).moved == 0
    check(tmp_path, 2, done)


def test_a_list_that_waited_is_learned_from_by_its_new_owner(tmp_path: Path) -> None:
    fill(tmp_path)
    with owned(tmp_path) as folder, engines_of(tmp_path, 2) as engines:
        owner = engines[folder.shard_map.owner("person-3")]
        request = Request(user_id="person-3", ts_ms=60_000, decision_id="waits", n=5)
        decision = owner.recommend(request).decision
        owner.apply([decision])
    run(tmp_path, 1)
    with engines_of(tmp_path, 1) as [engine]:
        click = Feedback(
            event_id="late", user_id="person-3", ts_ms=61_000, type="click",
            item_id=decision.slots[2].item_id, decision_id="waits",
        )  # fmt: skip
        clicks = engine.stats().arms["learner"].clicks
        engine.apply([click])
        assert engine.stats().unmatched == 0
        assert engine.stats().arms["learner"].clicks == clicks + 1


class Clumsy(DataFolder):
    """Dies when a partition is to be assigned for the n-th time."""

    dies_at = 0
    after = False

    @override
    def assign(self, partition: int, shard: int) -> None:
        type(self).dies_at -= 1
        if self.dies_at == 0 and not self.after:
            raise BrokenOffError
        super().assign(partition, shard)
        if self.dies_at == 0:
            raise BrokenOffError


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("dies_at", [1, 2])
def test_broken_off_between_two_moves_it_goes_on(tmp_path: Path, dies_at: int, after: bool) -> None:
    done = fill(tmp_path)
    before = everybody(tmp_path, 2)
    Clumsy.dies_at, Clumsy.after = dies_at, after
    folder = Clumsy(settings_of(tmp_path, 2).shards, dividing=True)
    with pytest.raises(BrokenOffError):
        divide(folder, settings_of(tmp_path, 2), 3, lambda done, total: None)
    folder.release()
    with pytest.raises(StartupError, match=r"3 shards was broken off; end it with `recsys reshard"):
        DataFolder(settings_of(tmp_path, 2).shards)
    with (
        pytest.raises(StartupError, match="into 3 shards was broken off; end that one first"),
        owned(tmp_path, 2, dividing=True) as again,
    ):
        divide(again, settings_of(tmp_path, 2), 4, lambda done, total: None)
    run(tmp_path, 3)
    assert everybody(tmp_path, 3) == before
    check(tmp_path, 3, done)


@pytest.mark.parametrize("dies_at", range(1, 9))
def test_broken_off_within_a_move_it_goes_on(
    tmp_path: Path, dies_at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = fill(tmp_path)
    before = everybody(tmp_path, 2)
    left = dies_at
    apply = Engine.apply

    def dying(engine: Engine, events: list[Event]) -> object:
        nonlocal left
        left -= 1
        if left == 0:
            raise BrokenOffError
        return apply(engine, events)

    monkeypatch.setattr("recsys.moving.export._PEOPLE", 2)
    with monkeypatch.context() as dangerous:
        dangerous.setattr(Engine, "apply", dying)
        with pytest.raises(BrokenOffError):
            run(tmp_path, 3)
    run(tmp_path, 3)
    assert everybody(tmp_path, 3) == before
    check(tmp_path, 3, done)


def test_more_shards_than_partitions_are_refused(tmp_path: Path) -> None:
    fill(tmp_path)
    with pytest.raises(StartupError, match="6 partitions go to 1 to 6 shards, not to 7"):
        run(tmp_path, 7)
    DataFolder(settings_of(tmp_path, 2).shards).release()


def test_a_copy_that_fails_leaves_no_shard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = fill(tmp_path)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr("actors.division.shutil.copyfile", full)
        with pytest.raises(StoreError, match=r"cannot be copied for shard 2: .*No space left"):
            run(tmp_path, 3)
    assert not shard_folder(tmp_path / "data", 2).exists()
    run(tmp_path, 3)
    check(tmp_path, 3, done)


def test_what_a_shard_learned_of_items_is_known_to_the_new_one(tmp_path: Path) -> None:
    fill(tmp_path)
    run(tmp_path, 3)
    with engines_of(tmp_path, 3) as engines:
        answers = [
            engine.recommend(Request(user_id="new", ts_ms=99_000, decision_id="d", n=5)).decision
            for engine in engines
        ]
        assert all(len(answer.slots) == 5 for answer in answers)
    with closing(Engine.open(shard_folder(tmp_path / "data", 2), ENGINE)) as third:
        assert third.stats().feedback["click"] > 0
