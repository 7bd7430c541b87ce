"""The benchmark of many users measures what it says."""

from pathlib import Path

import pytest
from typing_extensions import override

from benchmarks.many_users import measure
from recsys.settings import EngineSettings
from recsys.users import User, UserTable

SETTINGS = EngineSettings.model_validate({"users": {"in_memory": 20}})


def test_people_leave_memory_and_come_back_as_they_were(tmp_path: Path) -> None:
    held = measure(tmp_path, people=100, clicks=3, settings=SETTINGS, seed=1)
    assert (held.in_memory, held.looked_up, held.wrong) == (20, 100, 0)
    assert list(held.resident_mib) == list(range(0, 101, 10))
    assert held.disk_bytes > 100


def test_who_does_not_come_back_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Forgetful(UserTable):
        @override
        def get(self, user_id: str) -> User | None:
            return self._users.get(user_id)

    monkeypatch.setattr("recsys.state.UserTable", Forgetful)
    held = measure(tmp_path, people=100, clicks=3, settings=SETTINGS, seed=1)
    assert held.wrong == 80
