"""Somebody who clicks without a pause, whatever happens to the server, and counts."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import httpx2

from recsys.client import Client
from recsys.ids import new_id
from tests.integration.cluster import wait_until

__all__ = ["PEOPLE", "Writer", "clicks_of_people", "learned"]

PEOPLE: Final = tuple(f"reader-{number}" for number in range(16))


@dataclass
class Writer:
    """Posts clicks one by one, each again with the same id until it is acknowledged.

    Attributes
    ----------
    acknowledged
        Ids that the server said it holds.
    attempts
        Posts, repeats included.
    people
        Whose clicks they are.
    """

    url: str
    people: Sequence[str] = PEOPLE
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
                    "user_id": self.people[number % len(self.people)],
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
    """Return how many clicks the shards know of all whom any writer may have written for."""
    people = [client.user(person) for person in PEOPLE]
    return sum(person.events for person in people if person is not None)
