"""The keys as one gateway knows them."""

import logging
from collections.abc import Callable, Mapping
from hmac import compare_digest
from pathlib import Path
from time import monotonic
from typing import Final

from actors.auth.key_file import read_keys
from actors.auth.keys import Key, digest_of, name_in
from actors.errors import StartupError
from recsys.clock import now_ms

__all__ = ["KeyRing"]

_log = logging.getLogger(__name__)

_LOOK_S: Final = 1.0
_MEND_S: Final = 60.0
_NOBODYS: Final = digest_of("")
"""What an unknown name is compared with, so that it takes as long as a known one."""
_State = tuple[int, int, int]


class KeyRing:
    """Keys of a file, which is looked at again when a second has passed since the last look.

    A file that has become unreadable leaves the keys as they were for a minute, in which it may be
    mended, and then none: nobody could say which of them have been revoked. One that was removed
    leaves none at once. All of it is told in the log.

    Parameters
    ----------
    clock
        Seconds that never go back.
    now
        Epoch milliseconds, for what expires.
    """

    def __init__(
        self,
        path: Path,
        *,
        clock: Callable[[], float] = monotonic,
        now: Callable[[], int] = now_ms,
    ) -> None:
        self._path = path
        self._clock = clock
        self._now = now
        self._keys: Mapping[str, Key] = {}
        self._state: _State | None = None
        self._look_at = -1.0
        self._unreadable_s: float | None = None
        self._told = ""

    def find(self, text: str) -> Key | None:
        """Return the key with this text, ``None`` for one that is unknown, wrong or expired.

        What it takes does not depend on which of these it is, nor on how much of it was right.
        """
        self._look()
        key = self._keys.get(name_in(text))
        same = compare_digest(digest_of(text), _NOBODYS if key is None else key.digest)
        if key is None or not same or key.expired(self._now()):
            return None
        return key

    def _look(self) -> None:
        now = self._clock()
        if now < self._look_at:
            return
        self._look_at = now + _LOOK_S
        try:
            status = self._path.stat()
            state = status.st_ino, status.st_mtime_ns, status.st_size
            if state == self._state:
                return
            keys = read_keys(self._path)
        except FileNotFoundError:
            self._close(f"there are no API keys, {self._path} is gone")
            return
        except (OSError, StartupError) as error:
            if self._unreadable_s is None:
                self._unreadable_s = now
            if now - self._unreadable_s >= _MEND_S:
                self._close(str(error))
            else:
                self._tell(f"{error}; the keys stay as they were for {_MEND_S:g} s")
            return
        self._keys, self._state = {key.name: key for key in keys}, state
        self._unreadable_s, self._told = None, ""
        _log.info("%d API keys were read", len(keys))

    def _close(self, why: str) -> None:
        self._keys, self._state = {}, None
        self._tell(f"{why}: nobody gets in")

    def _tell(self, what: str) -> None:
        if what != self._told:
            self._told = what
            _log.error("%s", what)
