"""Carries calls over HTTP and asks again where that may help. The only user of httpx2."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from random import Random
from typing import Final, TypeVar

import anyio
import httpx2

from recsys.client.calls import Call, read_answer
from recsys.client.key import find_key
from recsys.client.retry import Retry
from recsys.errors import ApiError, Unreachable
from recsys.ids import new_id

__all__ = ["AsyncConnection", "AsyncTransport", "Connection", "Transport"]

AsyncTransport = httpx2.AsyncBaseTransport
Transport = httpx2.BaseTransport

_HEADERS: Final = {"content-type": "application/json", "accept": "application/json"}
_LAST_PORT: Final = 65_535
_HOPELESS: Final = (
    httpx2.UnsupportedProtocol,
    httpx2.LocalProtocolError,
    httpx2.InvalidURL,
    httpx2.TooManyRedirects,
)
"""The request itself is wrong: another attempt ends the same way."""

T = TypeVar("T")


@contextmanager
def _translated(url: str) -> Iterator[None]:
    """Turn what httpx2 raises about a request into ``Unreachable``."""
    try:
        yield
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        raise Unreachable(url, str(error) or type(error).__name__) from error


def _check_port(url: str) -> None:
    """Refuse a port that no machine has; the socket would, in words of its own."""
    port = httpx2.URL(url).port
    if port is not None and port > _LAST_PORT:
        message = f"a port is at most {_LAST_PORT}, got {port}"
        raise httpx2.InvalidURL(message)


def _headers(url: str, key: str | None) -> dict[str, str]:
    """Return what every request carries; ``key`` as for ``Connection``.

    Raises
    ------
    InvalidSettings
        For a key that no header can carry.
    """
    key = find_key(key)
    if key is None:
        return _HEADERS
    if httpx2.URL(url).userinfo:
        # The name and password are for a proxy in front, and take up the other header.
        return {**_HEADERS, "x-api-key": key}
    return {**_HEADERS, "authorization": f"Bearer {key}"}


class _Patience:
    """Counts the attempts of one call."""

    def __init__(self, retry: Retry, rng: Random) -> None:
        self._retry = retry
        self._rng = rng
        self._attempt = 0

    def wait_s(self, error: ApiError | Unreachable) -> float:
        """Return the wait before the next attempt.

        Raises
        ------
        ApiError, Unreachable
            ``error`` itself, when it is final.
        """
        asked_s = None
        if isinstance(error, ApiError):
            if not error.passing:
                raise error
            asked_s = error.retry_after_s
        elif isinstance(error.__cause__, _HOPELESS):
            raise error
        wait_s = self._retry.wait_s(self._attempt, asked_s, self._rng)
        if wait_s is None:
            raise error
        self._attempt += 1
        return wait_s


class Connection:
    """Carries calls and blocks.

    Parameters
    ----------
    url
        Where the server listens, without ``/v1``.
    key
        For a server that asks for one; ``None`` takes the environment's ``RECSYS_API_KEY``.
    transport
        Carries the requests in place of the network.

    Raises
    ------
    InvalidSettings
        For a key that no header can carry.
    Unreachable
        For a URL that is none.
    """

    def __init__(
        self,
        url: str,
        *,
        key: str | None,
        retry: Retry,
        timeout_s: float,
        transport: Transport | None,
    ) -> None:
        self.retry = retry
        self.rng = Random(new_id())
        self._url = url
        with _translated(url):
            _check_port(url)
            self._http = httpx2.Client(
                base_url=url,
                timeout=timeout_s,
                transport=transport,
                headers=_headers(url, key),
                follow_redirects=False,  # the key is for this server, and for no other
            )

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def sleep(self, wait_s: float) -> None:
        """Wait."""
        time.sleep(wait_s)

    def get(self, path: str) -> tuple[int, Mapping[str, str], bytes]:
        """Ask once and return the status code, the headers and the body."""
        with _translated(self._url):
            answer = self._http.get(path)
            return answer.status_code, answer.headers, answer.content

    def do(self, call: Call[T]) -> T:
        """Make a call, again where that may help, and return its answer."""
        patience = _Patience(self.retry, self.rng)
        while True:
            try:
                with _translated(self._url):
                    answer = self._http.request(call.method, call.path, content=call.body)
                return read_answer(call, answer.status_code, answer.headers, answer.content)
            except (ApiError, Unreachable) as error:
                wait_s = patience.wait_s(error)
            self.sleep(wait_s)


class AsyncConnection:
    """Carries calls and awaits; parameters as for ``Connection``.

    Parameters
    ----------
    connections
        Upper limit of connections, and so of calls in flight; more wait for a free one.
    """

    def __init__(
        self,
        url: str,
        *,
        key: str | None,
        retry: Retry,
        timeout_s: float,
        transport: AsyncTransport | None,
        connections: int,
    ) -> None:
        self.retry = retry
        self.rng = Random(new_id())
        self._url = url
        with _translated(url):
            _check_port(url)
            self._http = httpx2.AsyncClient(
                base_url=url,
                # Waiting for a free connection is what the limit is for, not a failure.
                timeout=httpx2.Timeout(timeout_s, pool=None),
                transport=transport,
                headers=_headers(url, key),
                follow_redirects=False,  # as above
                limits=httpx2.Limits(
                    max_connections=connections, max_keepalive_connections=connections
                ),
            )

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def sleep(self, wait_s: float) -> None:
        """Wait."""
        await anyio.sleep(wait_s)

    async def get(self, path: str) -> tuple[int, Mapping[str, str], bytes]:
        """Ask once and return the status code, the headers and the body."""
        with _translated(self._url):
            answer = await self._http.get(path)
            return answer.status_code, answer.headers, answer.content

    async def do(self, call: Call[T]) -> T:
        """Make a call, again where that may help, and return its answer."""
        patience = _Patience(self.retry, self.rng)
        while True:
            try:
                with _translated(self._url):
                    answer = await self._http.request(call.method, call.path, content=call.body)
                return read_answer(call, answer.status_code, answer.headers, answer.content)
            except (ApiError, Unreachable) as error:
                wait_s = patience.wait_s(error)
            await self.sleep(wait_s)
