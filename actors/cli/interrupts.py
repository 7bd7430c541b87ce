"""Ctrl-C, SIGTERM and a closed terminal: the first ends the server well, the second ends it now."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from types import FrameType
from typing import Final

__all__ = ["Interrupts"]


_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_ONE_PRESS_S: Final = 0.5
"""Whoever stops a process group often sends one signal to the group and one to its leader."""


class Interrupts:
    """Turns signals into ``KeyboardInterrupt`` in the main thread, twice at most.

    Attributes
    ----------
    twice
        Whether the second has come, which ends all at once.
    """

    def __init__(self) -> None:
        self.twice = False
        self._first_s: float | None = None
        self._held = False
        self._pending = False

    def listen(self) -> None:
        """Take the signals over; again after Ray has taken them for itself."""
        for number in _SIGNALS:
            # Under nohup a closed terminal shall end nothing.
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, self._on_signal)

    def ignore(self) -> None:
        """Let nothing disturb the last steps any more, whoever has the signals now."""
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_IGN)

    @contextmanager
    def hangup_held(self) -> Iterator[None]:
        """Put a closed terminal off to the end of the block; processes begun in it never hear it.

        Else it would end Ray's own processes, and with them what the shards still have to write.
        """
        # A mask, unlike a handler, is inherited.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
        try:
            yield
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})

    @contextmanager
    def held(self) -> Iterator[None]:
        """Put an interrupt off to the end of the block."""
        self._held = True
        try:
            yield
        finally:
            self._held = False
        if self._pending:
            raise KeyboardInterrupt

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        now_s = monotonic()
        if self.twice:
            return
        if self._first_s is None:
            self._first_s = now_s
        elif now_s - self._first_s < _ONE_PRESS_S:
            return
        else:
            self.twice = True
        if self._held:
            self._pending = True
            return
        raise KeyboardInterrupt
