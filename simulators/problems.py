"""What can go wrong with a command, before its work where possible, and in a few words."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Final, NoReturn

import msgspec
import typer
from matplotlib.backend_bases import FigureCanvasBase
from rich.console import Console
from rich.text import Text

from recsys.client.key import VARIABLE, check_key
from recsys.errors import ApiError, InvalidDataset, InvalidSettings, Unreachable

__all__ = [
    "check_file",
    "check_picture",
    "fail",
    "one_line",
    "read_key",
    "write",
    "write_json",
]

_LONGEST_LINE: Final = 4096


def fail(message: str) -> NoReturn:
    """Say one thing on standard error and end the program."""
    Console(stderr=True).print(Text(f"clickstream: {message}"), soft_wrap=True)
    raise typer.Exit(1)


@contextmanager
def one_line(url: str) -> Iterator[None]:
    """End the program with one line for all that data, a key or a server can be blamed for."""
    try:
        yield
    except (InvalidDataset, InvalidSettings) as error:
        fail(str(error))
    except Unreachable as error:
        fail(f"{error}; is the server running? `recsys serve` starts one")
    except ApiError as error:
        keyless = error.status == HTTPStatus.UNAUTHORIZED
        cure = f"; --key-file or {VARIABLE} brings a key" if keyless else ""
        fail(f"{url}: {error}{cure}")


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


def read_key(path: Path | None) -> str | None:
    """Return the key on a file's first line, or say why there is none; ``None`` without a file."""
    if path is None:
        return None
    try:
        # Read as it comes: a pipe from a keeper of secrets is as good as a file.
        with path.open("rb") as file:
            line = file.readline(_LONGEST_LINE)
        return check_key(line.decode("ascii", "replace").strip(), str(path))
    except OSError as error:
        fail(f"{path}: {error.strerror}")
    except InvalidSettings as error:
        fail(str(error))


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
