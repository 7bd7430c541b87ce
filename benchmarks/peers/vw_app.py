"""A Vowpal Wabbit daemon, and a Flask process before it that knows who has what.

The daemon (``benchmarks.peers.vw_daemon``) learns each click as 1 and a popular item as -1, from
person x item and the person's last three items x item; the fifty most popular items that somebody
does not have are ranked by it, in one write and one read of a kept connection.
"""

import atexit
import random
import socket
import subprocess
import sys
import time

from benchmarks.peers.app import Seen, run

__all__ = ["Vw"]

_CANDIDATES = 50
_PAST = 3
_START_S = 20.0
_OPTIONS = "--quiet --loss_function logistic --link logistic -q ui -q hi -b 20 -l 0.1"


class Vw:
    """The model."""

    def __init__(self, port: int) -> None:
        self._seen = Seen()
        self._rng = random.Random(1)
        self._daemon = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.peers.vw_daemon", str(port), _OPTIONS]
        )
        atexit.register(self._daemon.kill)
        self._socket = self._connect(port)
        self._answers = self._socket.makefile("rb")

    def _connect(self, port: int) -> socket.socket:
        deadline = time.monotonic() + _START_S
        while True:
            try:
                connection = socket.create_connection(("127.0.0.1", port))
            except OSError:
                if time.monotonic() > deadline or self._daemon.poll() is not None:
                    raise
                time.sleep(0.05)
            else:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                return connection

    def recommend(self, user: str, n: int) -> list[str]:
        """Rank the popular ones."""
        candidates = self._seen.popular(user, _CANDIDATES)
        past = self._past(user)
        scores = self._ask([_line("", user, past, item) for item in candidates])
        ranked = sorted(zip(scores, candidates, strict=True), reverse=True)
        return [item for _, item in ranked[:n]]

    def learn(self, clicks: list[tuple[str, str]]) -> None:
        """Learn each click and something popular that was not clicked."""
        lines = list[str]()
        for user, item in clicks:
            past = self._past(user)
            others = self._seen.popular(user, _CANDIDATES)
            self._seen.add(user, item)
            lines.append(_line("1 ", user, past, item))
            if others and (other := self._rng.choice(others)) != item:
                lines.append(_line("-1 ", user, past, other))
        self._ask(lines)

    def rebuild(self) -> None:
        """Do nothing: it is up to date."""

    def _past(self, user: str) -> list[str]:
        return list(self._seen.by_user.get(user, {}))[-_PAST:]

    def _ask(self, lines: list[str]) -> list[float]:
        if not lines:
            return []
        # The empty line asks for the answers.
        self._socket.sendall("".join([*lines, "\n"]).encode())
        return [float(self._answers.readline()) for _ in lines]


def _line(label: str, user: str, past: list[str], item: str) -> str:
    history = " ".join(f"h{one}" for one in past)
    return f"{label}|u u{user} |h {history} |i i{item}\n"


if __name__ == "__main__":
    run(Vw(int(sys.argv[2])), int(sys.argv[1]))
