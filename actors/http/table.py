"""The table that routes are added to: each with the scope of the keys that may call it."""

from collections.abc import Mapping

from fastapi import FastAPI
from starlette.responses import Response

from actors.auth.guard import Guard, Handler
from actors.auth.keys import Scope
from actors.http.openapi import OWN_HEADER, SECURITY, Part, complete, problems

__all__ = ["Table"]


class Table:
    """Adds routes to an application.

    Parameters
    ----------
    guard
        Stands before every route with a scope; without one, everybody may call everything.

    Attributes
    ----------
    shortcuts
        Handlers of POST, which may be called all the time, where the path holds nothing; by method
        and path.
    """

    def __init__(self, app: FastAPI, guard: Guard | None) -> None:
        self.shortcuts = dict[tuple[str, str], Handler]()
        self._app = app
        self._guard = guard

    def add(
        self,
        call: str,
        handler: Handler,
        summary: str,
        *,
        scope: Scope | None,
        tag: str,
        responses: Mapping[int, Part],
        extra: Part | None = None,
        head: bool = True,
    ) -> None:
        """Add a route whose types are told by hand (``actors.http.openapi``).

        Parameters
        ----------
        call
            Method and path.
        scope
            Of the keys that may call it; ``None`` for everybody.
        head
            Whether HEAD is answered where GET is.
        """
        method, path = call.split()
        if self._guard is not None and scope is not None:
            handler = self._guard.protect(handler, scope, call)
            responses = {**responses, **problems(401, 403)}
            extra = {**(extra or {}), "security": [{SECURITY: [scope]}, {OWN_HEADER: [scope]}]}
        if method == "POST" and "{" not in path:
            self.shortcuts[method, path] = handler
        self._app.add_api_route(
            path,
            handler,
            methods=[method],
            status_code=next(iter(responses)),
            response_class=Response,
            summary=summary,
            tags=[tag],
            responses=complete(responses),
            openapi_extra=extra,
        )
        if method == "GET" and head:
            self._app.add_api_route(path, handler, methods=["HEAD"], include_in_schema=False)
