import gzip
import os
from pathlib import Path

import pytest

from recsys.datasets import Columns, Interaction, fingerprint, read_interactions
from recsys.errors import InvalidDataset

HEADER = "user,item,rating,timestamp\n"


def write(path: Path, text: str, encoding: str = "utf-8") -> Path:
    data = text.encode(encoding)
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def test_sorted_by_time_and_stable(tmp_path: Path) -> None:
    path = write(tmp_path / "r.csv", HEADER + "a,x,5,30\nb,y,3.5,10\nc,z,1,30\nd,w,2,10\n")
    found = read_interactions(path)
    assert [one.user for one in found] == ["b", "d", "a", "c"]
    assert found[0] == Interaction("b", "y", 10_000, 3.5, 3)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("ratings.csv", HEADER + "1,2,3,4\n"),
        ("ratings.csv.gz", "user_id,item_id,rating,timestamp\n1,2,3,4\n"),
        ("ratings.csv", "userId,movieId,rating,timestamp\n1,2,3.0,4\n"),
        ("u.data", "1\t2\t3\t4\n"),
        ("u.data.gz", "1\t2\t3\t4\n"),
        ("ratings.dat", "1::2::3::4\n"),
        ("events.csv", "\ufeffuser,item,rating,timestamp\r\n1,2,3,4\r\n\r\n"),
    ],
)
def test_the_shapes_of_movielens(tmp_path: Path, name: str, text: str) -> None:
    write(tmp_path / name, text)
    (found,) = read_interactions(tmp_path)
    assert (found.user, found.item, found.rating, found.ts_ms) == ("1", "2", 3.0, 4_000)


def test_named_columns_without_ratings(tmp_path: Path) -> None:
    path = write(tmp_path / "log.tsv", 'who\twhat\twhen\tmore\nann\t"x\t2024-01-01T00:00:00Z\t-\n')
    (found,) = read_interactions(path, Columns.parse("user=who, item=what, time=when"))
    assert found == Interaction("ann", '"x', 1_704_067_200_000, None, 2)


def test_named_columns_may_have_commas() -> None:
    found = Columns.parse('user=Wer, bitte,item=Was "genau", time=Wann = wo')
    assert found == Columns("Wer, bitte", 'Was "genau"', "Wann = wo")


def test_quoted_fields_may_hold_lines(tmp_path: Path) -> None:
    path = write(tmp_path / "r.csv", 'user,item,note,time\na,x,"one,\ntwo",1\nb,y,,2\n')
    assert [one.line for one in read_interactions(path)] == [3, 4]


def test_the_order_is_that_of_the_times_as_written(tmp_path: Path) -> None:
    times = ("10.0004", "10.0002", "10.00010000000001", "10.0001", "10.0002")
    path = write(tmp_path / "r.csv", HEADER + "".join(f"u,x{t},5,{t}\n" for t in times))
    found = read_interactions(path)
    assert [one.line for one in found] == [5, 4, 3, 6, 2]
    assert {one.ts_ms for one in found} == {10_000}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the file is empty"),
        (HEADER + "a,x,5\n", "line 2: expected 4 fields, got 3"),
        (HEADER + "a,x,5,1\na,x,5,1,1\n", "line 3: expected 4 fields, got 5"),
        (HEADER + "a,x,five,1\n", "line 2, column 'rating': expected a number"),
        (HEADER + "a,x,nan,1\n", "line 2, column 'rating': expected a number"),
        (HEADER + "a,x,1e9,1\n", "line 2, column 'rating': expected a number"),
        (HEADER + "a,x,5,soon\n", "line 2, column 'timestamp': expected epoch seconds"),
        (HEADER + ",x,5,1\n", "line 2, column 'user': must not be empty"),
        (HEADER + f"a,{'x' * 300},5,1\n", "line 2, column 'item': has at most"),
        (HEADER + 'a,"x,5,1\n', "line 2: unexpected end of data"),
        ("user,thing,time\na,x,1\n", "columns for user, item and time are not found"),
    ],
)
def test_errors_name_their_place(tmp_path: Path, text: str, message: str) -> None:
    path = write(tmp_path / "r.csv", text)
    with pytest.raises(InvalidDataset, match=message) as caught:
        read_interactions(path)
    assert str(caught.value).startswith(str(path))


