"""``recsys keys``: who may call the API."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from actors.auth.key_file import changing_keys, keys_path, read_keys
from actors.auth.keys import SCOPES, Key, KeyRefused, make_key
from actors.cli.problems import fail, read_settings
from actors.cli.serve import DataDirOption
from actors.errors import RuntimeFault
from actors.overrides import override
from recsys.clock import now_ms

__all__ = ["keys"]

keys = typer.Typer(
    help="The API's keys; a running server knows of a change within a second.",
    no_args_is_help=True,
)

_DAY_MS = 86_400_000

ConfigOption = Annotated[
    Path | None, typer.Option(help="The server's settings in YAML; without it, the defaults.")
]
NameArgument = Annotated[str, typer.Argument(help="By which logs name the caller.")]


@keys.command()
def new(
    name: NameArgument,
    scope: Annotated[
        list[str],
        typer.Option(help=f"What it is good for, with commas: {', '.join(SCOPES)} (everything)."),
    ],
    days: Annotated[int, typer.Option(min=0, max=36_500, help="Until it expires; 0: never.")] = 0,
    requests_per_s: Annotated[float, typer.Option(min=0, help="At most; 0: any number.")] = 0.0,
    events_per_s: Annotated[float, typer.Option(min=0, help="At most; 0: any number.")] = 0.0,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Make a key and print it; it is not kept, and cannot be shown again."""
    path = _path(config, data_dir)
    made_ms = now_ms()
    try:
        with changing_keys(path) as known:
            if name in known:
                message = f"there is a key {name} already; `recsys keys revoke {name}` ends it"
                raise KeyRefused(message)
            text, known[name] = make_key(
                name,
                [one for several in scope for one in several.split(",")],
                made_ms,
                expires_ms=made_ms + days * _DAY_MS if days else 0,
                requests_per_s=requests_per_s,
                events_per_s=events_per_s,
            )
    except RuntimeFault as error:
        fail(str(error))
    typer.echo(text)


@keys.command()
def revoke(name: NameArgument, config: ConfigOption = None, data_dir: DataDirOption = None) -> None:
    """End a key; what it has begun goes on to its end."""
    path = _path(config, data_dir)
    try:
        with changing_keys(path) as known:
            if known.pop(name, None) is None:
                message = f"there is no key {name} in {path}"
                raise KeyRefused(message)
    except RuntimeFault as error:
        fail(str(error))
    typer.echo(f"{name} opens nothing any more")


@keys.command("list")
def show(config: ConfigOption = None, data_dir: DataDirOption = None) -> None:
    """Show the keys' names, what each is good for, and until when."""
    path = _path(config, data_dir)
    try:
        found = read_keys(path)
    except FileNotFoundError:
        fail(f"{path}: there are no keys yet; `recsys keys new` makes one")
    except RuntimeFault as error:
        fail(str(error))
    table = Table("name", "scopes", "made", "expires", "requests/s", "events/s")
    now = now_ms()
    for key in found:
        table.add_row(
            key.name,
            ", ".join(key.scopes),
            _day(key.made_ms),
            _expiry(key, now),
            *(f"{cap:g}" if cap else "any" for cap in (key.requests_per_s, key.events_per_s)),
        )
    Console(soft_wrap=True, highlight=False, markup=False).print(table)


def _path(config: Path | None, data_dir: Path | None) -> Path:
    settings = override(read_settings(config), data_dir=data_dir)
    return keys_path(settings.http.auth.keys, settings.shards.data_dir)


def _day(ms: int) -> str:
    return f"{datetime.fromtimestamp(ms / 1000, UTC):%Y-%m-%d}"


def _expiry(key: Key, now: int) -> str:
    if not key.expires_ms:
        return "never"
    return f"{_day(key.expires_ms)}{' (over)' if key.expired(now) else ''}"
