"""What can go wrong with a command, before its work where possible, and in a few words."""

from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import msgspec
import typer
from matplotlib.backend_bases import FigureCanvasBase
from rich.console import Console
from rich.text import Text

from recsys.errors import Unreachable

__all__ = ["check_file", "check_picture", "fail", "unreachable", "write", "write_json"]


def fail(message: str) -> NoReturn:
    """Say one thing on standard error and end the program."""
    Console(stderr=True).print(Text(f"clickstream: {message}"), soft_wrap=True)
    raise typer.Exit(1)


def unreachable(error: Unreachable) -> str:
    """Return what to say when nobody answers."""
    return f"{error}; is the server running? `recsys serve` starts one"


def check_file(path: Path | None) -> None:
    """Refuse what cannot become a file, before an hour of work depends on it.

    Raises
    ------
    typer.BadParameter
        Saying why.
    """
    if path is None:
        return
    if path.is_dir():
        message = f"{path} is a folder, a file is needed"
        raise typer.BadParameter(message)
    if not path.parent.is_dir():
        message = f"there is no folder {path.parent}"
        raise typer.BadParameter(message)


def check_picture(path: Path | None) -> None:
    """Refuse what cannot become a picture, too; raises as ``check_file``."""
    check_file(path)
    kinds = FigureCanvasBase.get_supported_filetypes()
    if path is not None and path.suffix and path.suffix[1:].lower() not in kinds:
        message = f"{path} names no kind of picture; .png is one"
        raise typer.BadParameter(message)


def write(path: Path | None, work: Callable[[Path], object]) -> None:
    """Write a file if it was asked for, or say why it cannot be written."""
    if path is None:
        return
    try:
        work(path)
    except OSError as error:
        fail(f"{path}: {error.strerror}")


def write_json(path: Path | None, document: object) -> None:
    """Write a document, to be read by people, too; fails as ``write``."""
    content = msgspec.json.format(msgspec.json.encode(document))
    write(path, lambda path: path.write_bytes(content))
