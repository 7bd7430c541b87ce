"""Of Ray's head, its end is noticed."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from actors.host.head import Head
from actors.host.processes import MARK

linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


@linux
@pytest.mark.parametrize("name", ["gcs_server", "raylet"])
def test_the_end_of_either_is_noticed(tmp_path: Path, name: str) -> None:
    sleep = shutil.which("sleep")
    assert sleep is not None
    (tmp_path / "bin").mkdir()
    run = tmp_path / "run"
    processes = dict[str, subprocess.Popen[bytes]]()
    for one in ("gcs_server", "raylet", "other"):
        program = tmp_path / "bin" / one
        shutil.copy(sleep, program)
        processes[one] = subprocess.Popen([program, "60"], env={**os.environ, MARK: str(run)})
    try:
        head = Head(run)
        assert head.missing() == ""
        processes["other"].kill()
        processes["other"].wait()
        assert head.missing() == ""
        processes[name].send_signal(signal.SIGKILL)
        # Not waited for as a parent does: nobody has taken note of its end yet.
        os.waitid(os.P_PID, processes[name].pid, os.WEXITED | os.WNOWAIT)
        assert head.missing() == name
    finally:
        for process in processes.values():
            process.kill()
            process.wait()


def test_a_run_without_ray_misses_nothing(tmp_path: Path) -> None:
    assert Head(tmp_path / "run").missing() == ""
