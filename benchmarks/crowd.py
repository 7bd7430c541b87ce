"""Simulated people who teach a server something before it is measured."""

from collections.abc import Sequence
from typing import Final

from recsys.client import Client, Item, NewFeedback
from simulators.catalogue import Catalogue
from simulators.worlds import World

__all__ = ["fill", "items_of", "warm_up"]

_BATCH: Final = 500
_LISTS_PER_CLICK: Final = 20
"""A click takes about one list; who clicks that rarely will not click at all."""


def items_of(catalogue: Catalogue) -> list[Item]:
    """Return what the server may know of a catalogue."""
    return [Item(*pair) for pair in zip(catalogue.ids, catalogue.attributes, strict=True)]


def fill(client: Client, items: Sequence[Item]) -> None:
    """Put items, as many as there are."""
    for start in range(0, len(items), _BATCH):
        client.put_items(items[start : start + _BATCH])


def warm_up(client: Client, world: World, clicks: int) -> int:
    """Let the people of a world look and click, one after the other; return the clicks learned."""
    done = lists = 0
    for _, seat in world.arrivals():
        visit = world.visit(seat)
        for _ in range(visit.rounds):
            if done >= clicks or lists >= clicks * _LISTS_PER_CLICK:
                return done
            lists += 1
            shown = client.recommend(visit.person.user_id)
            events = [
                NewFeedback(
                    type="click",
                    user_id=visit.person.user_id,
                    item_id=click.item_id,
                    event_id=f"{shown.decision_id}:{click.rank}",
                    decision_id=shown.decision_id,
                )
                for click in world.look(visit.person, [item.item_id for item in shown.items])
            ]
            done += client.send_events(events).accepted
    return done
