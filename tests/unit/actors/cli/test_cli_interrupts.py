"""One Ctrl-C, two, and many."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from actors.cli import interrupts as module
from actors.cli.interrupts import Interrupts

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Clock:
    """Seconds as the test says."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "monotonic", clock)
    return clock


@pytest.fixture
def interrupts() -> Iterator[Interrupts]:
    before = {number: signal.getsignal(number) for number in SIGNALS}
    # Started with nohup, the tests would inherit that hang-ups are ignored.
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    interrupts = Interrupts()
    interrupts.listen()
    yield interrupts
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", SIGNALS)
def test_the_first_and_the_second_signal_interrupt(
    interrupts: Interrupts, clock: Clock, number: signal.Signals
) -> None:
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), number)
        clock.now_s += 1.0
    os.kill(os.getpid(), number)
    assert interrupts.twice


def test_an_echo_of_the_first_is_no_second(interrupts: Interrupts, clock: Clock) -> None:
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)
    clock.now_s += 0.1
    os.kill(os.getpid(), signal.SIGTERM)
    clock.now_s += 0.5
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)


def test_the_last_steps_are_not_disturbed(interrupts: Interrupts) -> None:
    interrupts.ignore()
    for number in SIGNALS:
        os.kill(os.getpid(), number)


def test_an_interrupt_can_be_put_off(interrupts: Interrupts) -> None:
    steps = []

    def work() -> None:
        with interrupts.held():
            os.kill(os.getpid(), signal.SIGTERM)
            steps.append("done")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert steps == ["done"]


def test_under_nohup_a_closed_terminal_ends_nothing(interrupts: Interrupts) -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    interrupts.listen()
    os.kill(os.getpid(), signal.SIGHUP)


def test_what_begins_meanwhile_never_hears_of_a_closed_terminal(interrupts: Interrupts) -> None:
    program = "import signal; print(signal.SIGHUP in signal.pthread_sigmask(0, []))"
    command = [sys.executable, "-c", program]

    def begin() -> bytes:
        return subprocess.run(command, capture_output=True, check=True).stdout

    def hang_up() -> None:
        with interrupts.hangup_held():
            signal.raise_signal(signal.SIGHUP)
            assert begin() == b"True\n"

    with pytest.raises(KeyboardInterrupt):
        hang_up()
    assert begin() == b"False\n"
