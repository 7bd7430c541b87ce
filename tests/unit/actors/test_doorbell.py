"""A door behind which somebody is, and sometimes nobody."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

from typing_extensions import override

from actors.doorbell import Doorbell
from actors.host.ports import free_port


@contextmanager
def door(port: int, status: int = 200) -> Iterator[None]:
    """Answer everything so, until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()

        @override
        def log_message(self, format: str, *args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", port), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


def test_it_speaks_of_changes_only() -> None:
    port, times = free_port(), iter(range(100))
    bell = Doorbell(f"http://127.0.0.1:{port}", clock=lambda: float(next(times)))
    with door(port):
        assert [bell.ring(), bell.ring()] == ["", ""]
    assert bell.ring() == "", "one may be missed"
    assert bell.ring() == "the API does not answer: connection refused"
    assert bell.ring() == ""
    with door(port):
        assert bell.ring().startswith("the API answers again, ")
        assert bell.ring() == ""


def test_one_that_was_missed_is_nothing_to_speak_of() -> None:
    port = free_port()
    bell = Doorbell(f"http://127.0.0.1:{port}")
    assert bell.ring() == ""
    with door(port):
        assert bell.ring() == ""
    assert bell.ring() == ""


def test_a_proxy_without_a_gateway_is_no_answer() -> None:
    port = free_port()
    bell = Doorbell(f"http://127.0.0.1:{port}")
    with door(port, status=404):
        bell.ring()
        assert bell.ring() == "the API does not answer: HAProxy says 404, so it has no gateway"
