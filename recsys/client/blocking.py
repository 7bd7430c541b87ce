"""The client for plain functions and notebooks."""

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
from recsys.client.transport import Connection, Transport
from recsys.errors import ApiError
from recsys.events import Attributes, Context, Decision
from recsys.views import UserView

__all__ = ["Client"]

T = TypeVar("T")


class Client:
    """The API, blocking. Close it, or use it as a context manager; not for several threads.

    Parameters
    ----------
    url
        Where the server listens, without ``/v1``.
    key
        For a server that asks for one; by default the environment's ``RECSYS_API_KEY``, if any.
    timeout_s
        Per attempt: to connect, to send, and between the bytes of the answer.
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
        transport: Transport | None = None,
    ) -> None:
        self._connection = Connection(
            url, key=key, retry=retry or Retry(), timeout_s=timeout_s, transport=transport
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._connection.close()

    def recommend(
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
        return self._connection.do(
            calls.recommend(
                user_id, n=n, context=context or {}, candidates=candidates, exclude=exclude, arm=arm
            )
        )

    def rank(
        self,
        user_id: str,
        candidates: Sequence[str],
        *,
        n: int | None = None,
        context: Context | None = None,
        arm: str | None = None,
    ) -> Recommended:
        """Return the candidates in the order in which to show them; all of them without ``n``."""
        return self._connection.do(
            calls.rank(user_id, candidates, n=n, context=context or {}, arm=arm)
        )

    def recommend_many(self, questions: Sequence[Question]) -> ListResults:
        """Return what to show to up to ``MAX_LISTS`` people; those of a shard that is away fail."""
        return self._connection.do(calls.recommend_many(questions))

    def send_events(self, events: Sequence[NewFeedback]) -> EventResults:
        """Deliver up to ``MAX_BATCH`` events; those whose shard was unavailable again and again.

        What is unavailable after the last attempt is so in the results.
        """
        delivery = Delivery(events, self._connection.retry, self._connection.rng)
        while delivery.open:
            delivery.settle(self._connection.do(delivery.call()))
            self._connection.sleep(delivery.wait_s)
        return delivery.results()

    def put_item(self, item_id: str, attributes: Attributes) -> ItemStatus:
        """Set an item with all its attributes."""
        return self._connection.do(calls.put_item(item_id, attributes))

    def put_items(self, items: Sequence[Item]) -> ItemResults:
        """Set up to ``MAX_BATCH`` items."""
        return self._connection.do(calls.put_items(items))

    def remove_item(self, item_id: str) -> ItemStatus:
        """Take an item out of the catalogue."""
        return self._connection.do(calls.remove_item(item_id))

    def user(self, user_id: str) -> UserView | None:
        """Return a person's own state, ``None`` for an unknown one."""
        return self._find(calls.user(user_id))

    def decision(self, decision_id: str) -> Decision | None:
        """Return a decision as logged, ``None`` for an unknown one."""
        return self._find(calls.decision(decision_id))

    def erase_user(self, user_id: str) -> ErasureStatus:
        """Have all that is known of a person forgotten; the receipt says what and until when."""
        return self._connection.do(calls.erase_user(user_id))

    def erasure(self, receipt: str) -> ErasureStatus | None:
        """Return how far an erasure is, ``None`` for an unknown receipt."""
        return self._find(calls.erasure(receipt))

    def stats(self) -> ServerStats:
        """Return the state of all shards, and the arms summed over them."""
        return self._connection.do(calls.STATS)

    def ready(self) -> bool:
        """Return whether every shard answers. Asks once.

        Raises
        ------
        ApiError
            When what answers is no server of this kind.
        """
        return calls.read_ready(*self._connection.get("/readyz"))

    def _find(self, call: calls.Call[T]) -> T | None:
        try:
            return self._connection.do(call)
        except ApiError as error:
            if error.status == HTTPStatus.NOT_FOUND:
                return None
            raise
