"""The entry point of ``recsys``."""

import typer

from actors.cli.backup import backup, restore
from actors.cli.bench.command import bench
from actors.cli.demo import demo
from actors.cli.doctor import doctor
from actors.cli.kafka import kafka
from actors.cli.keys import keys
from actors.cli.quarantine import quarantine
from actors.cli.refit import refit
from actors.cli.reshard import reshard
from actors.cli.serve import serve
from actors.cli.train import train
from actors.cli.verify import verify

__all__ = ["app", "main"]

app = typer.Typer(
    help="A recommender server that learns from every click.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command()(serve)
app.command()(demo)
app.command()(train)
app.command()(refit)
app.command()(backup)
app.command()(restore)
app.command()(verify)
app.command()(doctor)
app.command()(reshard)
app.command()(quarantine)
app.add_typer(bench, name="bench")
app.add_typer(kafka, name="kafka")
app.add_typer(keys, name="keys")


def main() -> None:
    """Run the command line."""
    app()


if __name__ == "__main__":
    main()
