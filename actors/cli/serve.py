"""``recsys serve``: the server, until Ctrl-C."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from actors.cli.problems import read_settings
from actors.cli.server import run_server, show_news
from actors.overrides import override

if TYPE_CHECKING:
    from actors.runtime import Runtime

__all__ = ["DataDirOption", "PortOption", "serve"]

PortOption = Annotated[
    int | None, typer.Option(min=1, max=65_535, help="Port of the API, instead of the file's.")
]
DataDirOption = Annotated[
    Path | None, typer.Option(help="Folder of the shards' state, instead of the file's.")
]


def serve(
    config: Annotated[
        Path | None, typer.Option(help="Settings in YAML; without it, the defaults.")
    ] = None,
    port: PortOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Run the server on this machine until Ctrl-C."""
    settings = override(read_settings(config), port=port, data_dir=data_dir)
    run_server(settings, _watch)


def _watch(runtime: "Runtime", console: Console) -> int:
    while True:
        show_news(runtime, console)
        time.sleep(1.0)
