"""Damage to a store's file is noticed, named, and never taken for data."""

from pathlib import Path

import pytest

from recsys.codec import pack
from recsys.errors import CorruptRecord
from recsys.store.base import Append, Outcome
from recsys.store.sqlite import SqliteStore
from tests.stores import RawStore, clicks, damage, filled, raw, sequences


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.sqlite"


def test_a_flipped_byte_is_named_when_read(path: Path) -> None:
    filled(path)
    with raw(path) as connection:
        row: tuple[bytes] = connection.execute("SELECT record FROM log WHERE seq = 13").fetchone()
    record = bytearray(row[0])
    record[len(record) // 2] ^= 0x20
    damage(path, "UPDATE log SET record = ? WHERE seq = 13", bytes(record))
    store = SqliteStore(path)
    reading = store.read(after=10)
    assert [next(reading)[0], next(reading)[0]] == [11, 12]
    with pytest.raises(
        CorruptRecord, match=r"event 13 of the log is damaged .*checksum.*recsys restore"
    ):
        next(reading)
    with pytest.raises(CorruptRecord, match="event 13 of the log is damaged"):
        store.find("e13")
    assert store.find("e14") is not None
    store.close()


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("DELETE FROM log WHERE seq = 7", "should hold 20 events, 1 to 20; it holds 19, 1 to 20"),
        ("DELETE FROM log WHERE seq = 20", "it holds 19, 1 to 19, and 20 remembered ids"),
        ("DELETE FROM log WHERE seq = 1", "it holds 19, 2 to 20"),
        ("DELETE FROM log", "it holds 0, None to None"),
        ("UPDATE log SET seq = 21 WHERE seq = 7", "it holds 20, 1 to 21"),
        ("DELETE FROM seen WHERE seq = 7", "it holds 20, 1 to 20, and 19 remembered ids"),
        ("DELETE FROM meta", "the head of the store is damaged"),
        ("UPDATE meta SET record = x'00'", "the head of the store is damaged"),
        ("UPDATE meta SET record = zeroblob(length(record))", "the head of the store is damaged"),
    ],
)
def test_what_is_missing_is_noticed_at_the_opening(path: Path, query: str, message: str) -> None:
    damage(filled(path), query)
    with pytest.raises(CorruptRecord, match=message):
        SqliteStore(path)


def test_a_gap_that_appears_later_is_named(path: Path) -> None:
    store = RawStore(filled(path))
    store.run("DELETE FROM log WHERE seq = 13")
    with pytest.raises(CorruptRecord, match="event 13 is missing from the log"):
        list(store.read(after=10))
    store.run("DELETE FROM log WHERE seq > 12")
    with pytest.raises(CorruptRecord, match="event 13 is missing from the log"):
        list(store.read(after=10))
    with pytest.raises(CorruptRecord, match="event 14 of the log is damaged"):
        store.find("e14")
    store.close()


@pytest.mark.parametrize(
    "query",
    [
        "UPDATE positions SET record = zeroblob(length(record))",
        "UPDATE positions SET source = 'clicks-1'",
    ],
)
def test_a_damaged_position_is_named(path: Path, query: str) -> None:
    store = SqliteStore(path)
    store.append(clicks(1, 3), {"clicks-0": 3})
    store.close()
    damage(path, query)
    store = SqliteStore(path)
    with pytest.raises(CorruptRecord, match=r"the position in 'clicks-[01]' is damaged"):
        store.positions()
    store.close()


def test_exchanged_rows_are_noticed(path: Path) -> None:
    filled(path)
    with raw(path) as connection:
        connection.executescript(
            "UPDATE log SET record = (SELECT record FROM log WHERE seq = 3) WHERE seq = 2;"
            "UPDATE seen SET seq = 6 WHERE seq = 5;"
        )
    store = SqliteStore(path)
    with pytest.raises(
        CorruptRecord, match=r"event 2 of the log is damaged .it is filed under another id"
    ):
        list(store.read(after=0))
    with pytest.raises(
        CorruptRecord, match=r"event 6 of the log is damaged .it is filed under another id"
    ):
        store.find("e5")
    store.close()


