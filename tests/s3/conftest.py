"""One real server of objects per session, and for each test a bucket and a way of its own."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from tests.s3.server import PROGRAM, Way, serving, way_to


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.s3)


@pytest.fixture(scope="session")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    if not PROGRAM.exists():
        pytest.skip("no server of objects: `make test-s3` installs one")
    with serving(tmp_path_factory.mktemp("s3") / "output") as port:
        yield port


@pytest.fixture
def way(port: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[Way]:
    """Give the way on which obstore goes to the server."""
    with way_to(port) as way:
        monkeypatch.setenv("AWS_ENDPOINT", way.url)
        monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
        monkeypatch.setenv("AWS_REGION", "us-east-1")
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "nobody")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "nothing")
        yield way


@pytest.fixture
def url(way: Way) -> str:
    """Return the URL of copies in a bucket of the test's own, with nothing in it."""
    bucket = f"copies-{uuid.uuid4().hex[:12]}"
    assert httpx2.put(f"{way.url}/{bucket}").status_code == 200
    return f"s3://{bucket}/prod"
