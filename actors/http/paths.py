"""Paths are taken literally: whole, and only if they are UTF-8.

Starlette lets a pattern end before a final line break, and servers put U+FFFD in the place of
bytes that are no UTF-8. Either would let a call act on another id than the one it names.
"""

import re
from urllib.parse import unquote_to_bytes

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Route

from recsys.errors import InvalidEvent
from recsys.ids import check_id

__all__ = ["match_whole_paths", "path_id"]


def match_whole_paths(app: Starlette) -> None:
    """Let every route that the application has match whole paths, line breaks and all."""
    for route in app.routes:
        if isinstance(route, Route):
            pattern = route.path_regex.pattern.removesuffix("$")
            route.path_regex = re.compile(rf"{pattern}\Z", re.DOTALL)


def path_id(request: Request, name: str) -> str:
    """Return an id out of the path.

    Raises
    ------
    InvalidEvent
        When it breaks a limit of ids or the path is not UTF-8.
    """
    pointer = f"/path/{name}"
    try:
        unquote_to_bytes(request.scope.get("raw_path") or b"").decode()
    except UnicodeDecodeError:
        raise InvalidEvent(pointer, "must be UTF-8, percent-encoded") from None
    found = str(request.path_params[name])
    check_id(found, pointer)
    return found
