"""Parquet as people write it: every type that means the same, and a row for every complaint."""

import importlib
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from recsys.datasets import Columns, Interaction, fingerprint, read_interactions, read_items
from recsys.errors import InvalidDataset

pa = pytest.importorskip("pyarrow", reason="the extra `parquet` is not installed")
pq = importlib.import_module("pyarrow.parquet")

TS = 1_704_067_200  # 2024-01-01


def write(path: Path, columns: Mapping[str, object], rows: int = 2) -> Path:
    pq.write_table(pa.table(dict(columns)), path, row_group_size=rows)
    return path


def rows(n: int = 3, **columns: object) -> dict[str, object]:
    """Return users, items and times, the latest first, and what the caller puts in their place."""
    usual: dict[str, object] = {
        "user": [f"u{row}" for row in range(n)],
        "item": [f"i{row}" for row in range(n)],
        "timestamp": [TS - row for row in range(n)],
    }
    return usual | columns


def test_sorted_by_time_and_stable(tmp_path: Path) -> None:
    path = write(
        tmp_path / "r.parquet",
        {
            "user": ["a", "b", "c", "d"],
            "item": ["x", "y", "z", "w"],
            "rating": [5.0, 3.5, 1.0, 2.0],
            "timestamp": [30, 10, 30, 10],
        },
    )
    found = read_interactions(path)
    assert [one.user for one in found] == ["b", "d", "a", "c"]
    assert found[0] == Interaction("b", "y", 10_000, 3.5, 2)


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([TS, TS + 1], None),
        ([TS, TS + 1], pa.int32()),
        ([float(TS), float(TS + 1)], None),
        ([TS * 1000, (TS + 1) * 1000], None),
        ([TS * 10**6, (TS + 1) * 10**6], None),
        ([TS * 10**9, (TS + 1) * 10**9], None),
        ([TS, TS + 1], pa.timestamp("s")),
        ([TS * 1000, (TS + 1) * 1000], pa.timestamp("ms", "Europe/Zurich")),
        ([TS * 10**6, (TS + 1) * 10**6], pa.timestamp("us")),
        ([TS * 10**9, (TS + 1) * 10**9], pa.timestamp("ns", "UTC")),
        ([datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 1, 0, 0, 1, tzinfo=UTC)], None),
        (["2024-01-01", "2024-01-01T00:00:01Z"], None),
        ([str(TS), str(TS + 1)], pa.large_string()),
        ([Decimal(TS), Decimal(TS + 1)], pa.decimal128(12, 1)),
    ],
)
def test_times_of_every_type(tmp_path: Path, values: Sequence[object], kind: object) -> None:
    path = write(tmp_path / "r.parquet", rows(2, timestamp=pa.array(values, kind)))
    assert [one.ts_ms for one in read_interactions(path)] == [TS * 1000, TS * 1000 + 1000]


def test_days_are_times(tmp_path: Path) -> None:
    for kind in (pa.date32(), pa.date64()):
        days = pa.array([date(2024, 1, 2), date(2024, 1, 1)], kind)
        found = read_interactions(write(tmp_path / "r.parquet", rows(2, timestamp=days)))
        assert [one.ts_ms for one in found] == [TS * 1000, (TS + 86_400) * 1000]


def test_the_order_is_that_of_the_times_as_written(tmp_path: Path) -> None:
    for times in ([3, 1, 2, 1], ["10.0000003", "10.0000001", "10.0000002", "10.0000001"]):
        column = (
            pa.array(times) if isinstance(times[0], str) else pa.array(times, pa.timestamp("ns"))
        )
        found = read_interactions(write(tmp_path / "r.parquet", rows(4, timestamp=column)))
        assert [one.line for one in found] == [2, 4, 3, 1]
        assert len({one.ts_ms for one in found}) == 1


@pytest.mark.parametrize(
    "ids",
    [
        [7, 8, 7],
        ["7", "8", "7"],
        [b"7", b"8", b"7"],
        pa.array([7, 8, 7], pa.int8()),
        pa.array(["7", "8", "7"], pa.dictionary(pa.int8(), pa.string())),
        pa.array(["7", "8", "7"], pa.large_string()),
    ],
)
def test_ids_of_every_type(tmp_path: Path, ids: object) -> None:
    path = write(tmp_path / "r.parquet", rows(user=ids))
    found = read_interactions(path)
    assert [one.user for one in found] == ["7", "8", "7"]
    assert found[0].user is found[2].user, "equal ids take the room of many"


def test_types_and_values(tmp_path: Path) -> None:
    columns = rows(type=["click", "dwell", "rating"], value=[None, 30, 4])
    path = write(tmp_path / "r.parquet", columns)
    found = [(one.type, one.rating) for one in reversed(read_interactions(path))]
    assert found == [("click", None), ("dwell", 30.0), ("rating", 4.0)]
    path = write(tmp_path / "r.parquet", columns | {"value": [float("nan"), 30.0, 4.0]})
    assert [one.rating for one in reversed(read_interactions(path))] == [None, 30.0, 4.0]
    untyped = read_interactions(path, Columns("user", "item", "timestamp"))
    assert [(one.type, one.rating) for one in untyped] == [(None, None)] * 3


def test_named_columns_and_a_folder(tmp_path: Path) -> None:
    columns = {"who": ["a"], "what": ["x"], "when": [TS], "stars": pa.array([4], pa.float32())}
    path = write(tmp_path / "events.parquet", columns)
    named = Columns.parse("user=who,item=what,time=when,rating=stars")
    assert read_interactions(tmp_path, named) == [Interaction("a", "x", TS * 1000, 4.0, 1)]
    assert fingerprint(tmp_path) == fingerprint(path)


