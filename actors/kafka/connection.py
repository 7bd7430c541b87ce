"""What every client of aiokafka is made with, and what its errors become."""

import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypedDict

from aiokafka.errors import KafkaError

from actors.errors import StartupError
from actors.kafka.base import KafkaUnreachable
from actors.kafka.settings import PASSWORD_VARIABLE, KafkaSettings

__all__ = ["Connection", "connection", "unreachable"]


class Connection(TypedDict):
    """What every client of aiokafka takes."""

    bootstrap_servers: list[str]
    client_id: str
    request_timeout_ms: int
    security_protocol: str
    ssl_context: ssl.SSLContext | None
    sasl_mechanism: str
    sasl_plain_username: str | None
    sasl_plain_password: str | None


def connection(settings: KafkaSettings, client: str) -> Connection:
    """Return what every client needs; the password comes from the environment.

    Parameters
    ----------
    client
        What the brokers see of us in their logs and quotas.

    Raises
    ------
    StartupError
        When the password is missing, or the certificates cannot be read.
    """
    security = settings.security
    sasl, tls = security.protocol.startswith("SASL"), security.protocol.endswith("SSL")
    password = os.environ.get(PASSWORD_VARIABLE) if sasl else None
    if sasl and not password:
        message = f"kafka.security.protocol is {security.protocol}: set {PASSWORD_VARIABLE}"
        raise StartupError(message)
    try:
        context = ssl.create_default_context(cafile=security.ca_file) if tls else None
    except OSError as error:
        # OpenSSL has no word for a file without a certificate.
        why = "it holds no certificate" if isinstance(error, ssl.SSLError) else error.strerror
        message = f"kafka.security.ca_file: {security.ca_file}: {why or error}"
        raise StartupError(message) from error
    return Connection(
        bootstrap_servers=settings.bootstrap_servers,
        client_id=client,
        request_timeout_ms=int(settings.answer_timeout_s * 1000),
        security_protocol=security.protocol,
        ssl_context=context,
        sasl_mechanism=security.sasl_mechanism,
        sasl_plain_username=security.username if sasl else None,
        sasl_plain_password=password,
    )


@contextmanager
def unreachable() -> Iterator[None]:
    """Turn what aiokafka and the network raise into ``KafkaUnreachable``."""
    try:
        yield
    except TimeoutError as error:
        raise KafkaUnreachable("no broker has answered in time") from error
    except (KafkaError, OSError) as error:
        raise KafkaUnreachable(str(error) or type(error).__name__) from error
