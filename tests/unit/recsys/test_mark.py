"""The high-water mark beside a store tells a torn tail from a damaged middle."""

import logging
import shutil
from pathlib import Path

import pytest

from recsys.errors import CorruptRecord
from recsys.store.base import Append, Outcome
from recsys.store.mark import Claim, Mark
from recsys.store.sqlite import SqliteStore
from recsys.store.sqlite_check import mark_of
from recsys.store.sqlite_file import wal_of
from tests.stores import clicks, sequences

ID = b"i" * 16


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.sqlite"


def left_behind(path: Path, folder: Path) -> Path:
    """Copy a store that is open, as a killed process would leave it."""
    folder.mkdir()
    for file in (path, wal_of(path), mark_of(path)):
        if file.exists():
            shutil.copyfile(file, folder / file.name)
    return folder / path.name


class TestMark:
    def test_what_was_written_is_read(self, path: Path) -> None:
        mark = Mark(path)
        assert mark.read() is None
        mark.begin(ID, 7)
        assert Mark(path).read() == Claim(ID, 7)
        for high_water in (8, 9, 12):
            mark.write(high_water)
            assert Mark(path).read() == Claim(ID, high_water)
        mark.close()
        mark.close()
        again = Mark(path)
        again.begin(ID, 12)
        again.write(13)
        assert Mark(path).read() == Claim(ID, 13)
        again.close()

    def test_any_damage_leaves_an_older_claim_or_none(self, path: Path) -> None:
        mark = Mark(path)
        mark.begin(ID, 7)
        mark.write(8)
        mark.close()
        whole = path.read_bytes()
        assert len(whole) < 1024
        for place in range(len(whole)):
            damaged = bytearray(whole)
            damaged[place] ^= 1 << place % 8
            path.write_bytes(damaged)
            assert Mark(path).read() in {Claim(ID, 7), Claim(ID, 8)}
        for length in range(len(whole)):
            path.write_bytes(whole[:length])
            assert Mark(path).read() in {Claim(ID, 7), Claim(ID, 8), None}

    def test_a_mark_that_cannot_be_written_is_told_once(
        self, path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        mark = Mark(path)
        mark.begin(ID, 7)
        mark.close()
        with caplog.at_level(logging.WARNING):
            mark.write(8)
            mark.write(9)
            mark.flush()
        assert [record.getMessage() for record in caplog.records] == [
            f"{path} is not written any more: [Errno 9] Bad file descriptor"
        ]
        assert Mark(path).read() == Claim(ID, 7)


class TestStore:
    def test_each_commit_is_marked(self, path: Path) -> None:
        store = SqliteStore(path)
        assert Mark(mark_of(path)).read() == Claim(store.store_id, 0)
        store.append(clicks(1, 3))
        assert Mark(mark_of(path)).read() == Claim(store.store_id, 3)
        store.append(clicks(1, 5))
        assert Mark(mark_of(path)).read() == Claim(store.store_id, 5)
        store.close()
        store = SqliteStore(path)
        assert Mark(mark_of(path)).read() == Claim(store.store_id, 5)
        store.close()

    def test_a_damaged_middle_is_refused_and_left_as_it_is(
        self, path: Path, tmp_path: Path
    ) -> None:
        store = SqliteStore(path)
        store.append(clicks(1, 2))
        middle = wal_of(path).stat().st_size + 100
        store.append(clicks(3, 4))
        store.append(clicks(5, 6))
        copy = left_behind(path, tmp_path / "copy")
        store.close()
        log = bytearray(wal_of(copy).read_bytes())
        log[middle] ^= 1
        wal_of(copy).write_bytes(log)
        before = {file.name: file.read_bytes() for file in copy.parent.iterdir()}
        for _ in range(2):
            with pytest.raises(
                CorruptRecord,
                match=r"ends at event 2, but event 6 was acknowledged: 4 are missing; keep a copy",
            ):
                SqliteStore(copy)
            assert {file.name: file.read_bytes() for file in copy.parent.iterdir()} == before
        log[middle] ^= 1
        wal_of(copy).write_bytes(log)
        store = SqliteStore(copy)
        assert sequences(store) == [1, 2, 3, 4, 5, 6]
        store.close()

    @pytest.mark.parametrize("missing", ["", "-wal"])
    def test_a_missing_file_is_refused(self, path: Path, tmp_path: Path, missing: str) -> None:
        store = SqliteStore(path)
        store.append(clicks(1, 2))
        copy = left_behind(path, tmp_path / "copy")
        store.close()
        copy.with_name(f"{copy.name}{missing}").unlink()
        before = {file.name: file.read_bytes() for file in copy.parent.iterdir()}
        with pytest.raises(CorruptRecord, match=r"missing|acknowledged|another store"):
            SqliteStore(copy)
        after = {file.name: file.read_bytes() for file in copy.parent.iterdir()}
        assert {name: after[name] for name in before} == before

    def test_an_older_copy_put_back_is_refused(self, path: Path) -> None:
        store = SqliteStore(path)
        store.append(clicks(1, 2))
        store.close()
        older = path.read_bytes()
        store = SqliteStore(path)
        store.append(clicks(3, 3))
        store.close()
        path.write_bytes(older)
        with pytest.raises(CorruptRecord, match="ends at event 2, but event 3 was acknowledged"):
            SqliteStore(path)

    def test_the_mark_of_another_store_is_refused(self, path: Path, tmp_path: Path) -> None:
        other = tmp_path / "other.sqlite"
        for each in (path, other):
            store = SqliteStore(each)
            store.append(clicks(1, 2))
            store.close()
        shutil.copyfile(mark_of(other), mark_of(path))
        with pytest.raises(CorruptRecord, match=r"-mark is that of another store, up to event 2"):
            SqliteStore(path)

    @pytest.mark.parametrize("content", [None, b"", b"\x00" * 600])
    def test_a_lost_mark_is_told_and_written_anew(
        self, path: Path, content: bytes | None, caplog: pytest.LogCaptureFixture
    ) -> None:
        store = SqliteStore(path)
        store.append(clicks(1, 2))
        store.close()
        mark_of(path).unlink()
        if content is not None:
            mark_of(path).write_bytes(content)
        with caplog.at_level(logging.WARNING):
            store = SqliteStore(path)
        assert "store.sqlite-mark is missing or damaged" in caplog.text
        assert sequences(store) == [1, 2]
        assert Mark(mark_of(path)).read() == Claim(store.store_id, 2)
        store.close()
        caplog.clear()
        SqliteStore(path).close()
        assert caplog.text == ""

    def test_a_torn_tail_is_told(
        self, path: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        """What was torn was never acknowledged: the mark is that of the commit before."""
        store = SqliteStore(path)
        store.append(clicks(1, 2))
        whole = wal_of(path).stat().st_size
        copy = left_behind(path, tmp_path / "copy")
        store.append(clicks(3, 4))
        torn = wal_of(path).read_bytes()[: whole + 5000]
        store.close()
        wal_of(copy).write_bytes(torn)
        with caplog.at_level(logging.WARNING):
            store = SqliteStore(copy)
        assert "5000 bytes of a commit that was never finished were cut" in caplog.text
        assert store.cut_bytes == 5000
        assert sequences(store) == [1, 2]
        assert store.append(clicks(3, 3)) == [Append(Outcome.ACCEPTED, 3)]
        store.close()

    def test_what_an_older_log_left_is_not_torn(
        self, path: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        store = SqliteStore(path)
        store.append(clicks(1, 500))
        long = wal_of(path).stat().st_size
        again = SqliteStore(left_behind(path, tmp_path / "again"))  # its checkpoint begins anew
        again.append(clicks(501, 501))
        copy = left_behind(tmp_path / "again" / path.name, tmp_path / "copy")
        assert wal_of(copy).stat().st_size == long
        with caplog.at_level(logging.WARNING):
            last = SqliteStore(copy)
        assert caplog.text == ""
        assert last.last_sequence == 501
        for each in (store, again, last):
            each.close()
