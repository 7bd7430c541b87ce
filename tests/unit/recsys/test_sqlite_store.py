"""What only the SQLite store can do: fill a disk, lose a lock, be damaged, be opened by two."""

import resource
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from typing_extensions import override

from recsys.codec import pack
from recsys.errors import CorruptRecord, StoreError, StoreLocked
from recsys.store.base import Append, Outcome
from recsys.store.sqlite import SqliteStore
from tests.stores import RawStore, clicks, filled, flush_fails, raw, sequences


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "shard" / "store.sqlite"


@pytest.fixture
def store(path: Path) -> Iterator[SqliteStore]:
    store = SqliteStore(path)
    yield store
    store.close()


class TestOpening:
    def test_the_folder_is_made(self, store: SqliteStore, path: Path) -> None:
        assert store.append(clicks(1, 1)) == [Append(Outcome.ACCEPTED, 1)]
        assert path.exists()

    def test_each_opening_is_counted(self, path: Path) -> None:
        for expected in (1, 2, 3):
            store = SqliteStore(path)
            assert store.epoch == expected
            store.close()

    def test_a_crashed_opening_counts_too(self, path: Path) -> None:
        code = "import os; from recsys.store.sqlite import SqliteStore\n"
        code += f"store = SqliteStore({str(path)!r}); os._exit(0)"
        subprocess.run([sys.executable, "-c", code], check=True)
        store = SqliteStore(path)
        assert store.epoch == 2
        store.close()

    def test_a_second_owner_is_refused(self, store: SqliteStore, path: Path) -> None:
        with pytest.raises(StoreLocked, match=r"store.sqlite is open in another process; stop"):
            SqliteStore(path)
        assert store.append(clicks(1, 1)) == [Append(Outcome.ACCEPTED, 1)]

    def test_a_second_process_is_refused(self, store: SqliteStore, path: Path) -> None:
        code = f"from recsys.store.sqlite import SqliteStore; SqliteStore({str(path)!r})"
        done = subprocess.run(
            [sys.executable, "-c", code], check=False, capture_output=True, text=True
        )
        assert done.returncode == 1
        assert f"StoreLocked: {path} is open in another process" in done.stderr

    def test_a_commit_is_on_the_disk_when_it_returns(self, path: Path) -> None:
        store = RawStore(path)
        assert store.ask("PRAGMA synchronous") == 2  # FULL
        assert path.with_name("store.sqlite-wal").exists()
        assert not path.with_name("store.sqlite-shm").exists()  # the file is not shared
        store.close()

    def test_a_folder_that_cannot_be_made(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        with pytest.raises(StoreError, match="its folder cannot be made"):
            SqliteStore(tmp_path / "file" / "store.sqlite")

    def test_a_folder_in_place_of_the_file(self, tmp_path: Path) -> None:
        with pytest.raises(StoreError, match="the file cannot be opened; its folder must exist"):
            SqliteStore(tmp_path)

    def test_a_file_that_is_no_database(self, tmp_path: Path) -> None:
        path = tmp_path / "letter.txt"
        path.write_text("Dear reader, " * 1000)
        with pytest.raises(CorruptRecord, match=r"letter.txt is damaged or no store"):
            SqliteStore(path)
        assert path.read_text() == "Dear reader, " * 1000

    def test_a_database_of_another_program(self, tmp_path: Path) -> None:
        path = tmp_path / "other.sqlite"
        with raw(path) as connection:
            connection.execute("CREATE TABLE log (line TEXT)")
        before = path.read_bytes()
        with pytest.raises(StoreError, match="database of another program; choose another folder"):
            SqliteStore(path)
        assert path.read_bytes() == before

    def test_another_schema(self, path: Path) -> None:
        with raw(filled(path)) as connection:
            connection.execute("PRAGMA user_version = 7")
        with pytest.raises(StoreError, match=r"schema version 7, .* knows 1 to 3;"):
            SqliteStore(path)
        with raw(path) as connection:
            connection.execute("PRAGMA user_version = 3")
        SqliteStore(path).close()  # the refusal left no lock and changed nothing


class TestTrouble:
    def test_a_full_disk(self, path: Path) -> None:
        store = RawStore(path)
        store.append(clicks(1, 10))
        store.run(f"PRAGMA max_page_count = {store.ask('PRAGMA page_count')}")
        with pytest.raises(StoreError, match=r"store.sqlite: the disk is full; free some space"):
            store.append(clicks(11, 2000))
        with pytest.raises(StoreError, match="the disk is full"):
            store.commit_snapshot(10, {"model": pack(b"x" * 10**6)}, {"ann": pack(1)})
        assert store.last_sequence == 10
        assert sequences(store) == list(range(1, 11))
        assert store.find("e11") is None
        assert (store.snapshot_sequence, store.load(), list(store.user_ids())) == (0, {}, [])
        store.run("PRAGMA max_page_count = 1000000")
        assert store.append(clicks(11, 2000))[-1] == Append(Outcome.ACCEPTED, 2000)
        store.commit_snapshot(10, {"model": pack(b"x" * 10**6)}, {})
        store.close()
        store = RawStore(path)
        assert sequences(store) == list(range(1, 2001))
        store.close()

    def test_a_file_that_became_read_only(self, path: Path) -> None:
        store = RawStore(path)
        store.run("PRAGMA query_only = ON")
        with pytest.raises(StoreError, match="read-only; make both writable"):
            store.append(clicks(1, 1))
        store.run("PRAGMA query_only = OFF")
        assert store.append(clicks(1, 1)) == [Append(Outcome.ACCEPTED, 1)]
        store.close()

    def test_a_disk_that_refuses_to_write(self, store: SqliteStore, path: Path) -> None:
        store.append(clicks(1, 10))
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        size = path.with_name("store.sqlite-wal").stat().st_size
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
        try:
            with pytest.raises(StoreError, match="the disk failed to read or write"):
                store.append(clicks(11, 20))
            assert store.last_sequence == 10
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert store.append(clicks(11, 20))[0] == Append(Outcome.ACCEPTED, 11)
        assert sequences(store) == list(range(1, 21))

    @pytest.mark.skipif(sys.platform != "linux", reason="finds open files under /proc")
    def test_a_failed_flush_is_never_tried_again(self, path: Path) -> None:
        store = SqliteStore(path)
        store.append(clicks(1, 10))
        with (
            flush_fails(path.with_name("store.sqlite-wal")),
            pytest.raises(StoreError, match="did not confirm a write; restart"),
        ):
            store.append(clicks(11, 20))
        for call in CALLS:
            with pytest.raises(StoreError, match="did not confirm a write; restart"):
                call(store)
        store.close()
        store = SqliteStore(path)
        assert sequences(store) == list(range(1, 11))
        assert store.append(clicks(11, 20))[0] == Append(Outcome.ACCEPTED, 11)
        store.close()

    def test_an_interrupted_snapshot_leaves_nothing(self, store: SqliteStore) -> None:
        store.append(clicks(1, 1))
        with pytest.raises(KeyboardInterrupt):
            store.commit_snapshot(1, {"model": pack(1)}, Interrupts())
        assert (store.snapshot_sequence, store.load(), list(store.user_ids())) == (0, {}, [])
        assert store.append(clicks(2, 2)) == [Append(Outcome.ACCEPTED, 2)]

    def test_a_closed_store_refuses(self, store: SqliteStore) -> None:
        store.append(clicks(1, 1))
        store.close()
        for call in CALLS:
            with pytest.raises(StoreError, match=r"store.sqlite: the store is closed"):
                call(store)
        assert (store.last_sequence, store.snapshot_sequence) == (1, 0)


class Interrupts(Mapping[str, bytes]):
    """Users whose listing is interrupted by the keyboard, after something else was done."""

    def __init__(self, first: Callable[[], object] = lambda: None) -> None:
        self._first = first

    @override
    def __getitem__(self, user_id: str) -> bytes:
        return pack(user_id)

    @override
    def __iter__(self) -> Iterator[str]:
        yield "ann"
        self._first()
        raise KeyboardInterrupt

    @override
    def __len__(self) -> int:
        return 2


CALLS: list[Callable[[SqliteStore], object]] = [
    lambda store: store.append(clicks(100, 101)),
    lambda store: store.commit_snapshot(1, {}, {}),
    lambda store: store.find("e1"),
    lambda store: list(store.read(after=0)),
    lambda store: store.load(),
    lambda store: store.load_user("ann"),
    lambda store: list(store.user_ids()),
]


class TestThreads:
    def test_nobody_sees_half_a_snapshot(self, store: SqliteStore) -> None:
        """The other thread asks in the middle, and is answered after the end: nothing was kept."""
        seen: list[bytes | None] = []
        thread = threading.Thread(target=lambda: seen.append(store.load_user("ann")))

        def ask() -> None:
            thread.start()
            thread.join(0.05)  # time for a wrong answer; the right one only comes later

        with pytest.raises(KeyboardInterrupt):
            store.commit_snapshot(0, {}, Interrupts(ask))
        thread.join()
        assert seen == [None]

    def test_look_ups_beside_appends(self, store: SqliteStore) -> None:
        """One thread appends and snapshots; the other finds whatever was acked before."""
        acked: list[int] = []
        failures: list[str] = []
        done = threading.Event()

        def look() -> None:
            while not done.is_set() or len(acked) < 2000:
                last = acked[-1] if acked else 0
                if last and store.find(f"e{last}") != (last, clicks(last, last)[0]):
                    failures.append(f"event {last} was acked and is not found")
                if (user := store.load_user("ann")) is not None and user != pack("ann"):
                    failures.append(f"the user is {user!r}")
                if done.is_set():
                    return

        thread = threading.Thread(target=look)
        thread.start()
        for first in range(1, 2001, 10):
            acked.append(store.append(clicks(first, first + 9))[-1].sequence)
            if first % 200 == 1:
                store.commit_snapshot(acked[-1], {"model": pack(first)}, {"ann": pack("ann")})
        done.set()
        thread.join()
        assert failures == []
        assert sequences(store) == list(range(1, 2001))

    def test_two_writers(self, store: SqliteStore) -> None:
        failures: list[str] = []

        def write(number: int) -> None:
            for turn in range(200):
                last = store.append(clicks(number + turn, number + turn))[-1].sequence
                if store.last_sequence < last:
                    failures.append(f"{last} was written, the end is {store.last_sequence}")

        threads = [threading.Thread(target=write, args=(number,)) for number in (1, 1001)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []
        assert sequences(store) == list(range(1, 401))

    def test_reading_goes_on_while_old_events_leave(self, path: Path) -> None:
        store = SqliteStore(path, log_events=100)
        store.append(clicks(1, 2000))
        reading = store.read(after=0)
        first = [next(reading)[0] for _ in range(500)]
        store.commit_snapshot(1500, {}, {})
        rest = [sequence for sequence, _ in reading]
        assert first == list(range(1, 501))
        assert rest == list(range(1401, 2001))
        reading = store.read(after=1400)
        next(reading)
        store.commit_snapshot(2000, {}, {})
        assert next(reading)[0] == 1402
        store.close()
