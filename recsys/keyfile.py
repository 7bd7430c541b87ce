"""The installation's secret, under which pickled estimators are sealed."""

import secrets
from pathlib import Path

from recsys.durable import replace_file
from recsys.errors import CorruptRecord

__all__ = ["KEY_BYTES", "load_key"]

KEY_BYTES = 32


def load_key(path: Path) -> bytes:
    """Return the installation's secret, made at the first opening and readable by its owner.

    Raises
    ------
    CorruptRecord
        When the file does not hold a whole key.
    """
    try:
        key = path.read_bytes()
    except FileNotFoundError:
        return _make_key(path)
    if len(key) != KEY_BYTES:
        detail = (
            f"{path} should hold {KEY_BYTES} bytes, it holds {len(key)}; restore it from a backup"
        )
        raise CorruptRecord(detail)
    return key


def _make_key(path: Path) -> bytes:
    """Write a new key whole or not at all; the store's lock lets one process in at a time."""
    key = secrets.token_bytes(KEY_BYTES)
    replace_file(path, key, mode=0o600)
    return key