def test_no_rows(tmp_path: Path) -> None:
    columns = {name: pa.array([], pa.string()) for name in ("user", "item")}
    for kind in (pa.int64(), pa.string(), pa.timestamp("ms"), pa.float64()):
        path = write(tmp_path / "r.parquet", columns | {"time": pa.array([], kind)})
        assert read_interactions(path) == []


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        (rows(user=["a", None, "c"]), "column 'user': row 2: there is no value"),
        (rows(user=["a", "b", ""]), "column 'user': row 3: must not be empty"),
        (rows(item=["a", "x" * 300, "c"]), "column 'item': row 2: has at most 256 bytes"),
        (rows(user=[1.0, 2.0, 3.0]), "expected texts or whole numbers, the column holds double"),
        (rows(user=[b"a", b"\xff", b"c"]), "column 'user': Invalid UTF8"),
        (rows(timestamp=[1, None, 3]), "column 'timestamp': row 2: there is no value"),
        (
            rows(timestamp=[1, 2, -3]),
            "row 3: expected a time between the years 1970 and 9999, got -3",
        ),
        (rows(timestamp=[1.0, float("nan"), 3.0]), "row 2: expected a time between"),
        (rows(timestamp=["now", "1", "2"]), "row 1: expected epoch seconds or milliseconds or RFC"),
        (
            rows(timestamp=[True, False, True]),
            "expected timestamps, dates, texts or numbers of sec",
        ),
        (
            rows(timestamp=[TS * 1000, TS, TS * 1000]),
            f"row 2: {TS} looks like seconds, {TS * 1000} in row 1 like milliseconds; write the",
        ),
        (rows(rating=[1.0, None, 2.0]), "column 'rating': row 2: there is no value"),
        (rows(rating=[1.0, float("nan"), 2.0]), "row 2: expected a number within ±1e+06, got nan"),
        (rows(rating=[1.0, 2.0, 1e9]), "row 3: expected a number within ±1e+06, got 1000000000.0"),
        (
            rows(rating=["a", "b", "c"]),
            "column 'rating': expected numbers, the column holds string",
        ),
        (rows(type=["click", "bought", "view"]), "column 'type': row 2: expected one of click, vi"),
        ({"user": ["a"], "thing": ["b"], "time": [1]}, "columns for user, item and time are not"),
    ],
)
def test_errors_name_their_place(tmp_path: Path, columns: dict[str, object], words: str) -> None:
    path = write(tmp_path / "r.parquet", columns)
    with pytest.raises(InvalidDataset) as refusal:
        read_interactions(path)
    assert str(refusal.value).startswith(str(path))
    assert words in str(refusal.value)


def test_what_is_no_parquet(tmp_path: Path) -> None:
    path = tmp_path / "r.parquet"
    with pytest.raises(InvalidDataset, match="No such file or directory"):
        read_interactions(path)
    for content in (b"", b"user,item,timestamp\na,x,1\n"):
        path.write_bytes(content)
        with pytest.raises(InvalidDataset, match=r"r\.parquet: not readable as Parquet: "):
            read_interactions(path)
    whole = write(path, rows(1000)).read_bytes()
    path.write_bytes(whole[:100] + b"\0" * 200 + whole[300:])
    with pytest.raises(InvalidDataset, match=r"r\.parquet"):
        read_interactions(path)


def test_without_pyarrow_the_cure_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "r.parquet", rows())
    monkeypatch.setitem(__import__("sys").modules, "recsys.datasets.parquet", None)
    with pytest.raises(InvalidDataset, match=r"needs pyarrow: pip install 'recsys\[parquet\]'"):
        read_interactions(path)


def test_items_with_what_their_columns_say(tmp_path: Path) -> None:
    path = write(
        tmp_path / "items.parquet",
        {
            "item_id": [1, 2],
            "title": ["Heat (1995)", "Up"],
            "genres": [["Crime", "Drama", "Crime"], None],
            "brand": ["W", None],
            "price": [9.5, float("nan")],
            "stock": [3, 0],
            "new": [True, False],
            "since": [date(2024, 1, 1), None],
            "tags": pa.array([["a", None, "b"], []], pa.list_(pa.string())),
        },
    )
    assert read_items(path, None) == {
        "1": {
            "genres": ["Crime", "Drama"],
            "decade": "1990s",
            "brand": "W",
            "price": 9.5,
            "stock": 3.0,
            "new": True,
            "since": "2024-01-01",
            "tags": ["a", "b"],
        },
        "2": {"stock": 0.0, "new": False},
    }
    assert read_items(tmp_path) == {"1": {"genres": ["Crime", "Drama"], "decade": "1990s"}, "2": {}}
    assert read_items(path, ["brand"]) == {"1": {"brand": "W"}, "2": {}}


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"item": ["a", ""]}, "column 'item': row 2: must not be empty"),
        ({"item": ["a", "b"], "n": [1.0, 1e9]}, "column 'n': row 2: expected a number within"),
        ({"item": ["a", "b"], "t": ["x", "y" * 300]}, "row 2: attributes/t: has at most 256"),
        ({"item": ["a"], "s": [{"x": 1}]}, "expected texts, numbers, truth values or lists of te"),
        ({"name": ["a"]}, "expected one of the columns item, item_id"),
    ],
)
def test_items_that_cannot_be_read(tmp_path: Path, columns: dict[str, object], words: str) -> None:
    path = write(tmp_path / "items.parquet", columns)
    with pytest.raises(InvalidDataset) as refusal:
        read_items(path, None)
    assert words in str(refusal.value)
