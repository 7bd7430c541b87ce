"""A small store cut at every byte, and with every byte changed: the truth, or a refusal.

``make soak-store`` does it for all bytes; here every ``STRIDE``-th is taken.
"""

import os
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from recsys.codec import pack
from recsys.errors import CorruptRecord, StoreError
from recsys.events import Event
from recsys.store.base import Outcome
from recsys.store.mark import Mark
from recsys.store.sqlite import SqliteStore
from recsys.store.sqlite_check import mark_of
from recsys.store.sqlite_file import wal_of
from tests.stores import clicks

STRIDE = int(os.environ.get("RECSYS_STRIDE", "11"))
PAGE = 512
"""Bytes of a page: so small that the whole store has a few thousand."""


class Known(NamedTuple):
    """What a store has said after one of its commits."""

    events: list[tuple[int, Event]]
    positions: dict[str, int]
    snapshot: int
    parts: dict[str, bytes]
    users: dict[str, bytes]


class Truth(NamedTuple):
    """A store as a killed process left it, and what it had said before."""

    files: dict[str, bytes]
    marks: list[bytes]
    """The mark after each commit; a power failure may bring an older one back."""
    history: list[Known]


def known(store: SqliteStore) -> Known:
    users = {user_id: store.load_user(user_id) or b"" for user_id in store.user_ids()}
    assert store.load_user("nobody") is None
    return Known(
        list(store.read(after=0)),
        store.positions(),
        store.snapshot_sequence,
        store.load(),
        users,
    )


def files_of(path: Path) -> dict[str, Path]:
    return {"main": path, "wal": wal_of(path), "mark": mark_of(path)}


@pytest.fixture(scope="module")
def truth(tmp_path_factory: pytest.TempPathFactory) -> Truth:
    path = tmp_path_factory.mktemp("truth") / "s"
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA page_size = {PAGE}")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.close()
    store = SqliteStore(path)
    store.append(clicks(1, 4), {"feedback-0": 4})
    store.commit_snapshot(2, {"one": pack(1), "two": pack("2")}, {"ann": pack(1), "bob": pack(2)})
    store.append(clicks(5, 5), {"feedback-0": 5})
    store.close()
    store = SqliteStore(path)
    assert path.stat().st_size > 10 * PAGE
    marks, history = [mark_of(path).read_bytes()], [known(store)]

    def committed() -> None:
        marks.append(mark_of(path).read_bytes())
        history.append(known(store))

    store.append(clicks(6, 7), {"feedback-0": 6, "feedback-1": 1})
    committed()
    store.commit_snapshot(6, {"one": pack(3), "two": pack("4")}, {"bob": pack(5), "cid": pack(6)})
    committed()
    store.append(clicks(8, 8))
    committed()
    files = {name: file.read_bytes() for name, file in files_of(path).items()}
    store.close()
    return Truth(files, marks, history)


@pytest.fixture
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Memory where there is some: nothing here is about flushing."""
    memory = Path("/dev/shm")
    folder = tmp_path_factory.mktemp("damaged")
    if memory.is_dir() and os.access(memory, os.W_OK):
        folder = memory / f"recsys-{os.getpid()}"
    folder.mkdir(exist_ok=True)
    yield folder / "s"
    shutil.rmtree(folder)


def outcome(path: Path, truth: Truth, files: dict[str, bytes]) -> Known | None:
    """Open a store of these files, and return what it says, or ``None`` when it refuses."""
    for name, file in files_of(path).items():
        file.write_bytes(files[name])
    path.with_name(f"{path.name}-shm").unlink(missing_ok=True)
    claim = Mark(mark_of(path)).read()
    try:
        store = SqliteStore(path)
    except (CorruptRecord, StoreError):
        return None
    try:
        said = known(store)
        # Whom it does not know it must not have known: nobody is forgotten.
        for user_id in truth.history[-1].users:
            if user_id not in said.users:
                assert store.load_user(user_id) is None
        everything = [event for _, event in truth.history[-1].events]
        again = store.append(everything)
    except (CorruptRecord, StoreError):
        return None
    finally:
        store.close()
    assert said in truth.history
    assert claim is None or said.events[-1][0] >= claim.high_water
    kept = len(said.events)
    assert [append.sequence for append in again] == list(range(1, len(everything) + 1))
    assert [append.outcome is Outcome.DUPLICATE for append in again] == [
        sequence <= kept for sequence in range(1, len(everything) + 1)
    ]
    return said


def test_undamaged_it_says_all(truth: Truth, place: Path) -> None:
    assert outcome(place, truth, truth.files) == truth.history[-1]
    assert len({len(each.events) for each in truth.history}) == 3


@pytest.mark.parametrize("name", ["main", "wal"])
def test_cut_anywhere(truth: Truth, place: Path, name: str) -> None:
    """All was acknowledged, so anything less is refused."""
    whole = truth.files[name]
    said = [
        outcome(place, truth, {**truth.files, name: whole[:length]})
        for length in range(0, len(whole), STRIDE)
    ]
    assert {None if one is None else len(one.events) for one in said} <= {None, 8}
    assert None in said


def test_a_log_cut_anywhere_with_an_older_mark(truth: Truth, place: Path) -> None:
    """As after a power failure: what the mark vouches for is there, and never half a commit."""
    whole = truth.files["wal"]
    kept = set()
    for length in range(0, len(whole), STRIDE):
        for mark in (truth.marks[0], truth.marks[1]):
            files = {**truth.files, "wal": whole[:length], "mark": mark}
            said = outcome(place, truth, files)
            kept.add(None if said is None else len(said.events))
    assert kept == {None, 5, 7}


@pytest.mark.parametrize("name", ["main", "wal"])
def test_any_byte_changed(truth: Truth, place: Path, name: str) -> None:
    whole = truth.files[name]
    refused = 0
    for at in range(0, len(whole), STRIDE):
        damaged = bytearray(whole)
        damaged[at] ^= 1 << at % 8
        said = outcome(place, truth, {**truth.files, name: bytes(damaged)})
        refused += said is None
        assert said is None or len(said.events) == 8, at
    assert refused > 0


def test_any_byte_of_the_mark_changed_or_missing(truth: Truth, place: Path) -> None:
    """A mark can be lost without losing anything else."""
    whole = truth.files["mark"]
    for at in range(0, len(whole), STRIDE):
        damaged = bytearray(whole)
        damaged[at] ^= 1 << at % 8
        for mark in (bytes(damaged), whole[:at]):
            assert outcome(place, truth, {**truth.files, "mark": mark}) == truth.history[-1]
