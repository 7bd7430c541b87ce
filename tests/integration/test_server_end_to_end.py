"""A person through the whole server: HAProxy, gateway, shards."""

import time

import httpx2
import pytest

from recsys.client import Client, Item, NewFeedback
from tests.integration.cluster import Cluster


@pytest.fixture(scope="module", autouse=True)
def items(cluster: Cluster) -> None:
    with Client(cluster.url) as client:
        client.put_items(
            [
                Item(f"film-{number}", {"genre": "noir" if number % 2 else "musical"})
                for number in range(40)
            ]
        )


def feedback(user: str, item: str, decision_id: str | None = None) -> NewFeedback:
    return NewFeedback(type="click", user_id=user, item_id=item, decision_id=decision_id)


def is_noir(item_id: str) -> bool:
    return int(item_id.removeprefix("film-")) % 2 == 1


def one_after_the_other(client: Client, user: str, lists: int, n: int) -> list[str]:
    """Ask for lists, each when the one before was learned; return what they show."""
    items = list[str]()
    for _ in range(lists):
        before = client.user(user)
        items += [item.item_id for item in client.recommend(user, n=n).items]
        # A decision waits a moment for company before it is written, and then learned.
        give_up = time.monotonic() + 20.0
        while client.user(user) == before:
            assert time.monotonic() < give_up, "the list is not learned"
    return items


def test_clicks_change_what_is_known_and_shown(client: Client) -> None:
    first = client.recommend("ann", n=20)
    assert all(0 < item.propensity <= 1 for item in first.items)
    liked = [item.item_id for item in first.items if is_noir(item.item_id)]
    assert 0 < len(liked) < 20
    sent = client.send_events([feedback("ann", item, first.decision_id) for item in liked])
    assert sent.accepted == len(liked)

    person = client.user("ann")
    assert person is not None
    assert (person.shown, person.clicks) == (20, len(liked))
    assert {item.item_id for item in person.recent} == set(liked)
    assert [taste.attribute for taste in person.tastes if taste.mean > 0] == ["genre=noir"]
    shown = one_after_the_other(client, "ann", 5, 8)
    assert not set(shown) & set(liked), "what was clicked is shown again"
    left = 20 - len(liked)
    assert sum(map(is_noir, shown)) / len(shown) > 1.3 * left / (left + 20), "noir is not preferred"


def test_a_click_on_what_was_shown_is_joined_to_its_decision(client: Client) -> None:
    shown = client.recommend("bob", n=5)
    item = shown.items[0].item_id
    event = feedback("bob", item, shown.decision_id)
    assert client.send_events([event]).accepted == 1
    assert client.send_events([event]).duplicates == 1
    decision = client.decision(shown.decision_id)
    assert decision is not None
    assert [slot.item_id for slot in decision.slots] == [one.item_id for one in shown.items]
    person = client.user("bob")
    assert person is not None
    assert (person.shown, person.clicks, person.events) == (5, 1, 1)


def test_everybody_lives_on_one_shard_and_items_on_all(client: Client) -> None:
    people = [f"person-{number}" for number in range(20)]
    sent = client.send_events([feedback(person, "film-1") for person in people])
    assert sent.accepted == 20
    stats = client.stats()
    assert [shard.engine.items for shard in stats.shards] == [40, 40]
    assert {result.shard for result in sent.results} == {0, 1}
    assert all(client.user(person) is not None for person in people)


@pytest.mark.last  # the logs of the session's server no longer fold to its state
def test_a_person_is_erased(client: Client) -> None:
    shown = client.recommend("eve", n=5)
    click = feedback("eve", shown.items[0].item_id, shown.decision_id)
    assert client.send_events([click]).accepted == 1
    receipt = client.erase_user("eve").receipt
    assert client.user("eve") is None
    ends = time.monotonic() + 30
    found = client.erasure(receipt)
    while found is not None and found.status == "pending" and time.monotonic() < ends:
        time.sleep(0.1)
        found = client.erasure(receipt)
    assert found is not None
    assert (found.status, found.removed_events) == ("done", 4), (
        "three of theirs, and an erasure on the other shard"
    )
    assert client.decision(shown.decision_id) is None
    assert client.send_events([click]).duplicates == 1
    assert client.user("eve") is None


def test_the_pages_and_the_stream_come_through_haproxy(cluster: Cluster) -> None:
    assert cluster.processes("haproxy")
    for path in ("/console", "/docs", "/openapi.json"):
        assert httpx2.get(f"{cluster.url}{path}").status_code == 200
    with httpx2.stream("GET", f"{cluster.url}/v1/stream", timeout=10) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        lines = answer.iter_lines()
        assert "event: tick" in (next(lines) for _ in range(10))


def test_the_request_id_comes_back_once(cluster: Cluster) -> None:
    headers = {"X-Request-ID": "mine-1"}
    for path, status in (("/livez", 200), ("/nowhere", 404)):
        answer = httpx2.get(f"{cluster.url}{path}", headers=headers)
        assert answer.status_code == status
        assert answer.headers.get_list("x-request-id") == ["mine-1"]


def test_a_question_without_sense_is_a_problem_document(cluster: Cluster) -> None:
    answer = httpx2.post(f"{cluster.url}/v1/recommend", json={"user_id": "ann", "n": 0})
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["errors"][0]["pointer"] == "/n"


@pytest.mark.parametrize("given", ["trace-7", "x" * 129, "", "caf\u00e9"])
def test_an_answer_has_one_request_id(cluster: Cluster, given: str) -> None:
    headers = {b"x-request-id": given.encode("latin-1")}
    answer = httpx2.get(f"{cluster.url}/nothing", headers=headers)
    assert answer.status_code == 404
    (echoed,) = answer.headers.get_list("x-request-id")
    assert answer.json()["instance"] == echoed
    assert (echoed == given) == (given == "trace-7")


def test_nobody_but_the_server_sets_deadlines(cluster: Cluster) -> None:
    headers = {b"x-request-timeout-seconds": b"0.000001", b"x-session-id": b"caf\xe9"}
    for _ in range(5):
        answer = httpx2.post(
            f"{cluster.url}/v1/recommend", json={"user_id": "ann"}, headers=headers
        )
        assert answer.status_code == 200


def test_paths_arrive_as_they_were_sent(cluster: Cluster) -> None:
    for path in ("%FF", "a%0A"):
        answer = httpx2.get(f"{cluster.url}/v1/users/{path}")
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["pointer"] == "/path/user_id"
    assert httpx2.head(f"{cluster.url}/livez").status_code == 200
    assert httpx2.options(f"{cluster.url}/v1/items/i").headers["allow"] == "DELETE, OPTIONS, PUT"
