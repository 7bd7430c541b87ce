"""Rings at the door of the API, so that an operator hears when nobody opens.

Serve and HAProxy replace what has died by themselves, and say so nowhere that a person looks.
"""

import urllib.error
import urllib.request
from collections.abc import Callable
from time import monotonic
from typing import Final

__all__ = ["Doorbell"]

_RING_S: Final = 2.0
_RINGS: Final = 2
"""Without an answer, one after the other: a busy machine may miss one."""


class Doorbell:
    """Asks the API whether it lives, and speaks of changes only.

    Parameters
    ----------
    url
        Where the API is, without a slash at the end.
    clock
        Seconds, from anywhere.
    """

    def __init__(self, url: str, *, clock: Callable[[], float] = monotonic) -> None:
        self._url = f"{url}/livez"
        self._clock = clock
        self._well_s = clock()
        self._missed = 0

    def ring(self) -> str:
        """Ask once; return a sentence when it stopped to answer, or began again, else nothing."""
        reason = self._ask()
        if reason:
            self._missed += 1
            return f"the API does not answer: {reason}" if self._missed == _RINGS else ""
        away_s, missed = self._clock() - self._well_s, self._missed
        self._well_s, self._missed = self._clock(), 0
        if missed < _RINGS:
            return ""
        return f"the API answers again, {away_s:.1f} s after it last did"

    def _ask(self) -> str:
        """Return why there was no answer, empty when there was."""
        try:
            with urllib.request.urlopen(self._url, timeout=_RING_S):
                return ""
        except urllib.error.HTTPError as error:
            with error:
                return f"HAProxy says {error.code}, so it has no gateway"
        except OSError as error:
            cause = error.reason if isinstance(error, urllib.error.URLError) else error
            return str(getattr(cause, "strerror", None) or cause).lower()
