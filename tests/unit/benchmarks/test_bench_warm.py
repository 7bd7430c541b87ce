"""What a server has learned before it is measured, and what is left to happen."""

from pathlib import Path

import pytest

from benchmarks import warm
from benchmarks.warm import Live, split, train
from recsys.clock import now_ms
from recsys.datasets import read_interactions
from tests.warm_servers import ratings


def test_the_history_is_moved_to_end_now(tmp_path: Path) -> None:
    data, folder = ratings(tmp_path), tmp_path / "history"
    folder.mkdir()
    past, live = split(data, folder, 400)
    moved = read_interactions(folder)
    assert [(row.user, row.item, row.rating) for row in moved] == [
        (row.user, row.item, row.rating) for row in past
    ]
    assert {one.ts_ms - row.ts_ms for one, row in zip(moved, past, strict=True)} == {
        moved[-1].ts_ms - past[-1].ts_ms
    }
    assert 0 <= now_ms() - moved[-1].ts_ms - 60_000 < 30_000
    assert len(past) + live.left == len(read_interactions(data))


def test_nine_tenths_are_history(tmp_path: Path) -> None:
    past, live = split(ratings(tmp_path), tmp_path, None)
    assert (len(past), live.left) == (486, 54)


@pytest.mark.parametrize("history", [540, 10_000])
def test_something_must_be_left(tmp_path: Path, history: int) -> None:
    with pytest.raises(RuntimeError, match=r"has 540 events: [\d,]+ cannot be learned before"):
        split(ratings(tmp_path), tmp_path, history)


def test_each_event_happens_once(tmp_path: Path) -> None:
    live = Live(read_interactions(ratings(tmp_path))[:10])
    first, second = live.take(6), live.take(4)
    assert len({event.event_id for event in first + second}) == 10
    assert {event.type for event in first} == {"rating", "click"}
    assert all(event.timestamp is None for event in first), "the server says when it came"
    with pytest.raises(RuntimeError, match=r"1 events are wanted and 0 are left.*--history"):
        live.take(1)


def test_a_history_that_cannot_be_learned_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(warm, "RECSYS", ("sh", "-c", "echo no room; exit 3"))
    with pytest.raises(RuntimeError, match="the history was not learned:\nno room"):
        train(tmp_path, tmp_path / "data")


def test_another_history_in_the_folder_is_refused(tmp_path: Path) -> None:
    data = ratings(tmp_path)
    kept = tmp_path / "kept"
    (kept / "data").mkdir(parents=True)
    (kept / "data" / "layout.json").touch()
    (kept / "ratings.csv").write_text("user,item,rating,timestamp\n" + "a,b,5,1\n" * 7)
    with (
        pytest.raises(RuntimeError, match="has learned 7 events, not 8: name another folder"),
        warm.warm_server(data, history=8, keep=kept),
    ):
        pass