def test_a_column_that_is_not_there(tmp_path: Path) -> None:
    path = write(tmp_path / "r.csv", HEADER + "a,x,5,1\n")
    with pytest.raises(InvalidDataset, match="column 'who': there is no such column; the file has"):
        read_interactions(path, Columns("who", "item", "timestamp"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("user,item,rating\n", "columns for user, item and time are not found"),
        ("user,user,item,time\n", "column 'user': it is there twice"),
    ],
)
def test_the_header_is_checked_even_when_no_row_follows(
    tmp_path: Path, text: str, message: str
) -> None:
    path = write(tmp_path / "r.csv", text)
    with pytest.raises(InvalidDataset, match=message):
        read_interactions(path)


def test_types_and_their_values(tmp_path: Path) -> None:
    text = "user,item,type,value,time\na,x,click,,1\na,y,dwell,30,2\nb,y,rating,4,3\n"
    path = write(tmp_path / "r.csv", text)
    found = [(one.type, one.rating) for one in read_interactions(path)]
    assert found == [("click", None), ("dwell", 30.0), ("rating", 4.0)]
    untyped = read_interactions(path, Columns.parse("user=user,item=item,time=time"))
    assert {(one.type, one.rating) for one in untyped} == {(None, None)}
    named = read_interactions(path, Columns.parse("user=user,item=item,time=time,type=type"))
    assert [(one.type, one.rating) for one in named] == [
        ("click", None), ("dwell", None), ("rating", None)
    ]  # fmt: skip


@pytest.mark.parametrize("text", ["bought", "", "Click"])
def test_a_type_that_is_none_is_refused_with_those_that_are(tmp_path: Path, text: str) -> None:
    path = write(tmp_path / "r.csv", f"user,item,type,time\na,x,click,1\na,x,{text},1\n")
    with pytest.raises(InvalidDataset, match="line 3, column 'type': expected one of click, view"):
        read_interactions(path)


@pytest.mark.parametrize("separator", [",", ";", "\t", "|", ", ", "; "])
def test_what_separates_the_fields_is_found(tmp_path: Path, separator: str) -> None:
    rows = [("user", "item", "rating", "timestamp"), ("a", '"x, 1; |"', "3.5", "7"), *[()] * 2]
    path = write(tmp_path / "r.csv", "\n".join(separator.join(row) for row in rows))
    assert read_interactions(path) == [Interaction("a", "x, 1; |", 7_000, 3.5, 2)]


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    path = write(tmp_path / "r.csv", HEADER + "a,x,5,1\n\u00e9,x,5,1\n", "latin-1")
    with pytest.raises(InvalidDataset, match="line 3: not utf-8"):
        read_interactions(path)


def test_a_broken_archive(tmp_path: Path) -> None:
    path = write(tmp_path / "r.csv.gz", HEADER + "a,x,5,1\n" * 100)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(InvalidDataset, match="cannot be read on"):
        read_interactions(path)
    path.write_bytes(b"user,item\n")
    with pytest.raises(InvalidDataset, match="Not a gzipped file"):
        read_interactions(path)


def test_nothing_to_read(tmp_path: Path) -> None:
    with pytest.raises(InvalidDataset, match=r"the folder holds none of ratings\.csv"):
        read_interactions(tmp_path)
    with pytest.raises(InvalidDataset, match="No such file"):
        read_interactions(tmp_path / "r.csv")


@pytest.mark.parametrize("text", ["user=u,item=i", "user=u,item=i,when=t", "user", "user=,item=i"])
def test_columns_that_make_no_sense(text: str) -> None:
    with pytest.raises(ValueError, match=r"expected user=U|no column is named for"):
        Columns.parse(text)


def test_fingerprint_is_of_the_content(tmp_path: Path) -> None:
    plain = write(tmp_path / "ratings.csv", HEADER)
    zipped = write(tmp_path / "other.csv.gz", HEADER)
    assert fingerprint(plain) == fingerprint(zipped) == fingerprint(tmp_path)
    assert fingerprint(plain) != fingerprint(write(tmp_path / "third.csv", HEADER + "\n"))


def test_real_movielens() -> None:
    folder = Path(os.environ.get("RECSYS_DATA", "")) / "ml-100k"
    if not folder.is_dir():
        pytest.skip("MovieLens may not be redistributed; RECSYS_DATA names a folder that has it")
    found = read_interactions(folder)
    assert len(found) == 100_000
    assert len({one.user for one in found}) == 943
    assert all(one.rating in {1.0, 2.0, 3.0, 4.0, 5.0} for one in found)
    assert found[0].ts_ms == 874_724_710_000
