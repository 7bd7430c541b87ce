"""A server of objects as S3 has it, and a way to it that can be cut."""

import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from socket import SHUT_RDWR, create_connection, socket
from socketserver import BaseRequestHandler, ThreadingTCPServer
from typing import Final

import httpx2
from typing_extensions import override

from actors.host.ports import free_port
from tests.integration.cluster import wait_until

__all__ = ["PROGRAM", "Way", "serving", "way_to"]

PROGRAM: Final = Path(__file__).parents[2] / ".venv-s3" / "bin" / "moto_server"
"""Moto's; it is installed apart, since it wants older packages than ours."""
_PIECE: Final = 1 << 16


@contextmanager
def serving(log: Path) -> Iterator[int]:
    """Serve on a free port of the loopback interface; yield the port."""
    port = free_port()
    with log.open("w") as output:
        process = subprocess.Popen(
            [PROGRAM, "-H", "127.0.0.1", "-p", str(port)], stdout=output, stderr=output
        )
    try:

        def answers() -> bool:
            assert process.poll() is None, log.read_text()
            try:
                return httpx2.get(f"http://127.0.0.1:{port}/").status_code == 200
            except httpx2.TransportError:
                return False

        wait_until("the server of objects answers", answers)
        yield port
    finally:
        process.kill()
        process.wait()


class Way(ThreadingTCPServer):
    """Carries connections to a port of this machine for as long as it is told to."""

    daemon_threads = True

    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", 0), _Carrier)
        self.port = port
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self._left: int | None = None
        self._cut = threading.Event()
        self._lock = threading.Lock()

    @property
    def is_cut(self) -> bool:
        """Whether nothing gets through."""
        return self._cut.is_set()

    def cut_after(self, size: int) -> None:
        """Let so many more bytes go to the server, and then nothing at all."""
        with self._lock:
            self._left = size

    def mend(self) -> None:
        """Carry everything again."""
        with self._lock:
            self._left = None
            self._cut.clear()

    def spend(self, size: int) -> bool:
        """Return whether so many bytes may go to the server."""
        with self._lock:
            if self._left is not None:
                self._left -= size
                if self._left < 0:
                    self._cut.set()
            return not self._cut.is_set()


class _Carrier(BaseRequestHandler):
    """One connection."""

    server: Way
    request: socket

    @override
    def handle(self) -> None:
        if self.server.is_cut:
            return
        with closing(create_connection(("127.0.0.1", self.server.port))) as there:
            back = threading.Thread(target=self._back, args=(there,), daemon=True)
            back.start()
            try:
                while piece := self.request.recv(_PIECE):
                    if not self.server.spend(len(piece)):
                        break
                    there.sendall(piece)
            except OSError:
                pass  # One of them has gone; the other shall know.
            finally:
                _end(there)
                _end(self.request)
                back.join()

    def _back(self, there: socket) -> None:
        try:
            while (piece := there.recv(_PIECE)) and not self.server.is_cut:
                self.request.sendall(piece)
        except OSError:
            pass  # As above.
        finally:
            _end(self.request)


def _end(one: socket) -> None:
    try:
        one.shutdown(SHUT_RDWR)
    except OSError:
        return  # It has ended.


@contextmanager
def way_to(port: int) -> Iterator[Way]:
    """Give a way to a port of this machine."""
    with Way(port) as way:
        thread = threading.Thread(target=way.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield way
        finally:
            way.shutdown()
            thread.join()
