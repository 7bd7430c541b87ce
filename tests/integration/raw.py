"""Sockets without a client library: what no library would send, and whoever does not read."""

import re
import selectors
import socket
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from typing import Final

__all__ = ["connect", "ended", "exchange"]

_STATUS: Final = re.compile(rb"HTTP/1\.1 (\d{3}) ")


def connect(port: int, receive_bytes: int | None = None) -> socket.socket:
    """Return a connection.

    Parameters
    ----------
    receive_bytes
        Room for what comes and is not read.
    """
    client = socket.socket()
    if receive_bytes is not None:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    client.settimeout(5)
    client.connect(("127.0.0.1", port))
    return client


def exchange(port: int, requests: Mapping[str, bytes], seconds: float) -> dict[str, list[int]]:
    """Send each of these on a connection of its own, all at once.

    Returns
    -------
    dict[str, list[int]]
        The statuses of all answers that came until the connection ended, or within ``seconds``.
    """
    answers = dict.fromkeys(requests, b"")
    with ExitStack() as stack, selectors.DefaultSelector() as selector:
        for name, request in requests.items():
            client = stack.enter_context(connect(port))
            client.sendall(request)
            selector.register(client, selectors.EVENT_READ, name)
        deadline = time.monotonic() + seconds
        while selector.get_map() and (left := deadline - time.monotonic()) > 0:
            for key, _ in selector.select(left):
                assert isinstance(key.fileobj, socket.socket)
                more = _received(key.fileobj)
                answers[key.data] += more
                if not more:
                    selector.unregister(key.fileobj)
    return {
        name: [int(status) for status in _STATUS.findall(answer)]
        for name, answer in answers.items()
    }


def _received(client: socket.socket) -> bytes:
    with suppress(ConnectionResetError):
        return client.recv(1 << 16)
    return b""


def ended(clients: Sequence[socket.socket]) -> int:
    """Return how many of the connections the other side has closed, and read what came before."""
    count = 0
    for client in clients:
        client.setblocking(False)
        try:
            while client.recv(1 << 16):
                continue
        except BlockingIOError:
            continue
        except ConnectionResetError:
            pass
        count += 1
    return count
