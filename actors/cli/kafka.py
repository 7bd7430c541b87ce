"""``recsys kafka``: the topics, and where to go on in them after a gap."""

import asyncio
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from actors.cli.problems import fail, read_settings
from actors.cli.serve import DataDirOption
from actors.errors import StartupError
from actors.kafka.admin import create_topics, wanted
from actors.kafka.base import KafkaUnreachable, Partition, Topic
from actors.kafka.clients import describe_topics
from actors.kafka.positions import EARLIEST, LATEST, mark_name
from actors.kafka.topics import TopicsMissing, TopicsUnfit, check_topics, names
from actors.layout import DataFolder, shard_folder
from actors.overrides import override
from actors.settings import ServerSettings
from recsys.errors import RecsysError
from recsys.store.sqlite import SqliteStore

__all__ = ["kafka", "reset_offsets", "topics"]

kafka = typer.Typer(help="Kafka's topics and offsets.", no_args_is_help=True)

ConfigOption = Annotated[
    Path | None, typer.Option(help="The server's settings in YAML; without it, the defaults.")
]


@kafka.command()
def topics(
    config: ConfigOption = None,
    create: Annotated[bool, typer.Option("--create", help="Make those that are missing.")] = False,
    replication: Annotated[
        int, typer.Option(min=-1, help="Brokers that keep each; -1: the cluster's default.")
    ] = -1,
) -> None:
    """Show the topics that the settings name, and whether they fit."""
    settings = read_settings(config)
    out = Console(soft_wrap=True, highlight=False, markup=False)
    try:
        if create:
            for name in asyncio.run(create_topics(settings, replication=replication)):
                out.print(f"made {name}")
        found = asyncio.run(describe_topics(settings.kafka, names(settings)))
    except (RecsysError, KafkaUnreachable) as error:
        fail(str(error))
    out.print(_table(settings, found))
    try:
        check_topics(settings, found)
    except (TopicsMissing, TopicsUnfit) as error:
        fail(str(error))


def _table(settings: ServerSettings, found: dict[str, Topic]) -> Table:
    table = Table()
    for name in ("topic", "partitions", "made as"):
        table.add_column(name)
    for name, (partitions, configs) in wanted(settings).items():
        there = str(found[name].partitions) if name in found else "missing"
        extra = "".join(f", {key}={value}" for key, value in configs.items())
        table.add_row(name, there, f"{partitions} partitions{extra}")
    return table


@kafka.command()
def reset_offsets(
    topic: Annotated[str, typer.Argument(help="Name of the topic.")],
    to: Annotated[str, typer.Option(help="earliest, latest, or an offset.")],
    partition: Annotated[
        list[int] | None, typer.Option(min=0, help="Only this one; may be given repeatedly.")
    ] = None,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Say where a stopped server goes on in a topic: what lies before it is never read.

    For partitions that report a data_gap. Events that were learned already and are read again are
    recognised by their ids.
    """
    settings = override(read_settings(config), data_dir=data_dir)
    chosen = settings.kafka.topics
    if topic not in {chosen.feedback, chosen.catalogue}:
        fail(f"{topic} is not read; {chosen.feedback} and {chosen.catalogue} are")
    at = _offset(to)
    try:
        changed = _reset(settings, topic, partition, at)
    except RecsysError as error:
        fail(str(error))
    typer.echo(f"{topic}: {changed} positions set to {to}; they count from the next start on")


def _offset(to: str) -> int:
    words = {"earliest": EARLIEST, "latest": LATEST}
    if to in words:
        return words[to]
    if not to.isdecimal() or len(to) > 18:
        fail(f"--to must be earliest, latest or an offset, got {to}")
    return int(to)


def _reset(settings: ServerSettings, topic: str, numbers: list[int] | None, at: int) -> int:
    shards = settings.shards
    if not (shards.data_dir / "layout.json").exists():
        message = f"{shards.data_dir} holds no log; `recsys serve` makes one"
        raise StartupError(message)
    feedback = topic == settings.kafka.topics.feedback
    changed = 0
    folder = DataFolder(shards)
    try:
        for shard in range(shards.count):
            path = shard_folder(shards.data_dir, shard) / "log.sqlite"
            with closing(SqliteStore(path, log_events=settings.engine.store.log_events)) as store:
                known = _numbers(topic, store.positions()) if numbers is None else numbers
                own = [one for one in known if not feedback or one % shards.count == shard]
                positions = dict[str, int]()
                for number in own:
                    one = Partition(topic, number)
                    # Whatever topic has the name now, the operator means that one.
                    positions |= {one.name: at, mark_name(one): 0}
                store.append((), positions)
                changed += len(own)
    finally:
        folder.release()
    return changed


def _numbers(topic: str, positions: dict[str, int]) -> list[int]:
    """Return the partitions of a topic that were read."""
    found = list[int]()
    for name in positions:
        before, _, number = name.rpartition("-")
        if before == topic and number.isdecimal():
            found.append(int(number))
    return sorted(found)
