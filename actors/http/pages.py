"""The live console and the API's documentation: static files of our own, nothing from elsewhere."""

from pathlib import Path
from typing import Final

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope
from typing_extensions import override

__all__ = ["STATIC", "add_pages"]

_FOLDER: Final = Path(__file__).parent.parent / "console"
STATIC: Final = _FOLDER / "static"
_POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self' 'unsafe-inline'",  # Swagger UI writes style attributes
        "img-src 'self' data:",
        "font-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
_HEADERS: Final = {
    "Cache-Control": "no-cache",
    "Content-Security-Policy": _POLICY,
    "Referrer-Policy": "no-referrer",
}


class _Assets(StaticFiles):
    """Static files that are asked for again at every load: a new version must show at once."""

    @override
    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers["Cache-Control"] = "no-cache"
        return response


async def _console(request: Request) -> Response:
    return FileResponse(_FOLDER / "index.html", headers=_HEADERS)


async def _docs(request: Request) -> Response:
    return FileResponse(_FOLDER / "docs.html", headers=_HEADERS)


def add_pages(app: FastAPI) -> None:
    """Serve ``/console`` and ``/docs``."""
    app.add_api_route("/console", _console, methods=["GET", "HEAD"], include_in_schema=False)
    app.add_api_route("/docs", _docs, methods=["GET", "HEAD"], include_in_schema=False)
    app.mount("/console/static", _Assets(directory=STATIC), name="console-static")
