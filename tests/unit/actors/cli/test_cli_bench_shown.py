"""``recsys bench quality`` on impressions in the format of MIND."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from actors.cli.main import app

ROWS = "".join(
    f"{n}\tU{n % 5}\t11/12/2019 {n % 12 + 1}:00:00 PM\tN8 N9\tN1-{n % 2} N2-{1 - n % 2} N3-0\n"
    for n in range(30)
)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "behaviors.tsv").write_text(ROWS)
    (tmp_path / "news.tsv").write_text("N1\tsports\tgolf\ttitle\ttext\turl\t[]\t[]\n")
    return tmp_path


def quality(data: Path, *arguments: str, dataset: str = "mind") -> Result:
    command = ["bench", "quality", "--dataset", dataset, "--data", str(data), *arguments]
    return CliRunner().invoke(app, command)


def test_a_report_is_printed_and_written(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "report.json"
    result = quality(data, "--json", str(out))
    assert (result.exit_code, result.stderr) == (0, "")
    assert "30 ranked of 30 impressions, 90 shown, 30 clicks" in result.stdout
    assert "click rate 6h" in result.stdout
    report = json.loads(out.read_text())
    counted = [report[key] for key in ("dataset", "impressions", "shown", "clicks", "items")]
    assert counted == ["mind", 30, 90, 30, 5]
    assert (report["history"], report["attributes"]) == (True, True)
    assert report["competitors"]["click_rate"].keys() <= report.keys()


def test_what_the_engine_is_told_can_be_less(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "report.json"
    result = quality(data, "--no-history", "--no-attributes", "--json", str(out))
    assert "was not told the clicks before" in " ".join(result.stdout.split())
    report = json.loads(out.read_text())
    assert (report["history"], report["attributes"], report["items"]) == (False, False, 3)


def test_a_part_of_a_data_set_does_not_pass_for_all_of_it(data: Path) -> None:
    result = quality(data, dataset="mind-5k")
    assert (result.exit_code, result.stderr) == (
        0,
        f"recsys: mind-5k has 5,000 impressions, {data} has 30\n",
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "{data}: there are no impressions in it"),
        (
            "1\tU1\t11/12/2019 1:00:00 PM\t\tN1-0 N2-0\n",
            "{data}: no impression has both a clicked item and another",
        ),
        (
            "1\tU1\tnow\t\tN1-0\n",
            "{data}/behaviors.tsv, line 1, column 'time': expected a time such as "
            "11/12/2019 2:14:46 PM, got 'now'",
        ),
    ],
)
def test_data_without_an_order_to_find_are_refused(data: Path, text: str, message: str) -> None:
    (data / "behaviors.tsv").write_text(text)
    result = quality(data)
    assert (result.exit_code, result.stderr) == (2, f"recsys: {message.format(data=data)}\n")


@pytest.mark.parametrize(
    ("dataset", "arguments", "message"),
    [
        ("mind", ["--repeats"], "--repeats cannot be used with --dataset mind"),
        (
            "mind-5k",
            ["--columns", "user=U,item=I,time=T", "--click-at", "4"],
            "--columns and --click-at cannot be used with --dataset mind-5k",
        ),
        ("csv", ["--no-history"], "--no-history cannot be used with --dataset csv"),
    ],
)
def test_options_of_the_other_protocol_are_refused(
    data: Path, dataset: str, arguments: list[str], message: str
) -> None:
    result = quality(data, *arguments, dataset=dataset)
    assert (result.exit_code, result.stderr) == (2, f"recsys: {message}\n")
