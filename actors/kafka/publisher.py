"""Writes to Kafka over one connection, which is made when it is needed and anew when it fails."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from time import monotonic
from typing import Final

from actors.kafka.base import KafkaUnreachable, Message, Writer

__all__ = ["Publisher"]

_log = logging.getLogger(__name__)

_REST_S: Final = 0.5
"""After a connection could not be made, so long nobody tries."""


class Publisher:
    """Any number of tasks may send.

    Parameters
    ----------
    make
        Makes a writer that is not connected yet.
    timeout_s
        Of one ``send``, connecting included.
    greet
        Called for each new connection, before anything is sent; may raise ``KafkaUnreachable``.
    """

    def __init__(
        self,
        make: Callable[[], Writer],
        timeout_s: float,
        greet: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._make = make
        self._timeout_s = timeout_s
        self._greet = greet
        self._writer: Writer | None = None
        self._connecting = asyncio.Lock()
        self._failed_at = float("-inf")
        self._failure = ""
        self._heard_at = monotonic()
        self._ending = set[asyncio.Task[None]]()

    @property
    def queued(self) -> int:
        """Records that no broker has confirmed yet."""
        return 0 if self._writer is None else self._writer.queued

    async def send(self, messages: Sequence[Message]) -> None:
        """Return when all replicas have the records.

        Raises
        ------
        KafkaUnreachable
            When not all were confirmed in time; any of them may be there, or come later.
        """
        try:
            async with asyncio.timeout(self._timeout_s):
                writer = await self._connected()
                await self._write(writer, messages)
        except TimeoutError:
            if self._writer is not None and monotonic() - self._heard_at > self._timeout_s:
                # Not only slow: it has not confirmed anything for as long as anybody waits.
                self._discard(self._writer)
            message = f"no broker has confirmed it within {self._timeout_s:g} s"
            raise KafkaUnreachable(message) from None
        self._heard_at = monotonic()

    async def _write(self, writer: Writer, messages: Sequence[Message]) -> None:
        try:
            await writer.write(messages)
        except KafkaUnreachable:
            self._discard(writer)
            raise

    async def _connected(self) -> Writer:
        async with self._connecting:
            if self._writer is not None:
                return self._writer
            if monotonic() - self._failed_at < _REST_S:
                raise KafkaUnreachable(self._failure)
            writer = self._make()
            try:
                await writer.start()
                if self._greet is not None:
                    await self._greet()
            except BaseException as error:
                self._failed_at = monotonic()
                self._failure = str(error) or "no broker answers"
                self._let_go(writer)
                raise
            self._writer = writer
            self._heard_at = monotonic()
            return writer

    def _discard(self, writer: Writer) -> None:
        """Give up a connection: a producer that failed once may never recover."""
        if self._writer is writer:
            self._writer = None
            self._let_go(writer)

    def _let_go(self, writer: Writer) -> None:
        task = asyncio.create_task(writer.stop(flush=False))
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    async def stop(self) -> None:
        """Wait a moment for what is on its way, and let go."""
        writer, self._writer = self._writer, None
        if writer is not None:
            await writer.stop(flush=True)
        await asyncio.gather(*self._ending)
