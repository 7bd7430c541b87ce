"""``DELETE`` of a person, the receipts of that, and the dead letters."""

from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from actors.http.bodies import JSON
from actors.http.paths import path_id
from actors.http.problems import Problem
from actors.http.schema import DeadLettersAnswer, ErasureAnswer
from actors.http.shards import Shards
from actors.settings import ServerSettings
from recsys.clock import now_ms
from recsys.store.records import Erasure

__all__ = ["PeopleRoutes"]

_REMOVES: Final = (
    "the person's own state: history, tastes, personal models; gone when this was answered",
    "their lists that waited for feedback, and their examples and choices in the replay buffers",
    "their events in the log, of which tombstones keep the places and hashes of the event ids",
    "their dead letters, and the deleted bytes in the files of the shard",
)
_KEEPS: Final = (
    "what they taught the weights and counts that all share, which cannot be told apart; "
    "recsys quarantine --afresh learns them again from the log, which no longer has the person",
    "items in the order of a session, without a name, in the rings of sessions and factors, until "
    "others take their places",
    "copies of the data directory made before, until they are deleted: their retention is the time",
    "what comes under this id from now on, as of a stranger",
)


class PeopleRoutes:
    """Forgets people, and tells of what could not be learned."""

    def __init__(self, shards: Shards, settings: ServerSettings) -> None:
        self._shards = shards
        self._within_ms = round(settings.engine.store.erase_within_s * 1000)
        self._encoder = msgspec.json.Encoder()

    async def erase(self, request: Request) -> Response:
        """Forget a person; one who is not known is no error. Each call has a receipt."""
        begun = await self._shards.erase(path_id(request, "user_id"), now_ms())
        return Response(self._answer(begun), status_code=202, media_type=JSON)

    async def erasure(self, request: Request) -> Response:
        """Show how far an erasure is."""
        erasure = await self._shards.erasure(path_id(request, "receipt"))
        if erasure is None:
            raise Problem(404, "no erasure has this receipt, or it was long ago")
        return Response(self._answer(erasure), media_type=JSON)

    async def dead_letters(self, request: Request) -> Response:
        """Show the events that could not be learned."""
        letters = tuple(await self._shards.dead_letters())
        return Response(self._encoder.encode(DeadLettersAnswer(letters)), media_type=JSON)

    def _answer(self, erasure: Erasure) -> bytes:
        return self._encoder.encode(
            ErasureAnswer(
                receipt=erasure.receipt,
                status="done" if erasure.done_ms else "pending",
                accepted_ms=erasure.accepted_ms,
                complete_by_ms=erasure.accepted_ms + self._within_ms,
                done_ms=erasure.done_ms or None,
                removed_events=erasure.removed,
                removes=_REMOVES,
                keeps=_KEEPS,
            )
        )
