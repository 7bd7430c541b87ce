"""The keys before the first request: a server that asks for them must have one to begin with."""

from pathlib import Path
from typing import Final

from actors.auth.key_file import (
    ADMIN_KEY,
    changing_keys,
    keys_path,
    read_keys,
    write_private,
)
from actors.auth.keys import make_key
from actors.auth.ring import KeyRing
from actors.errors import StartupError
from actors.settings import ServerSettings
from recsys.clock import now_ms

__all__ = ["admin_key", "prepare_keys"]

_NAME: Final = "admin"


def prepare_keys(settings: ServerSettings) -> None:
    """See that a server that asks for keys has some.

    Where there is no file of keys yet, one is made with a key for the administrator, whose text is
    written beside it, readable by its owner.

    Raises
    ------
    StartupError
        When the keys cannot be read, or not be made.
    """
    if not settings.http.asks_for_keys:
        return
    path = keys_path(settings.http.auth.keys, settings.shards.data_dir)
    try:
        read_keys(path)
    except FileNotFoundError:
        _make_first(path)


def admin_key(settings: ServerSettings) -> Path | None:
    """Return the file with the text of the key that was made first, while the key is good."""
    path = keys_path(settings.http.auth.keys, settings.shards.data_dir)
    text_path = path.with_name(ADMIN_KEY)
    try:
        text = text_path.read_text("ascii", "replace").strip()
    except OSError:
        return None  # it was put elsewhere
    return text_path if KeyRing(path).find(text) is not None else None


def _make_first(path: Path) -> None:
    text_path = path.with_name(ADMIN_KEY)
    with changing_keys(path) as keys:
        if keys:
            return  # another process was faster
        text, key = make_key(_NAME, ["admin"], now_ms())
        keys[key.name] = key
        try:
            # First the text: keys that nobody knows could not be used.
            write_private(text_path, f"{text}\n".encode())
        except OSError as error:
            message = f"the administrator's API key in {text_path}: {error.strerror}"
            raise StartupError(message) from error
