"""How soon one click changes the same person's list: from its acknowledgement to a changed answer.

Somebody new asks for a list, clicks on one of its items, and from the acknowledgement on asks again
and again until the list has changed. What is measured ends with the last byte of the first changed
answer; the server takes no time between the two but what it needs.

Lists must not change by themselves, so the benchmark's own server explores nothing: its only arm is
``learner`` with the policy ``greedy``, and new items get no advance, which goes from what was just
shown to others. A clicked item leaves the list in any case, because it is consumed; ``reordered``
counts the lists in which more than that has changed. As a control, as many other people ask twice
without a click, in turn with the first and with the same pause in between. A few of their lists
change, too: that an item was shown and not clicked is counted, and decides between items that are
nearly equal. With ``--url``, name a greedy arm of that server with ``--arm``.
"""

import time
from collections.abc import Mapping, Sequence
from random import Random
from time import perf_counter
from typing import Annotated, Final

import typer

from benchmarks.changes import Change, ChangeSummary, Still, reordered, summary
from benchmarks.crowd import fill, items_of, warm_up
from benchmarks.report import JsonOption, SeedOption, UrlOption, check_writable, run, show, write
from benchmarks.server import server_at
from recsys.client import Client, NewFeedback, Recommended
from recsys.ids import new_id
from simulators.worlds import World, WorldSettings

__all__ = ["Subject", "main"]

_ENGINE: Final = {
    "candidates": {"fresh": {"weight": 0.0}},
    "arms": {"learner": {"share": 1.0, "policy": {"kind": "greedy"}}},
}
_UNCOUNTED: Final = 20
"""People before those who count."""
_MOST_ASKS: Final = 50
"""Then a list counts as unchanged."""


class Subject:
    """Asks, clicks and watches, one person after the other.

    Parameters
    ----------
    genres
        First genre by item id.
    arm
        ``None`` leaves it to the server.
    """

    def __init__(
        self, client: Client, genres: Mapping[str, int], rng: Random, *, arm: str | None, n: int
    ) -> None:
        self._client = client
        self._genres = genres
        self._rng = rng
        self._arm = arm
        self._n = n

    def click(self, user_id: str) -> Change:
        """Let somebody click once, and wait for the change."""
        shown = self._ask(user_id)
        before = _ids(shown)
        clicked = self._rng.choice(before)
        click = NewFeedback(
            type="click", user_id=user_id, item_id=clicked, decision_id=shown.decision_id
        )
        sent_s = perf_counter()
        accepted = self._client.send_events([click]).accepted
        acked_s = perf_counter()
        if accepted != 1:
            message = f"a click of {user_id} was not accepted"
            raise RuntimeError(message)
        after, asks, changed = before, 0, False
        while not changed and asks < _MOST_ASKS:
            after, asks = _ids(self._ask(user_id)), asks + 1
            changed = after != before
        answered_s = perf_counter()
        return Change(
            ack_ms=(acked_s - sent_s) * 1000.0,
            change_ms=(answered_s - acked_s) * 1000.0 if changed else None,
            asks=asks,
            reordered=reordered(before, after, clicked),
            newcomers=len(set(after) - set(before)),
            kin_before=self._kin(before, clicked),
            kin_after=self._kin(after, clicked),
        )

    def stay(self, user_id: str, pause_s: float) -> Still:
        """Let somebody ask twice without a click."""
        before = _ids(self._ask(user_id))
        time.sleep(pause_s)
        after = _ids(self._ask(user_id))
        return Still(after != before, len(set(after) - set(before)))

    def _ask(self, user_id: str) -> Recommended:
        return self._client.recommend(user_id, n=self._n, arm=self._arm)

    def _kin(self, items: Sequence[str], clicked: str) -> int:
        genre = self._genres.get(clicked)
        return sum(item != clicked and self._genres.get(item) == genre for item in items)


def _ids(shown: Recommended) -> list[str]:
    return [item.item_id for item in shown.items]


def _rows(result: ChangeSummary) -> dict[str, str]:
    clicks = result.clicks
    return {
        "acknowledgement to changed list": result.change_ms.text("ms"),
        "click to acknowledgement": result.ack_ms.text("ms"),
        "lists changed": f"{clicks - result.unchanged} of {clicks}",
        "by the very next answer": f"{result.one_ask} of {clicks}; at most {result.most_asks} asks",
        "beyond the clicked item leaving": f"{result.reordered} of {clicks}",
        "items new in a list": f"{result.newcomers:.2f} on average",
        "items with the clicked one's genre": (
            f"{result.kin_before:.2f} before, {result.kin_after:.2f} after"
        ),
        "control: changed without a click": (
            f"{result.still_changed} of {result.still}; "
            f"{result.still_newcomers:.2f} items new in a list"
        ),
    }


def main(
    *,
    url: UrlOption = None,
    arm: Annotated[str | None, typer.Option(help="Ask this arm; it must not explore.")] = None,
    people: Annotated[int, typer.Option(min=1, help="Who click once, each.")] = 200,
    clicks: Annotated[int, typer.Option(min=0, help="Clicks taught before.")] = 500,
    items: Annotated[int, typer.Option(min=30, help="Items of the catalogue.")] = 1000,
    n: Annotated[int, typer.Option(min=2, max=100, help="Items per list.")] = 10,
    seed: SeedOption = 1,
    json_file: JsonOption = None,
) -> None:
    """Measure how soon one click changes the same person's list."""
    check_writable(json_file)
    world = World(WorldSettings(seed=seed, n_items=items))
    # On a server that is not ours, somebody may have clicked under the same name before.
    prefix = f"new-{seed}" if url is None else new_id()
    with server_at(url, _ENGINE) as address, Client(address) as client:
        fill(client, items_of(world.catalogue))
        taught = warm_up(client, world, clicks)
        favourites = world.catalogue.genres.argmax(axis=1).tolist()
        genres = dict(zip(world.catalogue.ids, favourites, strict=True))
        subject = Subject(client, genres, Random(seed), arm=arm, n=n)
        changes, still = list[Change](), list[Still]()
        for number in range(_UNCOUNTED + people):
            change = subject.click(f"{prefix}-clicks-{number}")
            moved = subject.stay(f"{prefix}-stays-{number}", change.ack_ms / 1000.0)
            if number >= _UNCOUNTED:
                changes.append(change)
                still.append(moved)
    result = summary(changes, still)
    show(f"One click, {people} people, after {taught} clicks of others", _rows(result))
    parameters = {"people": people, "clicks": taught, "items": items, "n": n, "seed": seed}
    write(json_file, "first_change", parameters, result)
    if result.unchanged:
        raise typer.Exit(1)


if __name__ == "__main__":
    run(main)
