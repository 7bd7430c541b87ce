"""The catalogue: every shard keeps all of it, so every shard is told."""

from collections.abc import Callable, Sequence

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from actors.http.bodies import JSON, decode_body, read_body
from actors.http.paths import path_id
from actors.http.problems import Problem, retry_after
from actors.http.schema import Fault, ItemBody, ItemsAnswer, ItemsBody, ItemStatus
from actors.http.shards import PartlyRefused, Shards
from actors.settings import ServerSettings
from recsys.clock import now_ms
from recsys.errors import InvalidEvent
from recsys.events import ItemRemove, ItemUpsert, validate
from recsys.ids import new_id

__all__ = ["ItemRoutes"]


class ItemRoutes:
    """Puts items into the catalogue and takes them out.

    One event id and one time go to all shards; the answer waits for all of them.
    """

    def __init__(self, shards: Shards, settings: ServerSettings) -> None:
        self._shards = shards
        self._limit = settings.http.max_body_bytes
        self._item = msgspec.json.Decoder(ItemBody)
        self._items = msgspec.json.Decoder(ItemsBody)
        self._encoder = msgspec.json.Encoder()

    async def put(self, request: Request) -> Response:
        """Set an item and all its attributes."""
        received_ms = now_ms()
        body = decode_body(self._item, await read_body(request, self._limit))
        item_id = path_id(request, "item_id")
        event = ItemUpsert(
            event_id=new_id(), ts_ms=received_ms, item_id=item_id, attributes=body.attributes
        )
        await self._tell((event,), received_ms, _of_one)
        return self._answer(ItemStatus(item_id=item_id, status="accepted"))

    async def delete(self, request: Request) -> Response:
        """Stop recommending an item; one that is not known is no error."""
        received_ms = now_ms()
        item_id = path_id(request, "item_id")
        await self._tell(
            (ItemRemove(event_id=new_id(), ts_ms=received_ms, item_id=item_id),),
            received_ms,
            _of_one,
        )
        return self._answer(ItemStatus(item_id=item_id, status="removed"))

    async def post_batch(self, request: Request) -> Response:
        """Set many items; the batch is refused whole when one of them is invalid."""
        received_ms = now_ms()
        body = decode_body(self._items, await read_body(request, self._limit))
        events = [
            ItemUpsert(
                event_id=new_id(),
                ts_ms=received_ms,
                item_id=item.item_id,
                attributes=item.attributes,
            )
            for item in body.items
        ]
        if events:
            await self._tell(events, received_ms, _of_batch)
        return self._answer(
            ItemsAnswer(
                accepted=len(events),
                items=tuple(
                    ItemStatus(item_id=event.item_id, status="accepted") for event in events
                ),
            )
        )

    async def _tell(
        self,
        events: Sequence[ItemUpsert | ItemRemove],
        received_ms: int,
        public: Callable[[str], str],
    ) -> None:
        """Check the events and tell every shard.

        Parameters
        ----------
        public
            Turns a pointer into a ``Batch`` into one into the request. A shard may refuse what
            was fine here: an item for which its catalogue has no room.
        """
        try:
            for index, event in enumerate(events):
                validate(event, f"/events/{index}")
            await self._shards.append_everywhere(events, received_ms)
        except InvalidEvent as error:
            raise InvalidEvent(public(error.pointer), error.detail) from None
        except PartlyRefused as error:
            fault = Fault(pointer=public(error.refusal.pointer), detail=error.refusal.detail)
            detail = (
                f"shard {error.shard} refused {fault.pointer}: {fault.detail}; others may have "
                "taken it: once its cause is gone, the same call again settles it"
            )
            raise Problem(503, detail, errors=(fault,), headers=retry_after()) from None

    def _answer(self, answer: ItemStatus | ItemsAnswer) -> Response:
        status = 202 if self._shards.learns_later else 200
        return Response(self._encoder.encode(answer), status, media_type=JSON)


def _of_one(pointer: str) -> str:
    place = pointer.removeprefix("/events/0")
    return "/path/item_id" if place == "/item_id" else place


def _of_batch(pointer: str) -> str:
    return pointer.replace("/events", "/items", 1)
