from collections.abc import Iterator

import pytest

from tests.unit.simulators.fake_server import FakeServer, Stage, listening


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
