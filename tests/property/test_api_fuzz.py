"""Whatever is sent, the API answers as its own OpenAPI document says, and never with a fault."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from actors.auth.settings import AuthSettings
from actors.gateway import build_app
from actors.settings import HttpSettings
from tests.servers import SETTINGS, DeafPort, live

if TYPE_CHECKING:
    from schemathesis.specs.openapi.schemas import OpenApiCase

LOCKED = SETTINGS.model_copy(
    update={"http": HttpSettings(auth=AuthSettings(always=True, keys=Path("/nobody/has/one")))}
)
"""Nobody has a key."""
# The stream never ends, so that there is no answer to look at.
SCHEMA, LOCKED_SCHEMA = (
    schemathesis.openapi.from_dict(build_app(DeafPort(), settings).openapi()).exclude(
        path="/v1/stream"
    )
    for settings in (SETTINGS, LOCKED)
)
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]


@schemathesis.serializer("application/msgpack")
def as_msgpack(_: schemathesis.SerializationContext, value: object) -> bytes:
    return msgspec.msgpack.encode(_fitting(value), enc_hook=str)


def _fitting(value: object) -> object:
    """Return the value with the integers that msgpack cannot carry as floats."""
    match value:
        case dict():
            return {key: _fitting(entry) for key, entry in value.items()}
        case list():
            return [_fitting(entry) for entry in value]
        case int() if not -(2**63) <= value < 2**64:
            return float(f"{value:e}")
        case _:
            return value


@schemathesis.serializer("application/x-ndjson")
def as_lines(_: schemathesis.SerializationContext, value: object) -> bytes:
    return str(value).encode(errors="surrogatepass")


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with live() as url:
        yield url


@pytest.fixture(scope="module")
def locked_address() -> Iterator[str]:
    with live(LOCKED) as url:
        yield url


as_declared = settings(
    deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)


@SCHEMA.parametrize()
@settings(as_declared, max_examples=25)
def test_the_api_keeps_its_word(case: "OpenApiCase", address: str) -> None:
    case.call_and_validate(base_url=address, checks=CHECKS)


@LOCKED_SCHEMA.parametrize()
@settings(as_declared, max_examples=3)
def test_so_it_does_where_nobody_has_a_key(case: "OpenApiCase", locked_address: str) -> None:
    answer = case.call_and_validate(base_url=locked_address, checks=CHECKS)
    if case.path.startswith("/v1"):
        # 204 and 405 tell which methods a path takes.
        assert answer.status_code in {204, 401, 405, 429}
