"""What the tests of ``recsys train`` share."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from actors.training import crew, teacher
from tests.histories import Threads, make_history


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with a history."""
    make_history(tmp_path)
    return tmp_path


@pytest.fixture
def threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start no processes; ``test_crew`` does."""
    monkeypatch.setattr(crew, "get_context", lambda _: Threads())
    monkeypatch.setattr(teacher, "prepare_process", lambda: None)


@pytest.fixture
def signals() -> Iterator[None]:
    """Put back what a command has taken over."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.getsignal(number) for number in numbers]
    yield
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)
