"""Snapshots in pieces: others use the store meanwhile, and only a whole one counts."""

import shutil
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest

from recsys.capture import Capture, committing
from recsys.codec import pack
from recsys.errors import StoreError
from recsys.frozen import made
from recsys.store.sqlite import SqliteStore
from tests.stores import RawStore, clicks, sequences

GENERATIONS = "SELECT count(DISTINCT generation) FROM state"
LARGE = bytes(range(256)) * 20_000
"""Of several pieces, and more than are written between two checkpoints."""


def parts(number: int) -> dict[str, bytes]:
    return {"counts": pack(number), "table": pack([LARGE, number])}


def steps(store: SqliteStore, number: int) -> Iterator[None]:
    """Write a snapshot after event ``number`` of which each byte depends on the number."""
    frozen = {name: made(record) for name, record in parts(number).items()}
    users = {"ann": pack(number)}
    return committing(store, Capture(number, frozen, users), ())


@pytest.fixture
def store(tmp_path: Path) -> Iterator[RawStore]:
    store = RawStore(tmp_path / "store.sqlite")
    store.append(clicks(1, 5))
    yield store
    store.close()


def test_others_write_and_read_between_the_steps(store: RawStore) -> None:
    for _ in steps(store, 1):
        pass
    taken = 0
    for taken, _ in enumerate(steps(store, 5), start=1):
        store.append(clicks(5 + taken, 5 + taken))
        assert store.load_user("ann") in {pack(1), pack(5)}
    assert taken > 10
    assert store.load() == parts(5)
    assert sequences(store) == list(range(1, 6 + taken))
    assert store.ask(GENERATIONS) == 1


def test_a_death_at_any_step_leaves_the_one_or_the_other_snapshot(tmp_path: Path) -> None:
    base = SqliteStore(tmp_path / "base" / "store.sqlite")
    base.append(clicks(1, 5))
    everything = sum(1 for _ in steps(base, 1))
    base.close()
    found = list[int]()
    for taken in range(everything + 1):
        alive = tmp_path / f"alive-{taken}"
        shutil.copytree(tmp_path / "base", alive)
        store = SqliteStore(alive / "store.sqlite")
        for _ in islice(steps(store, 5), taken):
            pass
        # What lies there now is what a killed process leaves behind.
        shutil.copytree(alive, tmp_path / f"dead-{taken}")
        store.close()
        after = RawStore(tmp_path / f"dead-{taken}" / "store.sqlite")
        found.append(after.snapshot_sequence)
        assert after.load() == parts(found[-1])
        assert after.load_user("ann") == pack(found[-1])
        # What was begun goes with the next snapshot.
        for _ in steps(after, 5):
            pass
        assert after.load() == parts(5)
        assert after.ask(GENERATIONS) == 1
        after.close()
    assert set(found) == {1, 5}
    assert found == sorted(found)


def test_a_snapshot_that_cannot_be_written_leaves_the_former_one(store: RawStore) -> None:
    for _ in steps(store, 1):
        pass
    store.run(f"PRAGMA max_page_count = {store.ask('PRAGMA page_count') + 300}")
    with pytest.raises(StoreError, match="the disk is full"):
        for _ in steps(store, 5):
            pass
    store.append(clicks(6, 6))
    assert store.load() == parts(1)
    store.run("PRAGMA max_page_count = 1000000")
    for _ in steps(store, 5):
        pass
    assert store.load() == parts(5)
    assert store.ask(GENERATIONS) == 1


def test_parts_that_were_not_staged_are_written_with_the_rest(store: RawStore) -> None:
    for _ in store.staging(parts(1)):
        pass
    store.commit_snapshot(5, parts(5), {})
    assert store.load() == parts(5)
    assert store.ask(GENERATIONS) == 1


def test_what_a_snapshot_has_replaced_is_wiped_though_it_died_before_sweeping(
    store: RawStore, tmp_path: Path
) -> None:
    name = "somebody-with-a-long-name"
    store.commit_snapshot(1, {"waiting": pack({"user_id": name})}, {})
    begun = steps(store, 5)
    while store.snapshot_sequence == 1:
        next(begun)
    assert store.ask(GENERATIONS) == 2
    store.scrub({name})
    assert store.load() == parts(5)
    store.close()
    files = [file.read_bytes() for file in tmp_path.iterdir()]
    assert not any(name.encode() in content for content in files)


def test_wiping_leaves_what_is_being_staged(store: RawStore) -> None:
    for _ in steps(store, 1):
        pass
    new, taken = parts(5), 0
    for taken, _ in enumerate(store.staging(new), start=1):
        if taken == 2:
            store.scrub({"ann"})
    store.commit_snapshot(5, new, {})
    assert taken > 2
    assert store.load() == parts(5)
