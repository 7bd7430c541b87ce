"""What is done to a process, done to one of the test's; who is hurt in earnest needs a server."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from actors.host.processes import Process, find
from benchmarks.holds import full, stopped
from benchmarks.intruder import REFUSED
from benchmarks.probes import Answer, longest_gap
from recsys.store.sqlite import SqliteStore

WRITER = """
import sys
for line in sys.stdin:
    try:
        with open(sys.argv[1], "ab", buffering=0) as file:
            print(file.write(bytes(8192)), flush=True)
    except OSError as error:
        print(error.errno, flush=True)
"""


def answer(asked_s: float, status: int, took_s: float = 0.1) -> Answer:
    return Answer(asked_s, asked_s + took_s, status, retry_after=status == 503, detail="so")


def test_the_longest_time_without_a_good_answer() -> None:
    answers = [answer(1.0, 200), answer(2.0, 503), answer(5.0, 202), answer(5.5, 0)]
    assert longest_gap(answers, 1.0, 6.0) == pytest.approx(4.0)
    assert longest_gap(answers, 0.0, 20.0) == pytest.approx(14.9)
    assert longest_gap([], 2.0, 5.0) == 3.0


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", WRITER, str(tmp_path / "log")]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        assert ask(process) == "8192"
        yield process
        process.send_signal(signal.SIGKILL)


def ask(process: "subprocess.Popen[str]") -> str:
    assert process.stdin is not None
    assert process.stdout is not None
    print("write", file=process.stdin, flush=True)
    return process.stdout.readline().strip()


def found(process: "subprocess.Popen[str]") -> Process:
    process_found = find(process.pid)
    assert process_found is not None
    return process_found


def test_who_may_write_nothing_lives_on_and_may_write_again(
    writer: "subprocess.Popen[str]",
) -> None:
    with full(found(writer)):
        assert ask(writer) == "27", "EFBIG"
    assert ask(writer) == "8192"


def test_who_is_stopped_goes_on_afterwards(writer: "subprocess.Popen[str]") -> None:
    with stopped(found(writer)):
        state = Path(f"/proc/{writer.pid}/stat").read_text().rpartition(")")[2].split()[0]
        assert state == "T"
    assert ask(writer) == "8192"


def test_a_second_process_is_refused_a_log_and_let_in_when_it_is_free(tmp_path: Path) -> None:
    log = tmp_path / "log.sqlite"
    command = [sys.executable, "-m", "benchmarks.intruder", str(log)]
    with closing(SqliteStore(log)):
        refused = subprocess.run(command, capture_output=True, text=True, check=False)
    assert refused.returncode == REFUSED
    assert "is open in another process" in refused.stdout
    let_in = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (let_in.returncode, let_in.stdout) == (0, "let in, as owner of epoch 2\n")
