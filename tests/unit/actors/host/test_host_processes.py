"""Ending processes of ours, and no others."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from actors.host.processes import MARK, SUPPORTED, Process, alive, end, end_marked, find, marked
from actors.host.run_folder import RunFolder, clean_leftovers, run_of

pytestmark = pytest.mark.skipif(not SUPPORTED, reason="there is no /proc here")

WAIT = "import sys; print('up', flush=True); sys.stdin.read()"
STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {WAIT}"


@contextmanager
def child(
    code: str = WAIT, mark: Path | None = None, file: Path | None = None
) -> Iterator[Process]:
    """Run a process that is ready to be ended."""
    environment = {**os.environ, **({} if mark is None else {MARK: str(mark)})}
    with (file or Path(os.devnull)).open("w") as errors:
        process = subprocess.Popen(
            [sys.executable, "-c", code],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=environment,
        )
    with process:
        assert process.stdout is not None
        process.stdout.readline()
        found = find(process.pid)
        assert found is not None
        try:
            yield found
        finally:
            process.kill()


def test_a_number_that_was_given_away_again_is_another_process() -> None:
    with child() as process:
        assert alive(process)
        assert not alive(process._replace(started=process.started - 1))
    assert not alive(process)
    assert find(process.pid) is None


def test_a_zombie_has_ended() -> None:
    with child() as process:
        os.kill(process.pid, 9)
        assert end([process], grace_s=5) == 0
        assert not alive(process)


def test_processes_are_known_by_variable_or_by_open_file(tmp_path: Path) -> None:
    mine, others = tmp_path / "run", tmp_path / "run-2"
    for folder in (mine, others):
        folder.mkdir()
    with (
        child(mark=mine) as by_variable,
        child(file=mine / "log") as by_file,
        child(mark=others),
        child(file=others / "log"),
        child(),
    ):
        assert set(marked(mine)) == {by_variable, by_file}


def test_polite_processes_are_asked_and_stubborn_ones_made_to_end() -> None:
    with child() as polite, child(STUBBORN) as stubborn, child() as bystander:
        assert end([polite, stubborn], grace_s=0.2) == 2
        assert not alive(polite)
        assert not alive(stubborn)
        assert alive(bystander)
    assert end([polite], grace_s=0.2) == 0


@pytest.fixture
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("actors.host.run_folder.base_folder", lambda: tmp_path)
    return tmp_path


def test_a_process_that_one_look_misses_is_ended_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    process = find(child.pid)
    assert process is not None
    looks = iter([[], [process], [], []])
    monkeypatch.setattr("actors.host.processes.marked", lambda _: next(looks))
    assert end_marked(tmp_path, 0.1) == 1
    assert child.wait(timeout=10) != 0


def test_a_run_folder_is_private_and_short(base: Path) -> None:
    folder = RunFolder(8000)
    assert folder.path.stat().st_mode & 0o777 == 0o700
    node_id, longest = "0" * 56, 97
    sockets = Path("/tmp") / folder.path.name / folder.haproxy.name / node_id / "metrics.sock"
    assert len(str(sockets)) <= longest
    assert run_of(os.getpid()) == folder.path
    folder.remove()
    assert run_of(os.getpid()) is None
    assert list(base.iterdir()) == []


def test_the_leftovers_of_a_killed_run_are_ended_and_nothing_else(base: Path) -> None:
    make = (
        "from pathlib import Path; import actors.host.run_folder as r, sys;"
        f"r.base_folder = lambda: Path({str(base)!r}); print(r.RunFolder(8123).path)"
    )
    made = subprocess.run([sys.executable, "-c", make], capture_output=True, text=True, check=True)
    dead, running, kept = Path(made.stdout.strip()), RunFolder(8000), RunFolder(8001)
    kept.keep()
    with child(mark=dead) as leftover, child(mark=running.path) as worker:
        assert clean_leftovers() == [
            "an earlier server on port 8123 was killed; ended 1 process it left behind"
        ]
        assert not alive(leftover)
        assert alive(worker)
    assert sorted(base.iterdir()) == sorted([running.path, kept.path])
    assert clean_leftovers() == []
