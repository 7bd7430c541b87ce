"""A catalogue for a server that is measured."""

from collections.abc import Sequence
from typing import Final

from recsys.client import Client, Item
from simulators.catalogue import Catalogue

__all__ = ["fill", "items_of"]

_BATCH: Final = 500


def items_of(catalogue: Catalogue) -> list[Item]:
    """Return what the server may know of a catalogue."""
    return [Item(*pair) for pair in zip(catalogue.ids, catalogue.attributes, strict=True)]


def fill(client: Client, items: Sequence[Item]) -> None:
    """Put items, as many as there are."""
    for start in range(0, len(items), _BATCH):
        client.put_items(items[start : start + _BATCH])
