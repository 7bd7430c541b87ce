"""Ctrl-C and SIGTERM: the first ends the server well, the second ends it now."""

import signal
from time import monotonic
from types import FrameType
from typing import Final

__all__ = ["Interrupts"]


_ONE_PRESS_S: Final = 0.5
"""Whoever stops a process group often sends one signal to the group and one to its leader."""


class Interrupts:
    """Turns signals into ``KeyboardInterrupt`` in the main thread, twice at most."""

    def __init__(self) -> None:
        self._first_s: float | None = None
        self._twice = False
        self._deaf = False

    def listen(self) -> None:
        """Take the signals over; again after Ray has taken them for itself."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._on_signal)

    def ignore(self) -> None:
        """Let nothing disturb the last steps any more."""
        self._deaf = True

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        now_s = monotonic()
        if self._deaf or self._twice:
            return
        if self._first_s is None:
            self._first_s = now_s
        elif now_s - self._first_s < _ONE_PRESS_S:
            return
        else:
            self._twice = True
        raise KeyboardInterrupt