def test_a_damaged_snapshot_is_named(path: Path) -> None:
    damage(filled(path), "UPDATE state SET record = substr(record, 1, length(record) - 1)")
    damage(path, "UPDATE users SET record = substr(record, 1, length(record) - 1)")
    store = SqliteStore(path)
    with pytest.raises(CorruptRecord, match="part 'model' of the snapshot is damaged"):
        store.load()
    with pytest.raises(CorruptRecord, match="user 'ann' of the snapshot is damaged"):
        store.load_user("ann")
    assert store.load_user("bob") is None
    store.close()


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("UPDATE users SET user_id = 'zoe' WHERE user_id = 'ann'", "under a damaged id"),
        ("UPDATE users SET binding = binding + 1", "with the record of another"),
    ],
)
def test_a_user_under_another_id_is_noticed(path: Path, query: str, message: str) -> None:
    damage(filled(path), query)
    store = SqliteStore(path)
    with pytest.raises(CorruptRecord, match=message):
        store.load_user("ann")
    store.close()


def test_exchanged_users_are_noticed(path: Path) -> None:
    store = SqliteStore(path)
    store.commit_snapshot(0, {}, {"ann": pack("ann"), "bob": pack("bob")})
    store.close()
    damage(
        path,
        "UPDATE users SET record = (SELECT record FROM users WHERE user_id = 'bob')"
        " WHERE user_id = 'ann'",
    )
    store = SqliteStore(path)
    with pytest.raises(CorruptRecord, match="user 'ann' is filed with the record of another"):
        store.load_user("ann")
    assert store.load_user("bob") == pack("bob")
    store.close()


@pytest.mark.parametrize(
    "query",
    [
        "DELETE FROM state WHERE name = 'model'",
        "UPDATE state SET name = 'other'",
        "INSERT INTO state SELECT generation, 'twin', number, record FROM state",
        "UPDATE state SET generation = generation + 1",
    ],
)
def test_parts_under_another_name_are_noticed(path: Path, query: str) -> None:
    damage(filled(path), query)
    store = SqliteStore(path)
    with pytest.raises(CorruptRecord, match="the parts of the snapshot are not those written"):
        store.load()
    store.close()


def test_a_piece_too_many_is_noticed(path: Path) -> None:
    damage(filled(path), "INSERT INTO state SELECT generation, name, number + 1, record FROM state")
    store = SqliteStore(path)
    with pytest.raises(CorruptRecord, match="part 'model' of the snapshot is damaged"):
        store.load()
    store.close()


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("DELETE FROM users", "1 users should be there, 0 are"),
        ("INSERT INTO positions VALUES ('x', x'00')", "0 positions should be there, 1 are"),
    ],
)
def test_lost_rows_are_noticed_at_the_opening(path: Path, query: str, message: str) -> None:
    damage(filled(path), query)
    with pytest.raises(CorruptRecord, match=message):
        SqliteStore(path)


def test_a_remembered_id_must_lead_to_its_event(path: Path) -> None:
    damage(filled(path), "UPDATE seen SET seq = 6 WHERE seq = 5")
    store = SqliteStore(path)
    with pytest.raises(CorruptRecord, match="a remembered id points to another event, 6"):
        store.append(clicks(5, 5))
    with pytest.raises(CorruptRecord, match="the id of event 5 is forgotten"):
        list(store.read(after=0))
    store.close()


def test_damaged_pages_are_our_error_too(path: Path) -> None:
    content = bytearray(filled(path).read_bytes())
    content[4096:] = b"\xaa" * (len(content) - 4096)
    path.write_bytes(content)
    with pytest.raises(CorruptRecord, match=r"store.sqlite is damaged or no store"):
        SqliteStore(path)


def test_a_torn_tail_is_cut(path: Path, tmp_path: Path) -> None:
    store = SqliteStore(path)
    wal = path.with_name("store.sqlite-wal")
    sizes = []
    for number in (1, 2, 3):
        store.append(clicks(number, number))
        sizes.append(wal.stat().st_size)
    log, main = wal.read_bytes(), path.read_bytes()
    store.close()
    for place, (size, expected) in enumerate(
        [(sizes[2] - 1, [1, 2]), (sizes[1] + 5000, [1, 2]), (sizes[1] - 1, [1])]
    ):
        torn = tmp_path / f"torn-{place}.sqlite"
        torn.write_bytes(main)
        torn.with_name(f"{torn.name}-wal").write_bytes(log[:size])
        store = SqliteStore(torn)
        assert sequences(store) == expected
        assert store.append(clicks(3, 3)) == [Append(Outcome.ACCEPTED, len(expected) + 1)]
        store.close()
