"""A damaged store is described by ``verify``, and mended where its owner accepts the loss."""

import shutil
from pathlib import Path

import pytest

from recsys.codec import pack
from recsys.errors import CorruptRecord, StoreLocked
from recsys.store.sqlite import SqliteStore
from recsys.store.sqlite_check import mark_of
from recsys.store.sqlite_file import wal_of
from recsys.store.sqlite_repair import give_up_damaged
from recsys.store.sqlite_verify import verify
from tests.stores import clicks, damage, filled, sequences

GOLDEN = Path(__file__).parents[2] / "golden"
CUT = "UPDATE {} SET record = substr(record, 1, length(record) - 1) WHERE {}"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return filled(tmp_path / "store.sqlite")


def pruned(path: Path) -> Path:
    """Leave a closed store whose log begins at 6: events to 20, a snapshot after 10."""
    path.parent.mkdir()
    store = SqliteStore(path, log_events=5)
    store.append(clicks(1, 20), {"feedback-0": 3})
    store.commit_snapshot(10, {"model": pack(b"model")}, {"ann": pack(1), "bob": pack(2)})
    store.close()
    return path


class TestVerify:
    def test_a_sound_store(self, path: Path) -> None:
        before = {file.name: file.read_bytes() for file in path.parent.iterdir()}
        report = verify(path)
        assert (report.damage, report.notes, report.more) == ([], [], 0)
        assert (report.events, report.users, report.parts) == (20, 1, 1)
        assert (report.high_water, report.snapshot, report.acknowledged) == (20, 10, 20)
        after = {file.name: file.read_bytes() for file in path.parent.iterdir()}
        assert {name: after[name] for name in before} == before

    @pytest.mark.parametrize(
        ("query", "findings"),
        [
            (CUT.format("log", "seq IN (7, 13)"), ["event 7 of the log is", "event 13 of the"]),
            ("DELETE FROM log WHERE seq IN (3, 20)", ["event 3 is missing", "event 20 is missing"]),
            ("DELETE FROM seen WHERE seq = 5", ["the id of event 5 is forgotten"]),
            ("UPDATE seen SET content = 1 WHERE seq = 5", ["5 is remembered with other content"]),
            (CUT.format("users", "user_id = 'ann'"), ["user 'ann' of the snapshot is damaged"]),
            (
                "UPDATE users SET user_id = 'eve'",
                ["user 'eve' is filed with the record of another"],
            ),
            (CUT.format("state", "name = 'model'"), ["part 'model' of the snapshot is damaged"]),
            ("UPDATE state SET name = 'other'", ["the parts of the snapshot are not those"]),
            ("UPDATE meta SET record = x'00'", ["the head of the store is damaged"]),
            ("DELETE FROM users", ["1 users should be there, 0 are"]),
        ],
    )
    def test_damage_is_named(self, path: Path, query: str, findings: list[str]) -> None:
        report = verify(damage(path, query))
        assert len(report.damage) == len(findings)
        for expected, found in zip(findings, report.damage, strict=True):
            assert expected in found

    def test_many_findings_are_counted(self, path: Path) -> None:
        report = verify(damage(path, "UPDATE log SET record = x'00' WHERE seq <= 20"))
        assert len(report.damage) == 20
        damage(path, "DELETE FROM log")
        mark_of(path).unlink()
        report = verify(path)
        assert (len(report.damage), report.more, report.events) == (20, 0, 0)
        assert report.notes == ["its high-water mark is missing; the next opening writes it anew"]

    def test_broken_pages_and_missing_files(self, path: Path) -> None:
        content = path.read_bytes()
        path.write_bytes(content[: len(content) // 2])
        assert verify(path).damage
        path.unlink()
        assert "is missing or empty, but what belongs to it" in verify(path).damage[0]
        mark_of(path).unlink()
        assert verify(path.with_name("nothing")).damage == [
            f"{path.with_name('nothing')} is missing"
        ]

    def test_lost_events_and_another_mark(self, path: Path, tmp_path: Path) -> None:
        older = path.read_bytes()
        store = SqliteStore(path)
        store.append(clicks(21, 23))
        store.close()
        path.write_bytes(older)
        assert "ends at event 20, but event 23 was acknowledged" in verify(path).damage[0]
        other = filled(tmp_path / "other.sqlite")
        shutil.copyfile(mark_of(other), mark_of(path))
        assert "is that of another store" in verify(path).damage[0]

    def test_an_older_schema(self, tmp_path: Path) -> None:
        path = tmp_path / "old.sqlite"
        shutil.copyfile(GOLDEN / "schema_1.sqlite", path)
        report = verify(path)
        assert (report.damage, report.schema, report.events) == ([], 1, 6)
        assert "of schema 1; the next opening brings it to" in report.notes[0]

    def test_a_store_in_use(self, path: Path) -> None:
        store = SqliteStore(path)
        with pytest.raises(StoreLocked):
            verify(path)
        with pytest.raises(StoreLocked):
            give_up_damaged(path)
        store.close()


class TestRepair:
    def test_a_sound_store_loses_nothing(self, path: Path) -> None:
        assert give_up_damaged(path) == []
        store = SqliteStore(path)
        assert (sequences(store), store.lost) == (list(range(1, 21)), 0)
        store.close()

    def test_damage_after_the_snapshot_ends_the_log(self, path: Path) -> None:
        damage(path, CUT.format("log", "seq = 13"))
        losses = give_up_damaged(path)
        assert losses[1:] == ["events 13 to 20 are lost"]
        assert verify(path).damage == []
        store = SqliteStore(path)
        assert (sequences(store), store.lost) == (list(range(1, 13)), 8)
        assert store.append(clicks(12, 13))[1].sequence == 13
        assert store.load() == {"model": pack(b"model")}
        store.close()

    def test_damage_before_the_snapshot_costs_look_ups_only(self, path: Path) -> None:
        damage(path, CUT.format("log", "seq IN (2, 7)"))
        assert give_up_damaged(path) == [
            "events up to 7 are learned, but can no longer be looked up"
        ]
        store = SqliteStore(path)
        assert (sequences(store), store.lost) == (list(range(8, 21)), 0)
        assert store.find("e7") is None
        assert store.load_user("ann") == pack(b"ann")
        store.close()

    def test_a_tail_that_sqlite_cut(self, path: Path, tmp_path: Path) -> None:
        store = SqliteStore(path)
        store.append(clicks(21, 23))
        copy = tmp_path / "copy" / path.name
        copy.parent.mkdir()
        for name in (path, mark_of(path)):
            shutil.copyfile(name, copy.with_name(name.name))
        log = bytearray(wal_of(path).read_bytes())
        log[len(log) - 2000] ^= 1
        wal_of(copy).write_bytes(log)
        store.close()
        with pytest.raises(CorruptRecord, match=r"3 are missing; .*verify --accept-data-loss"):
            SqliteStore(copy)
        assert give_up_damaged(copy) == ["events 21 to 23 are lost"]
        store = SqliteStore(copy)
        assert (store.last_sequence, store.lost) == (20, 3)
        store.close()

    @pytest.mark.parametrize("table", ["users", "state"])
    def test_a_damaged_snapshot_is_learned_anew(self, path: Path, table: str) -> None:
        damage(path, CUT.format(table, "true"))
        assert give_up_damaged(path) == [
            "the snapshot is damaged; the state is learned anew from the whole log"
        ]
        store = SqliteStore(path)
        assert (store.snapshot_sequence, store.load(), list(store.user_ids())) == (0, {}, [])
        assert sequences(store) == list(range(1, 21))
        store.close()

    def test_where_the_log_cannot_bring_it_back(self, tmp_path: Path) -> None:
        path = pruned(tmp_path / "a" / "store.sqlite")
        damage(path, CUT.format("users", "user_id = 'ann'"))
        damage(path, "UPDATE positions SET record = x'00'")
        assert give_up_damaged(path) == [
            "what was known of user 'ann' is lost",
            "the position in 'feedback-0' is lost: it is read from its start",
        ]
        assert verify(path).damage == []
        store = SqliteStore(path)
        assert (list(store.user_ids()), store.positions()) == (["bob"], {})
        store.close()
        damage(path, CUT.format("state", "true"))
        before = path.read_bytes()
        with pytest.raises(CorruptRecord, match=r"no longer reaches back to its start; restore a"):
            give_up_damaged(path)
        assert path.read_bytes() == before

    def test_forgotten_ids_are_remembered_again(self, path: Path) -> None:
        damage(path, "UPDATE seen SET seq = 6 WHERE seq = 5")
        assert give_up_damaged(path) == []
        store = SqliteStore(path)
        assert sequences(store) == list(range(1, 21))
        assert store.append(clicks(5, 5))[0].sequence == 5
        store.close()

    @pytest.mark.parametrize("broken", ["head", "pages"])
    def test_what_is_beyond_it(self, path: Path, broken: str) -> None:
        if broken == "pages":
            content = bytearray(path.read_bytes())
            content[4096:] = b"\xaa" * (len(content) - 4096)
            path.write_bytes(content)
        else:
            damage(path, "DELETE FROM meta")
        before = path.read_bytes()
        with pytest.raises(CorruptRecord):
            give_up_damaged(path)
        assert path.read_bytes() == before
