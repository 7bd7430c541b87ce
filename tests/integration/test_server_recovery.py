"""What the server survives: each of its processes killed, under load."""

import threading
from dataclasses import dataclass, field

import httpx2
import pytest

from recsys.client import Client
from recsys.ids import new_id
from tests.integration.cluster import Cluster, wait_until

PEOPLE = [f"reader-{number}" for number in range(16)]


@dataclass
class Writer:
    """Posts clicks one by one, each again with the same id until it is acknowledged.

    Attributes
    ----------
    acknowledged
        Ids that the server said it holds.
    attempts
        Posts, repeats included.
    """

    url: str
    acknowledged: list[str] = field(default_factory=list)
    attempts: int = 0
    _stop: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> "Writer":
        self._thread = threading.Thread(target=self._write)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(timeout=60)
        assert not self._thread.is_alive()

    def _write(self) -> None:
        with httpx2.Client(base_url=self.url, timeout=10) as http:
            while not self._stop.is_set():
                number = len(self.acknowledged)
                event = {
                    "event_id": new_id(),
                    "type": "click",
                    "user_id": PEOPLE[number % len(PEOPLE)],
                    "item_id": f"book-{number % 50}",
                }
                while not self._post(http, event):
                    self._stop.wait(0.05)
                self.acknowledged.append(event["event_id"])

    def _post(self, http: httpx2.Client, event: dict[str, str]) -> bool:
        self.attempts += 1
        try:
            answer = http.post("/v1/events", json=[event])
        except httpx2.TransportError:
            return False
        assert answer.status_code in {202, 207, 500, 503}, answer.text
        return answer.status_code == 202

    def wait_for(self, more: int) -> None:
        """Wait until so many more events are acknowledged."""
        goal = len(self.acknowledged) + more
        wait_until(f"{more} more events are in", lambda: len(self.acknowledged) >= goal)


def learned(client: Client) -> int:
    """Return how often the shards have learned from a click."""
    return sum(shard.engine.feedback.get("click", 0) for shard in client.stats().shards)


def clicks_of_people(client: Client) -> int:
    people = [client.user(person) for person in PEOPLE]
    return sum(person.events for person in people if person is not None)


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
        for index in (0, 1, 0):
            writer.wait_for(30)
            pid = cluster.shard_pid(index)
            cluster.kill_process(pid)
            assert cluster.wait_until_ready() < 30
            assert cluster.shard_pid(index) != pid
        writer.wait_for(30)
    assert writer.attempts > len(writer.acknowledged), "nothing was hurt"
    check(writer, client, *before)
    wait_until("the map knows", lambda: cluster.epoch() == epoch + 3)
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
