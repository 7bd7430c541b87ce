"""Why a broker does not let us in, in the words of who can change it."""

import asyncio
import socket
import ssl
from typing import Final

from aiokafka.errors import (
    IllegalSaslStateError,
    KafkaError,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
)

from actors.kafka.settings import PASSWORD_VARIABLE, SecuritySettings

__all__ = ["explain", "lasting"]

_NOT_VALID_YET: Final = 9
_EXPIRED: Final = 10
_WRONG_HOST: Final = 62
_WRONG_ADDRESS: Final = 64
"""Of OpenSSL's answers."""
_ALERT: Final = 0x1503
"""With these two bytes TLS says that it does not understand."""
_LONGEST: Final = 200
"""Characters of what a stranger says."""
_LASTING: Final = (
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
    IllegalSaslStateError,
    ssl.SSLCertVerificationError,
)


def lasting(error: Exception) -> bool:
    """Return whether it stays so until somebody changes something."""
    return isinstance(error, _LASTING) or _speaks_tls(error)


def explain(error: Exception, security: SecuritySettings) -> str:
    """Return what goes behind a broker's address in a sentence; it holds no secret.

    Parameters
    ----------
    error
        What connecting to it raised.
    """
    known = _of_login(error, security) or _of_tls(error, security) or _of_network(error, security)
    return known or f"does not let us in: {_said(error)}"


def _of_login(error: Exception, security: SecuritySettings) -> str | None:
    match error:
        case SaslAuthenticationFailed():
            return (
                f"refuses the login of {security.username} by {security.sasl_mechanism} "
                f"({_said(*error.args[:1])}); kafka.security.username or {PASSWORD_VARIABLE} is "
                "wrong, or no longer in force"
            )
        case UnsupportedSaslMechanismError():
            return f"offers no login by {security.sasl_mechanism} (kafka.security.sasl_mechanism)"
        case IllegalSaslStateError():
            return f"asks for no login, but kafka.security.protocol is {security.protocol}"
    return None


def _of_tls(error: Exception, security: SecuritySettings) -> str | None:
    protocol = f"kafka.security.protocol is {security.protocol}"
    match error:
        case ssl.SSLCertVerificationError():
            return f"has a certificate that is not trusted: {_certificate(error, security)}"
        case ssl.SSLError() | ConnectionResetError() if security.protocol.endswith("SSL"):
            return f"broke off the greeting of TLS ({_said(error)}); {protocol}: does it speak it?"
        case _ if _speaks_tls(error):
            return f"speaks TLS, but {protocol}"
    return None


def _of_network(error: Exception, security: SecuritySettings) -> str | None:
    match error:
        case ConnectionRefusedError():
            return "cannot be reached: nobody listens there"
        case socket.gaierror():
            return f"cannot be reached: {error.strerror}"
        case KafkaError() if isinstance(error.__cause__, EOFError | ConnectionError):
            protocol = f"kafka.security.protocol is {security.protocol}"
            return f"closed the connection instead of an answer; {protocol}: does it want another?"
    return None


def _speaks_tls(error: Exception) -> bool:
    """Return whether we took an alert of TLS for the length of an answer."""
    ended = error.__cause__
    if not isinstance(ended, asyncio.IncompleteReadError):
        return False
    return (ended.expected or 0) >> 16 == _ALERT


def _certificate(error: ssl.SSLCertVerificationError, security: SecuritySettings) -> str:
    match error.verify_code:
        case code if code == _EXPIRED:
            return "it has expired"
        case code if code == _NOT_VALID_YET:
            return "it is not valid yet"
        case code if code in {_WRONG_HOST, _WRONG_ADDRESS}:
            return f"it is another host's ({_said(error.verify_message)})"
        case _:
            known = security.ca_file or "the system's list (kafka.security.ca_file names another)"
            return f"{_said(error.verify_message)}; those who may sign are in {known}"


def _said(what: object = "") -> str:
    """Return what a stranger says, so that it is one line."""
    text = str(what) or type(what).__name__
    return "".join(one if one.isprintable() else "?" for one in text)[:_LONGEST]
