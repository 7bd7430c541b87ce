"""What an operator reads of a broker that does not let us in."""

import asyncio
import socket
import ssl

import pytest
from aiokafka.errors import (
    IllegalSaslStateError,
    KafkaConnectionError,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
)

from actors.kafka.refusals import explain, lasting
from actors.kafka.settings import SecuritySettings

SASL = SecuritySettings(protocol="SASL_SSL", username="ann")
PLAIN = SecuritySettings()


def untrusted(code: int, message: str) -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_code, error.verify_message = code, message
    return error


def ended(cause: Exception) -> KafkaConnectionError:
    error = KafkaConnectionError("Connection at 127.0.0.1:9092 closed")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "said", "lasts"),
    [
        (
            SaslAuthenticationFailed("Invalid username or password"),
            "refuses the login of ann by SCRAM-SHA-512 (Invalid username or password); "
            "kafka.security.username or RECSYS_KAFKA_PASSWORD is wrong, or no longer in force",
            True,
        ),
        (
            UnsupportedSaslMechanismError("<a connection>"),
            "offers no login by SCRAM-SHA-512 (kafka.security.sasl_mechanism)",
            True,
        ),
        (
            IllegalSaslStateError("<a connection>"),
            "asks for no login, but kafka.security.protocol is SASL_SSL",
            True,
        ),
        (untrusted(10, "late"), "has a certificate that is not trusted: it has expired", True),
        (untrusted(9, "early"), "has a certificate that is not trusted: it is not valid yet", True),
        (
            untrusted(62, "Hostname mismatch"),
            "has a certificate that is not trusted: it is another host's (Hostname mismatch)",
            True,
        ),
        (
            untrusted(20, "unable to get local issuer certificate"),
            "has a certificate that is not trusted: unable to get local issuer certificate; those "
            "who may sign are in the system's list (kafka.security.ca_file names another)",
            True,
        ),
        (
            ConnectionResetError(),
            "broke off the greeting of TLS (ConnectionResetError); "
            "kafka.security.protocol is SASL_SSL: does it speak it?",
            False,
        ),
        (ConnectionRefusedError(111, "refused"), "cannot be reached: nobody listens there", False),
        (socket.gaierror(-2, "Name or service not known"), "cannot be reached: Name or se", False),
        (
            ended(asyncio.IncompleteReadError(b"", 4)),
            "closed the connection instead of an answer; "
            "kafka.security.protocol is SASL_SSL: does it want another?",
            False,
        ),
        (OSError(113, "No route to host"), "does not let us in: [Errno 113] No route to h", False),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_the_cause_is_told_in_words_of_the_settings(
    error: Exception, said: str, lasts: bool
) -> None:
    assert explain(error, SASL).startswith(said)
    assert lasting(error) is lasts


def test_an_alert_of_tls_is_known_by_its_first_bytes() -> None:
    alert = ended(asyncio.IncompleteReadError(b"\x02\x02\x50", 0x15030300))
    assert explain(alert, PLAIN) == "speaks TLS, but kafka.security.protocol is PLAINTEXT"
    assert lasting(alert)
    assert not lasting(ended(asyncio.IncompleteReadError(b"", 4)))


def test_what_a_stranger_says_is_one_short_line() -> None:
    said = explain(SaslAuthenticationFailed("no\n2026 ERROR it\x1b[31m" + "x" * 9000), SASL)
    assert "no?2026 ERROR it?[31m" in said
    assert said.isprintable()
    assert len(said) < 400
