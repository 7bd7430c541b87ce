"""The shortest way to the handlers of what is called all the time.

FastAPI's way through its middlewares, its routes and its dependencies costs half of what a gateway
does for a list. Nothing of it is needed where a handler takes a ``Request`` and returns a
``Response``. The routes stay in the application: the OpenAPI document is made of them, and they
answer other methods and whatever else is not exactly such a call.
"""

from collections.abc import Mapping

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from actors.auth.guard import Handler
from actors.errors import RuntimeFault
from actors.http.problems import Problem, answer_error
from recsys.errors import InvalidEvent

__all__ = ["Shortcut"]


class Shortcut:
    """An ASGI application for calls whose path holds nothing.

    Parameters
    ----------
    handlers
        By method and path.
    """

    def __init__(self, handlers: Mapping[tuple[str, str], Handler]) -> None:
        self._handlers = handlers

    def takes(self, scope: Scope) -> bool:
        """Return whether a connection is for this application."""
        return scope["type"] == "http" and (scope["method"], scope["path"]) in self._handlers

    async def answer(self, request: Request) -> Response:
        """Return the answer to a request that it takes; what is a fault of ours is raised."""
        scope = request.scope
        try:
            return await self._handlers[scope["method"], scope["path"]](request)
        except (Problem, InvalidEvent, RuntimeFault, ClientDisconnect) as error:
            return await answer_error(request, error)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a connection that it takes."""
        response = await self.answer(Request(scope, receive, send))
        await response(scope, receive, send)
