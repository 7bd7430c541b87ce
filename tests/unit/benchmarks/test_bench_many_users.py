"""The benchmark of a shard's memory measures what it says."""

from pathlib import Path

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray
from typing_extensions import override

from benchmarks.memory import let_come, rows, size_of
from recsys.compiled import compiled
from recsys.settings import EngineSettings
from recsys.users import User, UserTable

SETTINGS = EngineSettings.model_validate({"users": {"in_memory": 20}})


def test_people_leave_memory_and_come_back_as_they_were(tmp_path: Path) -> None:
    found = let_come(tmp_path, users=100, events=3, settings=SETTINGS, seed=1)
    assert (found.in_memory, found.looked_up, found.wrong) == (20, 100, 0)
    assert list(found.resident_bytes) == list(range(0, 101, 10))
    assert found.disk_bytes_per_user > 100
    assert 500 < found.bytes_per_user < 50_000
    assert found.rss_bytes >= max(found.resident_bytes.values())
    assert found.under_cap == (found.rss_bytes < 2**31)
    assert rows(found)["not as they left"] == "0 of 100"


def test_who_does_not_come_back_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Forgetful(UserTable):
        @override
        def get(self, user_id: str) -> User | None:
            return self._users.get(user_id)

    monkeypatch.setattr("recsys.state.UserTable", Forgetful)
    found = let_come(tmp_path, users=100, events=3, settings=SETTINGS, seed=1)
    assert found.wrong == 80


class Hidden(msgspec.Struct, gc=False):
    """What the collector does not see into."""

    words: list[str]


def test_what_is_shared_is_counted_once() -> None:
    shared = ["a long word that nobody else has"]
    counted = set[int]()
    first = size_of(Hidden(shared), counted)
    assert first > size_of(Hidden([]), set())
    assert size_of(Hidden(shared), counted) < first
    assert size_of(int, set()) == 0, "a class is nobody's"


def test_numbers_count_wherever_their_memory_was_made() -> None:
    own, seen_through = np.ones((4, 100)), np.ones(400).reshape(4, 100)
    made = compiled(_ones)(400)
    for array in (own, seen_through, made):
        assert 3200 < size_of(array, set()) < 3600


def _ones(n: int) -> NDArray[np.float64]:
    return np.ones(n)
