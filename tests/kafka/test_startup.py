"""The commands for topics, and what a server looks at before it starts."""

import asyncio
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

from actors.cli.main import app
from actors.errors import StartupError
from actors.host.ports import free_port
from actors.kafka.startup import refuse_unfit_topics
from actors.settings import ServerSettings


def topics(settings: ServerSettings, folder: Path, *options: str) -> tuple[int, str]:
    path = folder / "server.yaml"
    path.write_bytes(msgspec.yaml.encode(settings.model_dump(mode="json")))
    done = CliRunner().invoke(app, ["kafka", "topics", "--config", str(path), *options])
    return done.exit_code, done.output


def test_topics_are_made_once_and_fit(settings: ServerSettings, tmp_path: Path) -> None:
    with pytest.raises(StartupError, match="make it with `recsys kafka topics --create`"):
        asyncio.run(refuse_unfit_topics(settings))
    status, said = topics(settings, tmp_path)
    assert (status, "missing" in said) == (1, True)
    status, said = topics(settings, tmp_path, "--create", "--replication", "1")
    assert (status, said.count("made ")) == (0, 4 + 1)  # the table has a column of that name
    assert "cleanup.policy=compact" in said
    status, said = topics(settings, tmp_path, "--create")
    assert (status, "made mine" in said) == (0, False)
    assert asyncio.run(refuse_unfit_topics(settings)) == ""

    more = settings.shards.model_copy(update={"partitions": 6})
    with pytest.raises(StartupError, match=r"has 4 partitions and shards\.partitions is 6"):
        asyncio.run(refuse_unfit_topics(settings.model_copy(update={"shards": more})))


def test_a_server_starts_while_no_broker_answers(settings: ServerSettings) -> None:
    nobody = f"127.0.0.1:{free_port()}"
    away = settings.kafka.model_copy(update={"bootstrap_servers": [nobody]})
    warning = asyncio.run(refuse_unfit_topics(settings.model_copy(update={"kafka": away})))
    assert warning == (
        "starting without Kafka, and trying again all the while: "
        f"{nobody} cannot be reached: nobody listens there"
    )


def test_too_many_replicas_are_refused_in_one_line(
    settings: ServerSettings, tmp_path: Path
) -> None:
    status, said = topics(settings, tmp_path, "--create", "--replication", "9")
    assert status == 1
    assert "could not be made" in said
    assert "Traceback" not in said
