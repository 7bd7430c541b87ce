"""Processes die where they are told to, once, and nowhere else."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.strikes import IN_MOVE
from recsys.killpoints import POINTS, VARIABLE, arm, armed, disarm, kill_point, watch

# Lives once for each point in a process of its own, as a shard would: opens a folder, where an
# event waits to be learned again, learns another, and takes a snapshot. Says how each ended.
LIVES = """
import json, os, sys
from pathlib import Path
from recsys.engine import Engine
from recsys.events import Feedback
from recsys.killpoints import arm, armed, watch

def event(name):
    return Feedback(event_id=name, user_id="ann", ts_ms=1, type="click", item_id="i")

def live(folder, *names):
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    watch(folder)
    engine = Engine.open(folder)
    engine.apply([event(name) for name in names])
    if "last" in names:
        engine.snapshot()
    os._exit(0)

Engine.warm_up()  # once, not once per child
said = {}
for point in sys.argv[2:]:
    folder = Path(sys.argv[1]) / point
    first = live(folder, "first")
    arm(folder, point)
    killed = live(folder, "last")
    left = armed(folder)
    again = live(folder)
    engine = Engine.open(folder)
    said[point] = {
        "exits": [first, killed, again], "armed": left, "events": engine.stats().sequence,
        "snapshot": engine.stats().snapshot_sequence, "learned": engine.user("ann").events,
    }
print(json.dumps(said))
"""


def lives(folder: Path, environment: dict[str, str], *points: str) -> dict[str, dict[str, object]]:
    done = subprocess.run(
        [sys.executable, "-c", LIVES, str(folder), *points],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    said: dict[str, dict[str, object]] = json.loads(done.stdout)
    return said


def test_each_point_kills_once_and_leaves_what_its_name_says(tmp_path: Path) -> None:
    # To the others a process comes only in a server whose partitions move.
    points = [point for point in POINTS if point not in IN_MOVE]
    said = lives(tmp_path, os.environ | {VARIABLE: "1"}, *points)
    killed = {"exits": [0, -signal.SIGKILL, 0], "armed": False}
    left = {
        "before-sync": (1, 0),
        "after-sync": (2, 0),
        "after-capture": (2, 0),
        "after-staging": (2, 0),
        "mid-snapshot": (2, 0),
        "after-snapshot": (2, 2),
        "mid-recovery": (1, 0),
        "after-recovery": (1, 0),
    }
    assert said == {
        point: killed | {"events": events, "snapshot": snapshot, "learned": events}
        for point, (events, snapshot) in left.items()
    }
    assert list(said) == points


def test_without_the_variable_an_order_is_not_even_read(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name != VARIABLE}
    alive = {"exits": [0, 0, 0], "armed": True, "events": 2, "snapshot": 2, "learned": 2}
    points = ("before-sync", "mid-recovery")
    assert lives(tmp_path, environment, *points) == dict.fromkeys(points, alive)


@pytest.fixture
def killed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Have signals written down instead of sent."""
    sent: list[int] = []
    monkeypatch.setattr(os, "kill", lambda _, number: sent.append(number))
    return sent


@pytest.fixture
def watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("recsys.killpoints._orders", None)
    monkeypatch.setenv(VARIABLE, "1")
    watch(tmp_path)
    return tmp_path


def test_the_order_names_the_point_and_the_pass(watched: Path, killed: list[int]) -> None:
    kill_point("after-sync")
    arm(watched, "after-sync", passes=3)
    for point in ("before-sync", "after-sync", "mid-snapshot", "after-sync"):
        kill_point(point)
        assert armed(watched)
    assert killed == []
    kill_point("after-sync")
    assert killed == [signal.SIGKILL]
    assert not armed(watched)
    kill_point("after-sync")
    assert killed == [signal.SIGKILL], "an order is obeyed once"


def test_an_order_can_be_taken_back(watched: Path, killed: list[int]) -> None:
    arm(watched, "after-sync")
    disarm(watched)
    disarm(watched)
    kill_point("after-sync")
    assert killed == []


@pytest.mark.parametrize(("point", "passes"), [("after-lunch", 1), ("after-sync", 0)])
def test_what_would_never_happen_is_refused(tmp_path: Path, point: str, passes: int) -> None:
    with pytest.raises(ValueError, match="expected one of before-sync, "):
        arm(tmp_path, point, passes)
    assert not armed(tmp_path)
