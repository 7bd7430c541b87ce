"""Unit tests start no Ray; a fake server of the API runs once for all of them."""

from collections.abc import Iterator
from typing import NoReturn

import pytest
import ray

from tests.unit.simulators.fake_server import FakeServer, Stage, listening


@pytest.fixture(autouse=True)
def no_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> NoReturn:
        pytest.fail("a unit test starts Ray: it belongs into tests/integration")

    monkeypatch.setattr(ray, "init", refuse)


@pytest.fixture(scope="session")
def stage() -> Iterator[tuple[Stage, str]]:
    stage = Stage()
    with listening(stage) as url:
        yield stage, url


@pytest.fixture
def server(stage: tuple[Stage, str]) -> FakeServer:
    stage[0].server = FakeServer()
    return stage[0].server


@pytest.fixture
def url(stage: tuple[Stage, str], server: FakeServer) -> str:
    return stage[1]
