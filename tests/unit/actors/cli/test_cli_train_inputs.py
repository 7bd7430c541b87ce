"""What ``recsys train`` is given, and how it says that it cannot use it."""

import gzip
from pathlib import Path

import pytest

from tests.histories import FIRST_S, train

pytestmark = pytest.mark.usefixtures("threads", "signals")


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("gone.csv", None, "gone.csv: there is no such file or folder"),
        ("log.xlsx", "PK", "log.xlsx: what this file is cannot be told from its name; it may be"),
        ("log.parquet.gz", "", "cannot be told from its name"),
        ("log.csv", "", "the file is empty; the first line names the columns"),
        ("log.csv", "user,item,time\n", "log.csv: there are no events in it"),
        ("log.csv", "who,item,time\na,x,1\n", "columns for user, item and time are not found amo"),
        ("log.csv", "user,item,time\na,x,noon\n", "line 2, column 'time': expected epoch seconds"),
        (
            "log.csv",
            "user,item,time\na,x,1\na,x,9999999999\n",
            "log.csv, line 3: 2286-11-20 lies in",
        ),
        ("log.csv", "user,item,time,rating\na,x,1,1\n", "no rating reaches --click-at 5; ratings"),
        ("log.csv", "user,item,time,type\na,x,1,buy\n", "column 'type': expected one of click, vi"),
    ],
)
def test_wrong_files_are_refused_before_anything_is_made(
    folder: Path, name: str, content: str | None, words: str
) -> None:
    if content is not None:
        (folder / name).write_text(content)
    result = train(folder, source=name)
    assert result.exit_code == 2
    assert words in result.stderr
    assert result.stderr.count("\n") == 1
    assert not (folder / "data").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--columns", "user=u"), "--columns: no column is named for item, time"),
        (
            ("--columns", "user=u,item=i,time=t"),
            "column 'u': there is no such column; the file has",
        ),
        (("--items", "FOLDER/none.csv"), "none.csv: there is no such file or folder"),
        (
            ("--items", "FOLDER/ratings.csv", "--attributes", "x"),
            "there are no attributes x; there",
        ),
        (("--attributes", "price"), "ratings.csv: there is no file of items"),
        (("--config", "FOLDER/none.yaml"), "none.yaml: there is no such file"),
    ],
)
def test_wrong_options_are_refused(folder: Path, arguments: tuple[str, ...], words: str) -> None:
    result = train(folder, *(one.replace("FOLDER", str(folder)) for one in arguments))
    assert result.exit_code == 2
    assert words in result.stderr
    assert not (folder / "data").exists()


def test_free_text_among_the_attributes_names_the_cure(folder: Path) -> None:
    (folder / "goods.csv").write_text(f"item,about,price\ni1,{'long ' * 60},1\n")
    result = train(folder, "--items", str(folder / "goods.csv"))
    assert result.exit_code == 2
    assert "line 2, column 'item': attributes/about: has at most 256" in result.stderr
    assert result.stderr.endswith("; --attributes names those to be used\n")
    result = train(folder, "--items", str(folder / "goods.csv"), "--attributes", "price")
    assert result.exit_code == 0
    assert "; 1 items come with price" in result.output


def test_a_catalogue_that_is_too_small_is_refused(folder: Path) -> None:
    (folder / "server.yaml").write_text("engine: {catalogue: {max_items: 5}}\n")
    result = train(folder, "--items", str(folder / "goods.csv"))
    assert (result.exit_code, result.stderr) == (
        2,
        "recsys: the history has 12 items, the catalogue has room for 5; set "
        "engine.catalogue.max_items to at least 12\n",
    )


def test_a_history_of_which_nothing_can_be_learned_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RECSYS__ENGINE__CATALOGUE__AUTO_INSERT", "false")
    result = train(folder)
    assert result.exit_code == 2
    assert "nothing would be learned; describe them with --items" in result.stderr
    assert train(folder, "--items", str(folder / "goods.csv")).exit_code == 0


def test_times_of_long_ago_are_doubted_but_learned(folder: Path) -> None:
    text = "user,item,time\n" + "".join(f"u,i{number},{19_000 + number}\n" for number in range(9))
    (folder / "days.csv.gz").write_bytes(gzip.compress(text.encode()))
    result = train(folder, source="days.csv.gz")
    assert result.exit_code == 0
    assert (
        "the times run from 1970-01-01 05:16:40 to 1970-01-01 05:16:48; if that is not what they "
        "mean, write them in seconds or milliseconds since 1970, or as dates"
    ) in result.stderr


def test_a_log_that_would_forget_says_so(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECSYS__ENGINE__STORE__LOG_EVENTS", "1000")
    rows = "".join(f"u,i,{FIRST_S + number}\n" for number in range(1001))
    (folder / "long.csv").write_text("user,item,time\n" + rows)
    result = train(folder, source="long.csv")
    assert result.exit_code == 0
    assert "a shard gets 1,001 events and its log keeps 1,000" in result.stderr


def test_a_data_set_as_it_is(folder: Path) -> None:
    (folder / "goods.csv").rename(folder / "items.csv")
    result = train(folder, source=".")
    assert result.exit_code == 0
    assert "; 12 items come with genres" in result.output
