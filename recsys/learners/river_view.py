"""Asks a model that learns from being asked, without its noticing.

Those of ``river.reco`` keep their weights in tables that make an entry for whoever is looked up,
and draw lots for it. Asked through a view, they find the weights that were learned; what they make
for a stranger stays in the view and goes with it. The lots are those that the model itself would
have drawn, so that its answers are River's own.
"""

import copy
from collections import defaultdict
from typing import TypeVar

from river import base

__all__ = ["view"]

T = TypeVar("T")


class _Glass(dict[object, object]):
    """A table seen through glass: what is read is the table's, what is made stays here.

    Only looking up by key is the table's; whoever counts or goes through the keys sees what was
    made. River's rankers do nothing else when asked, and ``RiverKind`` holds them to it.
    """

    def __init__(self, table: defaultdict[object, object], copies: dict[int, object]) -> None:
        super().__init__()
        self._table = table
        self._copies = copies

    def __missing__(self, key: object) -> object:
        if key in self._table:
            return self._table[key]
        # Tables may share a generator; ``copies`` lets their copies share one, too.
        made = copy.deepcopy(self._table.default_factory, self._copies)
        if made is None:
            raise KeyError(key)
        self[key] = made()
        return self[key]


def view(model: T) -> T:
    """Return something that answers as the model would, and that leaves the model as it is.

    It is good until the model learns again. Where it answers for a stranger, it answers the same
    for the same stranger, and as the model would if it were asked the same questions in order.
    """
    return _view(model, {})


def _view(part: T, copies: dict[int, object]) -> T:
    seen = copy.copy(part)
    for name, value in vars(part).items():
        if isinstance(value, defaultdict):
            vars(seen)[name] = _Glass(value, copies)
        elif isinstance(value, base.Base):
            vars(seen)[name] = _view(value, copies)
    return seen
