"""What a person at a terminal sees while a run goes on, and how Ctrl-C ends it."""

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from recsys.client import AsyncClient, ServerStats
from recsys.errors import ApiError, Unreachable
from simulators.report import Report

__all__ = ["Watch", "replay_bar", "stop_on_signal"]

_REFRESH_S: Final = 0.25


@contextmanager
def stop_on_signal(stop: Callable[[], None]) -> Iterator[None]:
    """Call ``stop`` at the first Ctrl-C or SIGTERM; the next one ends the program at once.

    To be entered inside a running event loop of the main thread. Where the platform has no such
    handlers, Ctrl-C cancels the running task.
    """
    loop = asyncio.get_running_loop()
    caught: list[signal.Signals] = []

    def release() -> None:
        while caught:
            loop.remove_signal_handler(caught.pop())

    def handle() -> None:
        release()
        stop()

    for number in (signal.SIGINT, signal.SIGTERM):
        try:
            loop.add_signal_handler(number, handle)
        except (NotImplementedError, RuntimeError):
            continue
        caught.append(number)
    try:
        yield
    finally:
        release()


def replay_bar(console: Console, *, disable: bool) -> Progress:
    """Return the bar of a replay."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        disable=disable,
    )


class Watch:
    """Shows a report while it grows: a bar with live numbers, and a table now and then.

    Parameters
    ----------
    client
        Asked for the server's statistics; should not retry, for a late table helps nobody.
    duration_s
        ``None`` for a run without end.
    table_every_s
        0 for no tables.
    """

    def __init__(
        self,
        report: Report,
        client: AsyncClient,
        console: Console,
        duration_s: float | None,
        table_every_s: float,
    ) -> None:
        self._report = report
        self._client = client
        self._console = console
        self._duration_s = duration_s
        self._table_every_s = table_every_s

    async def stats(self) -> ServerStats | None:
        """Return the server's statistics, ``None`` when it does not answer."""
        try:
            return await self._client.stats()
        except (ApiError, Unreachable) as error:
            self._report.went_wrong("stats", error)
            return None

    async def show(self) -> None:
        """Show until cancelled."""
        next_table_s = self._table_every_s
        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[now]}"))
        hidden = not self._console.is_terminal
        with Progress(*columns, console=self._console, transient=True, disable=hidden) as progress:
            task = progress.add_task("clicking", total=self._duration_s, now="")
            while True:
                await asyncio.sleep(_REFRESH_S)
                progress.update(task, completed=self._report.elapsed_s, now=self._now())
                if 0 < next_table_s <= self._report.elapsed_s:
                    next_table_s = self._report.elapsed_s + self._table_every_s
                    await self._table(progress.console)

    async def _table(self, console: Console) -> None:
        stats = await self.stats()
        console.print(self._report.table(stats, title=f"after {self._report.elapsed_s:.0f} s"))

    def _now(self) -> str:
        report, total = self._report, self._report.total
        return (
            f"{report.elapsed_s:.0f} s  {total.decisions:,} lists  {total.clicks:,} clicks  "
            f"{total.click_rate:.2%} (best {total.per_slot(total.best):.2%})  "
            f"{report.accepted:,} events  {sum(report.errors.values()):,} errors"
        )
