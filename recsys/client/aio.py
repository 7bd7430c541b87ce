"""The client for event loops."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Self, TypeVar

from recsys.client import calls
from recsys.client.retry import Delivery, Retry
from recsys.client.schema import (
    ErasureStatus,
    EventResults,
    Item,
    ItemResults,
    ItemStatus,
    ListResults,
    NewFeedback,
    Question,
    Recommended,
    ServerStats,
)
from recsys.client.transport import AsyncConnection, AsyncTransport
from recsys.errors import ApiError
from recsys.events import Attributes, Context, Decision
from recsys.views import UserView

__all__ = ["AsyncClient"]

T = TypeVar("T")


class AsyncClient:
    """The API, awaited. Close it, or use it as an asynchronous context manager.

    Parameters
    ----------
    url
        Where the server listens, without ``/v1``.
    key
        For a server that asks for one; by default the environment's ``RECSYS_API_KEY``, if any.
    timeout_s
        Per attempt: to connect, to send, and between the bytes of the answer.
    connections
        Upper limit of connections, and so of calls in flight; more wait for a free one.
    transport
        Carries the requests in place of the network.

    Raises
    ------
    InvalidSettings
        For a key that no header can carry; the message does not show it.
    """

    def __init__(
        self,
        url: str,
        *,
        key: str | None = None,
        retry: Retry | None = None,
        timeout_s: float = 10.0,
        connections: int = 32,
        transport: AsyncTransport | None = None,
    ) -> None:
        self._connection = AsyncConnection(
            url,
            key=key,
            retry=retry or Retry(),
            timeout_s=timeout_s,
            transport=transport,
            connections=connections,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._connection.close()

    async def recommend(
        self,
        user_id: str,
        *,
        n: int = 10,
        context: Context | None = None,
        candidates: Sequence[str] | None = None,
        exclude: Sequence[str] = (),
        arm: str | None = None,
    ) -> Recommended:
        """Return what to show this user now."""
        return await self._connection.do(
            calls.recommend(
                user_id, n=n, context=context or {}, candidates=candidates, exclude=exclude, arm=arm
            )
        )

    async def rank(
        self,
        user_id: str,
        candidates: Sequence[str],
        *,
        n: int | None = None,
        context: Context | None = None,
        arm: str | None = None,
    ) -> Recommended:
        """Return the candidates in the order in which to show them; all of them without ``n``."""
        return await self._connection.do(
            calls.rank(user_id, candidates, n=n, context=context or {}, arm=arm)
        )

    async def recommend_many(self, questions: Sequence[Question]) -> ListResults:
        """Return what to show to up to ``MAX_LISTS`` people; those of a shard that is away fail."""
        return await self._connection.do(calls.recommend_many(questions))

    async def send_events(self, events: Sequence[NewFeedback]) -> EventResults:
        """Deliver up to ``MAX_BATCH`` events; those whose shard was unavailable again and again.

        What is unavailable after the last attempt is so in the results.
        """
        delivery = Delivery(events, self._connection.retry, self._connection.rng)
        while delivery.open:
            delivery.settle(await self._connection.do(delivery.call()))
            await self._connection.sleep(delivery.wait_s)
        return delivery.results()

    async def put_item(self, item_id: str, attributes: Attributes) -> ItemStatus:
        """Set an item with all its attributes."""
        return await self._connection.do(calls.put_item(item_id, attributes))

    async def put_items(self, items: Sequence[Item]) -> ItemResults:
        """Set up to ``MAX_BATCH`` items."""
        return await self._connection.do(calls.put_items(items))

    async def remove_item(self, item_id: str) -> ItemStatus:
        """Take an item out of the catalogue."""
        return await self._connection.do(calls.remove_item(item_id))

    async def user(self, user_id: str) -> UserView | None:
        """Return a person's own state, ``None`` for an unknown one."""
        return await self._find(calls.user(user_id))

    async def decision(self, decision_id: str) -> Decision | None:
        """Return a decision as logged, ``None`` for an unknown one."""
        return await self._find(calls.decision(decision_id))

    async def erase_user(self, user_id: str) -> ErasureStatus:
        """Have all that is known of a person forgotten; the receipt says what and until when."""
        return await self._connection.do(calls.erase_user(user_id))

    async def erasure(self, receipt: str) -> ErasureStatus | None:
        """Return how far an erasure is, ``None`` for an unknown receipt."""
        return await self._find(calls.erasure(receipt))

    async def stats(self) -> ServerStats:
        """Return the state of all shards, and the arms summed over them."""
        return await self._connection.do(calls.STATS)

    async def ready(self) -> bool:
        """Return whether every shard answers. Asks once.

        Raises
        ------
        ApiError
            When what answers is no server of this kind.
        """
        return calls.read_ready(*(await self._connection.get("/readyz")))

    async def _find(self, call: calls.Call[T]) -> T | None:
        try:
            return await self._connection.do(call)
        except ApiError as error:
            if error.status == HTTPStatus.NOT_FOUND:
                return None
            raise
