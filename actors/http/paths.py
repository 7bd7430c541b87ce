"""Paths are taken literally, up to their last character.

Starlette lets a pattern end before a final line break, so that a call would act on another id than
the one it names.
"""

import re

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Route

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
        When it breaks a limit of ids.
    """
    pointer = f"/path/{name}"
    found = str(request.path_params[name])
    check_id(found, pointer)
    return found
