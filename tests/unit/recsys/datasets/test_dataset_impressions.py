"""Behaviours and news in the format of MIND."""

import gzip
from pathlib import Path

import pytest

from recsys.datasets import Impression, read_impressions, read_news
from recsys.errors import InvalidDataset
from recsys.events import MAX_SLOTS

NOON_MS = 1_573_560_000_000  # 2019-11-12T12:00:00Z


def write(path: Path, text: str) -> Path:
    data = text.encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def row(
    number: str = "1",
    user: str = "U1",
    time: str = "11/12/2019 12:00:00 PM",
    history: str = "N1 N2",
    shown: str = "N3-0 N4-1",
) -> str:
    return f"{number}\t{user}\t{time}\t{history}\t{shown}\n"


@pytest.mark.parametrize("name", ["behaviors.tsv", "behaviors.tsv.gz"])
def test_a_folder_with_behaviors(tmp_path: Path, name: str) -> None:
    write(tmp_path / name, row())
    assert read_impressions(tmp_path) == [
        Impression("1", "U1", NOON_MS, ("N1", "N2"), (("N3", False), ("N4", True)), 1)
    ]


def test_a_file_of_another_name(tmp_path: Path) -> None:
    path = write(tmp_path / "part-1.txt", row())
    assert [one.user for one in read_impressions(path)] == ["U1"]


def test_sorted_by_time_and_stable(tmp_path: Path) -> None:
    times = ("11/12/2019 1:00:00 PM", "11/12/2019 9:00:00 AM", "11/12/2019 1:00:00 PM")
    rows = (row(str(number), time=time) for number, time in enumerate(times))
    path = write(tmp_path / "behaviors.tsv", "".join(rows))
    assert [one.impression_id for one in read_impressions(path)] == ["1", "0", "2"]
    assert [one.line for one in read_impressions(path)] == [2, 1, 3]


@pytest.mark.parametrize(
    ("text", "hours"),
    [
        ("11/12/2019 12:00:00 AM", -12),
        ("11/12/2019 12:30:00 PM", 0.5),
        ("11/12/2019 2:00:00 PM", 2),
        ("11/13/2019 02:00:00 AM", 14),
    ],
)
def test_times_have_twelve_hours_and_are_utc(tmp_path: Path, text: str, hours: float) -> None:
    path = write(tmp_path / "behaviors.tsv", row(time=text))
    (one,) = read_impressions(path)
    assert one.ts_ms == NOON_MS + hours * 3_600_000


def test_a_stranger_has_no_history(tmp_path: Path) -> None:
    path = write(tmp_path / "behaviors.tsv", row(history=""))
    assert read_impressions(path)[0].history == ()


def test_the_history_keeps_what_is_there_twice(tmp_path: Path) -> None:
    path = write(tmp_path / "behaviors.tsv", row(history="N1 N2 N1"))
    assert read_impressions(path)[0].history == ("N1", "N2", "N1")


def test_an_item_shown_twice_counts_once(tmp_path: Path) -> None:
    path = write(tmp_path / "behaviors.tsv", row(shown="N3-0 A-B-1 N3-1 A-B-0"))
    assert read_impressions(path)[0].shown == (("N3", True), ("A-B", True))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (row() + "1\tU1\n", "line 2: expected 5 fields, got 2"),
        (row(user=""), "line 1, column 'user': must not be empty"),
        (row() + row(number=""), "line 2, column 'impression': must not be empty"),
        (row(history="x" * 300), "line 1, column 'history': has at most"),
        (row(time="2019-11-12"), "column 'time': expected a time such as 11/12/2019 2:14:46 PM"),
        (row(time="11/12/1950 2:14:46 PM"), "column 'time': expected a time between the years"),
        (row(shown="N3-0 N4"), r"column 'shown': expected ITEM-0 \(passed over\) or ITEM-1"),
        (row(shown="N3-2"), "got 'N3-2'"),
        (row(shown="-1"), "column 'shown': must not be empty"),
        (row(shown=""), f"column 'shown': expected 1 to {MAX_SLOTS} items, got 0"),
        (
            row(shown=" ".join(f"N{n}-0" for n in range(MAX_SLOTS + 1))),
            f"expected 1 to {MAX_SLOTS} items, got {MAX_SLOTS + 1}",
        ),
    ],
)
def test_bad_lines_are_named(tmp_path: Path, text: str, message: str) -> None:
    path = write(tmp_path / "behaviors.tsv", text)
    with pytest.raises(InvalidDataset, match=message):
        read_impressions(path)


def test_a_folder_without_behaviors(tmp_path: Path) -> None:
    with pytest.raises(InvalidDataset, match=r"the folder has no behaviors\.tsv"):
        read_impressions(tmp_path)


def test_no_lines_are_no_impressions(tmp_path: Path) -> None:
    assert read_impressions(write(tmp_path / "behaviors.tsv", "")) == []


def news(item: str = "N1", category: str = "sports", subcategory: str = "golf") -> str:
    return f'{item}\t{category}\t{subcategory}\tA "title\ttext\thttp://x\t[]\t[]\n'


@pytest.mark.parametrize("name", ["news.tsv", "news.tsv.gz"])
def test_news_have_categories(tmp_path: Path, name: str) -> None:
    write(tmp_path / name, news() + news("N2", subcategory=""))
    assert read_news(tmp_path) == {
        "N1": {"category": "sports", "subcategory": "golf"},
        "N2": {"category": "sports"},
    }


def test_a_folder_without_news(tmp_path: Path) -> None:
    assert read_news(tmp_path) is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("N1\tsports\n", "line 1: expected 8 fields, got 2"),
        (news() + news(item=""), "line 2, column 'item': .*must not be empty"),
        (news(category="x" * 300), "line 1, column 'item': attributes/category: has at most"),
    ],
)
def test_bad_news_are_named(tmp_path: Path, text: str, message: str) -> None:
    path = write(tmp_path / "news.tsv", text)
    with pytest.raises(InvalidDataset, match=message):
        read_news(path)
