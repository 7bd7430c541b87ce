"""What both sides want of their TCP connections."""

import asyncio
import socket
from typing import Final

__all__ = ["keep_alive"]

_KEEPALIVE_S: Final = 10


def keep_alive(transport: asyncio.BaseTransport) -> None:
    """Have the system find out when a peer is gone without a word; send at once."""
    connection: socket.socket | None = transport.get_extra_info("socket")
    if connection is None or connection.family not in {socket.AF_INET, socket.AF_INET6}:
        return
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option in ("TCP_KEEPIDLE", "TCP_KEEPINTVL"):
        if (number := getattr(socket, option, None)) is not None:  # not on every system
            connection.setsockopt(socket.IPPROTO_TCP, number, _KEEPALIVE_S)
