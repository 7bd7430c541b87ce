from io import StringIO
from pathlib import Path

import msgspec
from rich.console import Console, RenderableType

from recsys.client import EventResults
from recsys.errors import ApiError, Unreachable
from simulators.measure import Tally
from simulators.plot import draw
from simulators.report import Report, Summary


def make_report() -> Report:
    report = Report()
    for second in range(60):
        report.elapsed_s = second + 0.5
        report.saw("learner", Tally(10, 100, 2 + second // 6, 20.0, 3.0))
        report.saw("random", Tally(5, 50, 1, 10.0, 1.5))
    report.elapsed_s = 60.0
    report.sent(EventResults(accepted=120, duplicates=3, failed=1, results=()))
    report.recommend.add(4.0)
    report.events.add(8.0)
    report.switched_at_s = 30.0
    return report


def printed(shown: RenderableType) -> str:
    file = StringIO()
    Console(file=file, width=120).print(shown)
    return file.getvalue()


def shown(report: Report, title: str) -> str:
    return printed(report.table(title=title))


def test_the_table_has_all_and_the_last_window() -> None:
    report = make_report()
    first = shown(report, "first")
    assert "first" in first
    assert "6.50%" in first
    assert "20.00%" in first
    assert "120 accepted, 3 duplicates, 1 failed; 2/s now, 2/s overall" in first
    report.elapsed_s = 61.0
    report.saw("learner", Tally(1, 10, 5))
    report.sent(EventResults(accepted=10, duplicates=0, failed=0, results=()))
    report.went_wrong("events", ApiError(429, "the queue is full"))
    report.went_wrong("events", Unreachable("http://x", "refused"))
    second = shown(report, "second")
    assert "50.00%" in second
    assert "10/s now" in second
    assert "1 x events: HTTP 429, 1 x events: no answer; the last one: no answer from" in second


def test_the_last_table_has_the_second_half() -> None:
    last = printed(make_report().final(title="in all"))
    # 7 to 11 of 100 over the seconds from 30 on; random always 1 of 50.
    assert "second half" in last
    assert "9.00%" in last
    assert "in the second half the click rate of learner was 4.5 times that of random" in last
    assert "2/s overall" in last
    assert "/s now" not in last


def test_an_empty_report_has_a_table() -> None:
    assert "times that" not in printed(Report().final(title="nothing"))
    assert "0 accepted" in shown(Report(), "nothing")
    assert "none yet" in shown(Report(), "nothing")


def test_the_summary_is_a_document() -> None:
    summary = make_report().summary()
    again = msgspec.json.decode(msgspec.json.encode(summary), type=Summary)
    assert again == summary
    assert again.arms["learner"].clicks == sum(w.clicks for w in again.series["learner"]) == 390
    assert again.second_half["learner"].clicks == 270
    assert again.recommend.p50_ms is not None
    assert 4.0 <= again.recommend.p50_ms <= 4.3


def test_the_plot_is_a_picture(tmp_path: Path) -> None:
    path = tmp_path / "rates.png"
    draw(make_report().summary(), path)
    assert path.read_bytes().startswith(b"\x89PNG")
    draw(Report().summary(), path)
    assert path.stat().st_size > 1000
