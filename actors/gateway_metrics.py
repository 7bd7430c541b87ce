"""Counts of the calls that pass by Serve's replica, under the names that Serve gives to all others.

What Serve's charts of requests show is so still whole. They are told every few seconds, as the
shard's (``actors.metrics``).
"""

import asyncio
from collections import Counter as Tally
from http import HTTPStatus

from ray.util.metrics import Counter

from actors.histogram import Histogram

__all__ = ["CallMetrics"]

_TOLD_AFTER_S = 5.0


class CallMetrics:
    """Of one gateway; to be called in its event loop.

    Parameters
    ----------
    application
        Its name in Serve.
    """

    def __init__(self, application: str) -> None:
        self._application = application
        self._requests = Counter(
            "serve_num_http_requests",
            "The number of HTTP requests processed.",
            tag_keys=("route", "method", "application", "status_code"),
        )
        self._errors = Counter(
            "serve_num_http_error_requests",
            "The number of errored HTTP responses.",
            tag_keys=("route", "error_code", "method", "application"),
        )
        self._duration_s = Histogram(
            "recsys_http_request_duration_seconds", "From the head of a request to its answer.",
            "route",
        )  # fmt: skip
        self._untold = Tally[tuple[str, int]]()

    def count(self, path: str, status: int, seconds: float) -> None:
        """Take in a call."""
        if not self._untold:
            asyncio.get_running_loop().call_later(_TOLD_AFTER_S, self._tell)
        self._untold[path, status] += 1
        self._duration_s.observe(seconds, path)

    def _tell(self) -> None:
        untold, self._untold = self._untold, Tally()
        for (path, status), n in untold.items():
            tags = {"route": path, "method": "POST", "application": self._application}
            self._requests.inc(n, {**tags, "status_code": str(status)})
            if status >= HTTPStatus.BAD_REQUEST:
                self._errors.inc(n, {**tags, "error_code": str(status)})
        self._duration_s.tell()
