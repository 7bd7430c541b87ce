"""Which methods a path takes, for the answers to OPTIONS and to a method that it does not take."""

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route

from actors.http.problems import Problem, request_id_of

__all__ = ["add_options"]


def add_options(app: FastAPI) -> None:
    """Answer OPTIONS, and name in ``Allow`` the methods of all routes of a path.

    Starlette names those of the first route only, and no route of ours takes OPTIONS.
    """
    app.add_exception_handler(405, _answer)


async def _answer(request: Request, error: Exception) -> Response:
    headers = {"Allow": ", ".join(sorted(_methods_of(request)))}
    if request.method == "OPTIONS":
        return Response(status_code=204, headers=headers)
    detail = "this path does not take this method; see the header Allow"
    return Problem(405, detail, headers=headers).response(request_id_of(request))


def _methods_of(request: Request) -> set[str]:
    """Return the methods of a path that some route has refused."""
    scope = dict(request.scope)
    # A mount that was tried has made the scope its own.
    scope["root_path"] = scope.get("app_root_path", scope.get("root_path", ""))
    methods = {"OPTIONS"}
    for route in request.app.routes:
        if route.matches(scope)[0] is not Match.NONE:
            # What is mounted are static files.
            methods |= (route.methods or set()) if isinstance(route, Route) else {"GET", "HEAD"}
    return methods
