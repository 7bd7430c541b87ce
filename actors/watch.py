"""Watches one shard, ends it when it is stuck, and opens it anew when it has ended for good.

Ray restarts a shard whose process died; that takes seconds and needs nobody. The watch steps in
where Ray gives up: a shard that was ended on purpose, or whose store could not be opened. And
where Ray sees nothing wrong: a process that is there, but whose loop stands still.
"""

import asyncio
import logging
from collections.abc import Callable
from time import monotonic
from typing import Final

from actors.errors import ShardUnavailable
from actors.fleet import Fleet, ShardLost, ShardSilent
from actors.handles import Ready
from actors.layout import DataFolder

__all__ = ["Watch"]

_log = logging.getLogger(__name__)

_PAUSES_S: Final = (0.0, 1.0, 2.0, 5.0, 10.0, 30.0)
"""Before the first, second, ... attempt to open a lost shard; the last one repeats."""


class Watch:
    """The watch of one shard.

    Parameters
    ----------
    folder
        Told of every return, which begins a new epoch.
    notice
        Takes a sentence about what happened.
    hear
        Takes each of the shard's answers.
    interval_s
        Pause between two questions to a shard that is well.
    patience_s
        A shard that takes longer to answer is reported: it may be busy.
    stuck_s
        A shard that is silent for so long is ended, which loses nothing that it acknowledged; 0
        for never. One that has not answered yet since its process began may recover for as long
        as it takes.
    """

    def __init__(
        self,
        shard: int,
        fleet: Fleet,
        folder: DataFolder,
        notice: Callable[[str], None],
        hear: Callable[[int, Ready], None],
        *,
        interval_s: float,
        patience_s: float,
        stuck_s: float,
    ) -> None:
        self._shard = shard
        self._fleet = fleet
        self._folder = folder
        self._notice = notice
        self._hear = hear
        self._interval_s = interval_s
        self._patience_s = patience_s
        self._stuck_s = stuck_s
        self._heard_s: float | None = None
        self._known: Ready | None = None
        self._well_s = monotonic()
        self._down = False
        self._attempts = 0
        self._fault = ""
        self._told: tuple[str, ...] = ()

    async def run(self, known: Ready | None) -> None:
        """Watch until cancelled.

        Parameters
        ----------
        known
            The shard's last answer, ``None`` when nobody has asked yet.
        """
        self._known, self._well_s = known, monotonic()
        self._heard_s = None if known is None else self._well_s
        while True:
            try:
                await self._look()
            except Exception as error:
                # Nobody else would open this shard anew: the watch must outlast a full disk.
                self._stumbled(error)
                await asyncio.sleep(self._interval_s)
            else:
                self._fault = ""

    def open_anew(self) -> None:
        """Make the shard's actor if there is none."""
        try:
            self._fleet.open(self._shard)
        except RuntimeError as error:
            # Ray may refuse for a moment; the next round finds the shard lost and tries again.
            _log.warning("shard %d: %s", self._shard, error)

    async def _look(self) -> None:
        """Ask once, do what the answer calls for, and wait until it is time to ask again."""
        try:
            answer = await self._fleet.ready(self._shard, self._patience())
        except ShardLost as error:
            self._down, self._heard_s = True, None
            self._notice(f"shard {self._shard} has ended ({error.reason}); opening it anew")
            await asyncio.sleep(_PAUSES_S[min(self._attempts, len(_PAUSES_S) - 1)])
            self._attempts += 1
            self.open_anew()
        except ShardUnavailable as error:
            if not isinstance(error, ShardSilent):
                # Another process begins, and nobody knows how much it has to recover.
                self._heard_s = None
            if not self._down:
                self._down = True
                self._notice(str(error))
            self._end_if_stuck()
            await asyncio.sleep(self._interval_s / 10)
        else:
            if self._down or (self._known is not None and answer.pid != self._known.pid):
                self._returned(answer, monotonic() - self._well_s)
            self._tell(answer.trouble)
            self._hear(self._shard, answer)
            self._known, self._well_s, self._down, self._attempts = answer, monotonic(), False, 0
            self._heard_s = self._well_s
            await asyncio.sleep(self._interval_s)

    def _patience(self) -> float:
        """Return how long to wait for an answer: not beyond the moment when the shard is stuck."""
        if not self._stuck_s or self._heard_s is None:
            return self._patience_s
        left_s = self._heard_s + self._stuck_s - monotonic()
        # A shard must have had a chance, however impatient the settings are.
        return min(self._patience_s, max(left_s, self._interval_s))

    def _end_if_stuck(self) -> None:
        if not self._stuck_s or self._heard_s is None:
            return
        silent_s = monotonic() - self._heard_s
        if silent_s >= self._stuck_s:
            self._heard_s = None
            self._notice(f"shard {self._shard} was silent for {silent_s:.0f} s; ending its process")
            self._fleet.restart(self._shard)

    def _returned(self, answer: Ready, away_s: float) -> None:
        # Who took up the watch in the middle of it does not know who served before.
        if self._known is None or answer.pid == self._known.pid:
            self._notice(f"shard {self._shard} answers again")
            return
        self._folder.advance()
        self._notice(
            f"shard {self._shard} is back, {away_s:.1f} s after it was last well: "
            f"recovered sequence {answer.recovered} in {answer.recovery_s:.2f} s"
        )

    def _tell(self, troubles: tuple[str, ...]) -> None:
        for trouble in troubles:
            if trouble not in self._told:
                self._notice(f"shard {self._shard}: {trouble}")
        if self._told and not troubles:
            self._notice(f"shard {self._shard} is well again")
        self._told = troubles

    def _stumbled(self, error: Exception) -> None:
        fault = f"{type(error).__name__}: {error}"
        if fault != self._fault:
            # Once, not every second for as long as it lasts.
            _log.error("the watch of shard %d failed", self._shard, exc_info=error)
            self._notice(f"the watch of shard {self._shard} failed and goes on: {fault}")
        self._fault = fault
