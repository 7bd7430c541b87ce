"""Unit tests start no Ray."""

from typing import NoReturn

import pytest
import ray


@pytest.fixture(autouse=True)
def no_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> NoReturn:
        pytest.fail("a unit test starts Ray: it belongs into tests/integration")

    monkeypatch.setattr(ray, "init", refuse)
