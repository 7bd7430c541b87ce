"""Hears a broker say that it cannot read its own log, which aiokafka only logs and asks again."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, cast

from aiokafka.client import AIOKafkaClient
from aiokafka.protocol.fetch import FetchRequest

from actors.kafka.base import Partition

if TYPE_CHECKING:
    from aiokafka.protocol.fetch import FetchResponse

__all__ = ["listen"]

_CORRUPT: Final = 2


def listen(client: AIOKafkaClient, tell: Callable[[Partition], object]) -> None:
    """Look through all answers that a consumer's client gets from now on.

    Parameters
    ----------
    tell
        Takes a partition whose records the broker itself finds damaged.
    """
    send = client.send

    async def heard(node_id: int, request: object, **more: object) -> object:
        answer = await send(node_id, request, **more)
        if isinstance(request, FetchRequest):
            for topic, partitions in cast("FetchResponse", answer).topics:
                for number, code, *_ in partitions:
                    if code == _CORRUPT:
                        tell(Partition(topic, number))
        return answer

    client.send = heard  # type: ignore[method-assign]
