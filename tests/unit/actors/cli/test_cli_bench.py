"""What ``recsys bench quality`` measures, and what it refuses to measure."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from actors.cli.main import app

ROWS = "".join(f"u{n % 3},i{n % 4},{n % 5 + 1},{n}\n" for n in range(40))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "log.csv"
    path.write_text(f"user,item,rating,timestamp\n{ROWS}")
    return path


def quality(data: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["bench", "quality", "--data", str(data), *arguments])


def test_a_report_is_printed_and_written(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "report.json"
    result = quality(data, "--click-at", "4", "--json", str(out))
    assert result.exit_code == 0, result.output
    report = json.loads(out.read_text())
    assert (report["dataset"], report["events"], report["attributes"]) == ("csv", 16, False)


@pytest.mark.parametrize("click_at", ["6", "nan", "inf"])
def test_a_threshold_that_no_rating_reaches_is_refused(data: Path, click_at: str) -> None:
    result = quality(data, "--click-at", click_at)
    assert (result.exit_code, result.stderr) == (
        2,
        f"recsys: no rating reaches --click-at {click_at}; ratings run from 1 to 5\n",
    )


def test_a_part_of_a_data_set_does_not_pass_for_all_of_it(data: Path) -> None:
    result = quality(data, "--dataset", "ml-1m")
    assert (result.exit_code, result.stderr) == (
        0,
        f"recsys: ml-1m has 1,000,209 ratings, {data} has 40\n",
    )


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("user,item,rating,timestamp", "there are no interactions in it"),
        ("user,item,rating", "columns for user, item and time are not found"),
    ],
)
def test_a_header_alone_is_refused(data: Path, header: str, message: str) -> None:
    data.write_text(header)
    result = quality(data)
    assert result.exit_code == 2
    assert message in result.stderr


def test_a_result_that_cannot_be_written_is_refused_before_the_work(
    data: Path, tmp_path: Path
) -> None:
    for out, fault in ((tmp_path, "is a folder"), (tmp_path / "no" / "x", "does not exist")):
        result = quality(data, "--json", str(out))
        assert (result.exit_code, result.stdout) == (2, "")
        assert fault in result.stderr


def test_a_wrong_estimator_is_one_line(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECSYS__ENGINE__LEARNERS__USER_MODEL__ESTIMATOR", "river.nope.Model")
    result = quality(data)
    assert result.exit_code == 2
    assert result.stderr.startswith("recsys: settings: learners.user_model.estimator: cannot")
    assert result.stderr.count("\n") == 1
