"""Finds a busy port before Ray does, and says so in one line."""

import errno
import secrets
import socket
from pathlib import Path
from typing import Final, NamedTuple

from actors.errors import StartupError
from actors.settings import HttpSettings

__all__ = [
    "Port",
    "check_ports",
    "free_port",
    "owner_of",
    "ports_of",
    "refusal",
    "with_free_side_ports",
]

_EVERYWHERE = "0.0.0.0"
_PROC: Final = Path("/proc")
_GIVEN: Final = _PROC / "sys/net/ipv4/ip_local_port_range"
_FIRST: Final = 20_000
"""Below are those that Ray gives its workers on a cluster, and most that somebody has chosen."""
_ATTEMPTS: Final = 32
_LISTENS: Final = "0A"  # in /proc/net/tcp


class Port(NamedTuple):
    """A port that the server will listen on.

    Attributes
    ----------
    cure
        How to choose another one, as the end of a sentence.
    """

    number: int
    host: str
    purpose: str
    cure: str


def ports_of(http: HttpSettings) -> list[Port]:
    """Return the ports that a server with these settings will listen on."""
    ports = [
        Port(http.port, http.host, "", "choose another with --port"),
        Port(http.dashboard_port, "127.0.0.1", "Ray dashboard", "set http.dashboard_port"),
    ]
    if http.haproxy:
        ports += [
            Port(
                http.haproxy_stats_port,
                http.haproxy_side_host,
                "HAProxy statistics",
                "set http.haproxy_stats_port",
            ),
            Port(
                http.haproxy_metrics_port,
                http.haproxy_side_host,
                "HAProxy metrics",
                "set http.haproxy_metrics_port",
            ),
        ]
    return ports


def check_ports(ports: list[Port]) -> None:
    """Try every port.

    Raises
    ------
    StartupError
        Naming the first port that cannot be had and what to do about it.
    """
    for place, port in enumerate(ports):
        purpose = f" ({port.purpose})" if port.purpose else ""
        if any(port.number == other.number for other in ports[:place]):
            message = f"port {port.number}{purpose} is wanted twice; {port.cure}"
            raise StartupError(message)
        reason = refusal(port.host, port.number)
        if reason is not None:
            message = f"port {port.number}{purpose} {reason}; stop it or {port.cure}"
            if "in use" not in reason:
                message = f"port {port.number}{purpose} on {port.host} {reason}; {port.cure}"
            raise StartupError(message)


def refusal(host: str, number: int) -> str | None:
    """Say why a port cannot be had, ``None`` when it can."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        # Without it, connections of the last run that are fading away would count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, number))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return "is in use by another process"
            return f"cannot be used: {(error.strerror or str(error)).lower()}"
    return None


def owner_of(number: int) -> str:
    """Name the process that listens on a port; empty where ``/proc`` does not tell."""
    sockets = set[str]()
    for table in ("tcp", "tcp6"):
        try:
            lines = (_PROC / "net" / table).read_text().splitlines()[1:]
        except OSError:
            continue
        for fields in map(str.split, lines):
            if fields[3] == _LISTENS and int(fields[1].rpartition(":")[2], 16) == number:
                sockets.add(f"socket:[{fields[9]}]")
    for process in _PROC.glob("[0-9]*") if sockets else ():
        try:
            if any(str(file.readlink()) in sockets for file in (process / "fd").iterdir()):
                return f"process {process.name}, {(process / 'comm').read_text().strip()}"
        except OSError:
            continue  # somebody else's, or it has ended
    return ""


def free_port() -> int:
    """Return a port that nobody listens on right now, and that is given to nobody by itself.

    Between now and the moment when it is listened on, Ray starts a dozen processes that take
    whatever port the system gives them.
    """
    try:
        given_from = int(_GIVEN.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        given_from = 0
    for _ in range(_ATTEMPTS if given_from > _FIRST else 0):
        number = _FIRST + secrets.randbelow(given_from - _FIRST)
        if refusal(_EVERYWHERE, number) is None:
            return number
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((_EVERYWHERE, 0))
        return int(probe.getsockname()[1])


def with_free_side_ports(http: HttpSettings) -> HttpSettings:
    """Replace every busy port except the one of the API."""
    changes = {
        name: free_port()
        for name, host in (
            ("dashboard_port", "127.0.0.1"),
            ("haproxy_stats_port", http.haproxy_side_host),
            ("haproxy_metrics_port", http.haproxy_side_host),
        )
        if refusal(host, getattr(http, name)) is not None
    }
    return http.model_copy(update=changes)
