"""Runs a server around a task: what ``serve`` and ``demo`` have in common."""

import importlib
import os
import traceback
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, NoReturn

import typer
from rich.console import Console

from actors.auth.startup import admin_key, prepare_keys
from actors.cli.interrupts import Interrupts
from actors.cli.problems import fail
from actors.cli.terminal import Terminal, quiet, say
from actors.errors import RuntimeFault, StartupError
from actors.host.environment import prepare_environment
from actors.host.haproxy import warnings
from actors.host.ports import check_ports, ports_of
from actors.host.processes import end_marked
from actors.host.run_folder import RunFolder, clean_leftovers
from actors.layout import DataFolder
from actors.overrides import override
from actors.settings import ServerSettings

if TYPE_CHECKING:
    from actors.runtime import Runtime

__all__ = ["Task", "run_server", "show_news"]

Task = Callable[["Runtime", Console], int]
"""What to do while the server runs; returns the exit status. Ctrl-C ends it by an exception."""

_INTERRUPTED = 130


def run_server(settings: ServerSettings, task: Task, *, keep_data: bool = True) -> None:
    """Start a server, do the task, end the server; leave no process behind.

    Parameters
    ----------
    keep_data
        If not, the data directory is a fresh one that goes with the server.

    Raises
    ------
    typer.Exit
        Always, with the exit status.
    """
    interrupts = Interrupts()
    interrupts.listen()
    folder: RunFolder | None = None
    try:
        for report in clean_leftovers():
            typer.echo(report)
        check_ports(ports_of(settings.http))
        if keep_data:
            DataFolder(settings.shards).release()
        with interrupts.held():
            folder = RunFolder(settings.http.port)
        if not keep_data:
            settings = override(settings, data_dir=folder.path / "data")
        with quiet(folder.log) as terminal:
            status = _Session(settings, folder, terminal, interrupts).run(task)
    except StartupError as error:
        fail(str(error))
    except KeyboardInterrupt:
        if folder is not None:
            folder.remove()
        raise typer.Exit(_INTERRUPTED) from None
    raise typer.Exit(status)


class _Session:
    """From the first print to the last process.

    Parameters
    ----------
    folder
        Removed at the end, unless the server ended by a fault of its own.
    """

    def __init__(
        self,
        settings: ServerSettings,
        folder: RunFolder,
        terminal: Terminal,
        interrupts: Interrupts,
    ) -> None:
        self._settings = settings
        self._folder = folder
        self._terminal = terminal
        self._interrupts = interrupts
        self._running: Runtime | None = None

    def run(self, task: Task) -> int:
        """Do it all and return the exit status."""
        try:
            status = self._work(task)
            runtime = self._running
            if runtime is None or self._interrupts.twice:
                self._end_now(_INTERRUPTED if self._interrupts.twice else status)
            return self._drain(runtime, status)
        except (KeyboardInterrupt, SystemExit):
            self._end_now(_INTERRUPTED)

    def _work(self, task: Task) -> int:
        try:
            return self._serve(task)
        except (KeyboardInterrupt, SystemExit):
            # While Ray starts, SIGTERM is Ray's, which answers it by leaving the program.
            return 0
        except RuntimeFault as error:
            self._running = None
            self._complain(str(error))
        except Exception:
            # Whatever it is, the processes must go, and the user must hear of it.
            traceback.print_exc()
            self._complain(f"it ended by a fault of its own; what it said is in {self._folder.log}")
            self._folder.keep()
        return 1

    def _serve(self, task: Task) -> int:
        say(self._terminal.out, f"starting {self._settings.shards.count} shards on Ray ...")
        for warning in warnings(self._settings.http):
            say(self._terminal.err, f"recsys: {warning}")
        prepare_keys(self._settings)
        prepare_environment(self._settings.http, self._folder)
        # Not at the top: Ray reads its environment when it is imported.
        runtime: Runtime = importlib.import_module("actors.runtime").Runtime(
            self._settings, self._folder
        )
        with self._interrupts.hangup_held():
            runtime.start()
        self._interrupts.listen()
        self._running = runtime
        _greet(runtime, self._settings, self._terminal.out)
        return task(runtime, self._terminal.out)

    def _complain(self, message: str) -> None:
        say(self._terminal.err, f"recsys: {message}")

    def _drain(self, runtime: "Runtime", status: int) -> int:
        say(
            self._terminal.out,
            "writing what the shards hold and stopping ... (Ctrl-C: stop at once)",
        )
        try:
            runtime.drain()
        except Exception as error:
            # Ray may have died under it. What was acknowledged is on the disk.
            self._complain(f"the shards did not drain: {error}")
            self._end_now(1)
        self._interrupts.ignore()
        self._folder.remove()
        say(self._terminal.out, "stopped")
        return status

    def _end_now(self, status: int) -> NoReturn:
        """End every process; acknowledged events are on the disk."""
        self._interrupts.ignore()
        end_marked(self._folder.path, grace_s=0.2)
        self._folder.remove()
        for console in self._terminal:
            with suppress(OSError):
                console.file.flush()
        # Ray's exit handlers would wait for processes that are gone.
        os._exit(status)


def _greet(runtime: "Runtime", settings: ServerSettings, console: Console) -> None:
    shards = settings.shards
    say(
        console,
        f"recsys is ready\n"
        f"  API            {runtime.url}\n"
        f"  documentation  {runtime.url}/docs\n"
        f"  live console   {runtime.url}/console\n"
        f"  Ray dashboard  {runtime.dashboard_url}  (asks for the token in ~/.ray/auth_token)\n"
        f"{_keys_line(settings)}"
        f"  data           {shards.data_dir} ({shards.count} shards, "
        f"{shards.partitions} partitions)\n"
        f"  logs           {runtime.folder.logs}\n"
        f"Ctrl-C stops it.",
    )


def _keys_line(settings: ServerSettings) -> str:
    """Return what to say of API keys; nothing where nobody is asked for one."""
    if not settings.http.asks_for_keys:
        return ""
    first = admin_key(settings)
    where = f"; the administrator's is in {first}" if first else ""
    return f"  API keys       asked for, made by `recsys keys new`{where}\n"


def show_news(runtime: "Runtime", console: Console) -> None:
    """Print what the supervisor noticed since the last time, and whether the API answers."""
    for notice in runtime.news():
        say(console, notice.text)
    heard = runtime.ring()
    if heard:
        say(console, heard)
