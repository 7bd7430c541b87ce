"""What the server survives: each of its processes killed, under load."""

import pytest

from actors.host.head import Head
from recsys.client import Client
from tests.integration.cluster import Cluster, wait_until
from tests.integration.writer import Writer, clicks_of_people, learned


@pytest.fixture
def writer(cluster: Cluster, client: Client) -> Writer:
    cluster.wait_until_ready()
    return Writer(cluster.url)


def check(writer: Writer, client: Client, learned_before: int, people_before: int) -> None:
    """Every acknowledged event was learned once."""
    assert learned(client) - learned_before == len(writer.acknowledged)
    assert clicks_of_people(client) - people_before == len(writer.acknowledged)


def test_a_killed_shard_comes_back_with_every_event_once(
    cluster: Cluster, client: Client, writer: Writer
) -> None:
    before = learned(client), clicks_of_people(client)
    epoch = cluster.epoch()
    with writer:
        for index in (0, 1):
            writer.wait_for(30)
            pid = cluster.shard_pid(index)
            cluster.kill_process(pid)
            assert cluster.wait_until_ready() < 30
            assert cluster.shard_pid(index) != pid
        writer.wait_for(30)
    assert writer.attempts > len(writer.acknowledged), "nothing was hurt"
    check(writer, client, *before)
    wait_until("the map knows", lambda: cluster.epoch() == epoch + 2)
    assert any("shard 1 is back" in notice for notice in cluster.notices())


def test_a_shard_that_was_ended_for_good_is_opened_anew(
    cluster: Cluster, client: Client, writer: Writer
) -> None:
    before = learned(client), clicks_of_people(client)
    with writer:
        writer.wait_for(30)
        cluster.end_for_good(1)
        writer.wait_for(60)
    assert writer.attempts > len(writer.acknowledged), "nothing was hurt"
    cluster.wait_until_ready()
    check(writer, client, *before)
    assert any("shard 1 has ended" in notice for notice in cluster.notices())


def test_a_killed_gateway_is_replaced(cluster: Cluster, client: Client, writer: Writer) -> None:
    before = learned(client), clicks_of_people(client)
    victims = cluster.processes("ray::ServeReplica")
    with writer:
        writer.wait_for(30)
        cluster.kill_processes("ray::ServeReplica")
        # Maybe nobody hears of it: HAProxy can hold a request until there is another.
        writer.wait_for(30)
    cluster.wait_until_ready()
    others = cluster.processes("ray::ServeReplica")
    assert others
    assert not set(others) & set(victims)
    check(writer, client, *before)


def test_a_killed_supervisor_takes_up_its_watch_again(cluster: Cluster, writer: Writer) -> None:
    pids = [cluster.shard_pid(0), cluster.shard_pid(1)]
    cluster.kill_processes("ray::SupervisorActor")
    wait_until("there is a supervisor", lambda: bool(cluster.processes("ray::SupervisorActor")))
    assert [cluster.shard_pid(0), cluster.shard_pid(1)] == pids, "shards need no supervisor"
    cluster.end_for_good(0)
    with writer:
        writer.wait_for(60)
    cluster.wait_until_ready()
    assert cluster.shard_pid(0) != pids[0]


def test_the_head_is_known(cluster: Cluster) -> None:
    """What a server without it does is shown elsewhere: this one has to live on."""
    head = Head(cluster.folder)
    assert head.names == {"gcs_server", "raylet"}
    assert head.missing() == ""
