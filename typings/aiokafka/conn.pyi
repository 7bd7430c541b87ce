from collections.abc import Awaitable
from enum import IntEnum
from ssl import SSLContext

class CloseReason(IntEnum):
    IDLE_DROP = 3

class AIOKafkaConnection:
    def send(self, request: object) -> Awaitable[object]: ...
    def close(self, reason: object = ..., exc: Exception | None = ...) -> object: ...

async def create_conn(
    host: str,
    port: int,
    *,
    client_id: str = ...,
    request_timeout_ms: int = ...,
    security_protocol: str = ...,
    ssl_context: SSLContext | None = ...,
    sasl_mechanism: str = ...,
    sasl_plain_username: str | None = ...,
    sasl_plain_password: str | None = ...,
) -> AIOKafkaConnection: ...
def collect_hosts(hosts: str | list[str]) -> list[tuple[str, int, int]]: ...
