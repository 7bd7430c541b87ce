"""The simulated disk loses what a disk may lose, and the real store lives on it."""

import random
import sqlite3
from collections.abc import Iterator

import pytest

from recsys.errors import StoreError
from recsys.store.sqlite import SqliteStore
from tests.simulation import vfs
from tests.simulation.disk import IOERR, SECTOR, Disk, DiskFault, Troubles
from tests.stores import clicks, sequences

A, B = b"a" * 4 * SECTOR, b"b" * 4 * SECTOR


@pytest.fixture(scope="module", autouse=True)
def registered() -> None:
    try:
        vfs.register()
    except vfs.NoVfs as error:
        pytest.skip(f"SQLite cannot be given a simulated disk: {error}")


def written(disk: Disk, *, flushed: bool = True) -> Disk:
    """Write A and flush it, then write B over it."""
    file = disk.open("f", create=True, journal=True)
    disk.write(file, A, 0)
    if flushed:
        disk.flush(file)
        disk.write(file, B, 0)
    return disk


def content(disk: Disk, name: str = "f") -> bytes:
    return disk.read(disk.open(name, create=False, journal=False), 10**6, 0)


def seeds() -> Iterator[random.Random]:
    return (random.Random(seed) for seed in range(40))


def test_a_power_cut_keeps_what_was_flushed_and_any_part_of_the_rest() -> None:
    assert content(written(Disk(random.Random(1))).after_power_cut(0.0)) == A
    assert content(written(Disk(random.Random(1))).after_power_cut(1.0)) == B
    found = {content(written(Disk(chance)).after_power_cut(0.5)) for chance in seeds()}
    assert len(found) > 10
    for one in found:
        parts = [one[at : at + SECTOR] for at in range(0, len(one), SECTOR)]
        assert set(parts) <= {A[:SECTOR], B[:SECTOR]}


def test_a_file_whose_folder_was_not_flushed_may_be_gone() -> None:
    disk = written(Disk(random.Random(1)), flushed=False).after_power_cut(0.0)
    assert not disk.exists("f")


def test_a_deleted_file_may_be_back() -> None:
    disk = written(Disk(random.Random(1)))
    disk.delete("f", flush_folder=False)
    assert content(disk.after_power_cut(0.0)) == A
    disk = written(Disk(random.Random(1)))
    disk.delete("f", flush_folder=True)
    assert not disk.after_power_cut(0.0).exists("f")


def test_a_killed_process_leaves_what_it_wrote_to_the_next_one_alone() -> None:
    disk = written(Disk(random.Random(1)))
    left = disk.after_kill()
    assert content(left) == B
    with pytest.raises(DiskFault):
        content(disk)
    assert content(left.after_power_cut(0.0)) == A


def test_what_a_failed_flush_lost_is_read_and_not_written_by_the_next() -> None:
    for chance in seeds():
        disk = written(Disk(chance))
        disk.arm(Troubles(flush_fails_at=1))
        file = disk.open("f", create=False, journal=False)
        with pytest.raises(DiskFault):
            disk.flush(file)
        disk.flush(file)
        assert content(disk) == B
        if content(disk.after_power_cut(1.0)) != B:
            break
    else:
        pytest.fail("a failed flush loses nothing")


def test_nothing_works_once_the_power_is_gone() -> None:
    disk = Disk(random.Random(1))
    disk.arm(Troubles(cut_at=3))
    with pytest.raises(DiskFault) as caught:
        written(disk)
    assert caught.value.code == IOERR
    for work in (lambda: disk.exists("f"), lambda: disk.delete("f", flush_folder=True)):
        with pytest.raises(DiskFault):
            work()
    assert disk.after_power_cut(1.0).exists("f")


def test_the_store_lives_on_it_and_keeps_what_it_acknowledged() -> None:
    disk = Disk(random.Random(1))
    for life in range(3):
        with vfs.mounted(disk) as folder:
            store = SqliteStore(folder / "log.sqlite", vfs=vfs.NAME)
            assert sequences(store) == list(range(1, 10 * life + 1))
            store.append(clicks(10 * life + 1, 10 * life + 10))
            disk = disk.after_power_cut(0.0)
            store.close()


@pytest.mark.parametrize("at", range(1, 36))
@pytest.mark.parametrize("trouble", ["full", "flush"])
def test_a_store_that_cannot_be_made_as_it_should_be_is_not_opened(at: int, trouble: str) -> None:
    """SQLite tells of a switch to WAL that fails only to who reads its answer to the end."""
    disk = Disk(random.Random(at))
    full = range(at, at + 1) if trouble == "full" else range(0)
    disk.arm(Troubles(full=full, flush_fails_at=at if trouble == "flush" else None))
    with vfs.mounted(disk) as folder:
        try:
            store = SqliteStore(folder / "log.sqlite", vfs=vfs.NAME)
        except StoreError:
            assert disk.hurt == trouble
            return
        assert disk.exists("log.sqlite-wal")
        assert not disk.exists("log.sqlite-journal")
        store.close()


def test_a_path_may_hold_anything() -> None:
    disk = Disk(random.Random(1))
    with vfs.mounted(disk) as folder:
        SqliteStore(folder / "a?b#c%41 d.sqlite", vfs=vfs.NAME).close()
        assert disk.exists("a?b#c%41 d.sqlite")
        with pytest.raises(StoreError):
            SqliteStore(folder.with_name("nobody") / "log.sqlite", vfs=vfs.NAME)
        with pytest.raises(StoreError, match="no such vfs"):
            SqliteStore(folder / "log.sqlite", vfs="nobody's")


def test_sqlite_on_its_own_disk_is_left_alone() -> None:
    with sqlite3.connect(":memory:") as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    connection.close()
