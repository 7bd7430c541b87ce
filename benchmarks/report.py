"""How a benchmark says what it found: a table for people, a document for programs."""

import os
import platform
import subprocess
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final

import msgspec
import typer
from rich.console import Console
from rich.table import Table

__all__ = [
    "JsonOption",
    "SeedOption",
    "UrlOption",
    "check_writable",
    "machine",
    "run",
    "show",
    "told",
    "write",
]

_ROOT: Final = Path(__file__).parents[1]

JsonOption = Annotated[Path | None, typer.Option("--json", help="Write the result here.")]
SeedOption = Annotated[int, typer.Option(min=0, help="Of everything that is drawn.")]
UrlOption = Annotated[
    str | None, typer.Option(help="Measure this server instead of one of the benchmark's own.")
]


def run(command: Callable[..., None]) -> None:
    """Run a benchmark as a command line."""
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(command)
    app()


def check_writable(path: Path | None) -> None:
    """Refuse a file whose folder is not there, before minutes of work depend on it.

    Raises
    ------
    typer.BadParameter
        Naming the folder.
    """
    if path is not None and not path.resolve().parent.is_dir():
        message = f"there is no folder {path.resolve().parent}"
        raise typer.BadParameter(message)


def show(title: str, rows: Mapping[str, str]) -> None:
    """Print names and values as a table."""
    table = Table(title=title, title_justify="left", show_header=False)
    table.add_column()
    table.add_column(overflow="fold")
    for name, value in rows.items():
        table.add_row(name, value)
    Console().print(table)


def write(path: Path | None, name: str, parameters: Mapping[str, object], result: object) -> None:
    """Write the document, with what is needed to tell one run from another.

    Parameters
    ----------
    result
        Anything that msgspec can encode.
    """
    if path is None:
        return
    document = {
        "benchmark": name,
        **machine(),
        "parameters": dict(parameters),
        "result": result,
    }
    path.write_bytes(msgspec.json.format(msgspec.json.encode(document)) + b"\n")


def machine() -> dict[str, object]:
    """Return what is needed to tell one run from another."""
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _commit(),
        "cores": os.cpu_count(),
        "system": platform.system(),
        "python": platform.python_version(),
    }


def told(name: str, parameters: Mapping[str, object], result: object) -> dict[str, object]:
    """Return a document whose keys are those of the result, with what ``write`` adds beside them.

    Parameters
    ----------
    result
        A struct of msgspec.
    """
    found: dict[str, object] = msgspec.to_builtins(result)
    return found | {
        "benchmark": name,
        "parameters": msgspec.to_builtins(dict(parameters), enc_hook=str),
        **machine(),
    }


def _commit() -> str | None:
    """Return the short hash of the commit that is checked out, ``None`` outside of a checkout."""
    command = ["git", "-C", str(_ROOT), "rev-parse", "--short", "HEAD"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except OSError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None
