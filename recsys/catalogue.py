"""The items: ids, attributes, and the dense indices under which everything else knows them."""

from collections.abc import Iterable, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from recsys.arrays import Renewal, grown
from recsys.attribute_sets import ATTRIBUTE_COLUMNS, AttributeSets
from recsys.codec import pack, unpack
from recsys.events import Attributes
from recsys.ids import feature_hash
from recsys.settings import CatalogueSettings

__all__ = ["Catalogue", "Item"]


class Item(msgspec.Struct, kw_only=True):
    """One item.

    Attributes
    ----------
    ts_ms
        Time of the newest upsert or removal; older ones are ignored, so that shards which got two
        of them in different order agree.
    created_ms
        When the log first named it.
    tokens
        Indices of its attribute tokens.
    """

    item_id: str
    created_ms: int
    ts_ms: int = 0
    alive: bool = True
    attributes: Attributes = {}
    tokens: list[int] = []


class _State(msgspec.Struct):
    items: list[Item]
    tokens: list[str]
    refused: int
    refused_tokens: int


def tokenise(attributes: Attributes) -> list[str]:
    """Return ``name=value`` tokens, sorted; numbers are rounded to two digits."""
    tokens = set[str]()
    for name, value in attributes.items():
        if isinstance(value, list):
            tokens.update(f"{name}={entry}" for entry in value)
        elif isinstance(value, str | bool):
            tokens.add(f"{name}={value}")
        else:
            tokens.add(f"{name}={value:.2g}")
    return sorted(tokens)


class Catalogue:
    """Items in the order in which the log first named them; an index is never reused.

    Parameters
    ----------
    settings
        ``max_items`` bounds it; what does not fit is counted in ``refused``. Attribute tokens are
        kept for good, as others know them by their index; there are at most 16 per item of the
        bound, further ones are ignored and counted in ``refused_tokens``.
    """

    def __init__(self, settings: CatalogueSettings) -> None:
        self._settings = settings
        self._max_tokens = ATTRIBUTE_COLUMNS * settings.max_items
        self._clear()

    def _clear(self) -> None:
        Renewal.declare()
        self._items: list[Item] = []
        self._ids: list[str] = []
        self._index: dict[str, int] = {}
        self._tokens: list[str] = []
        self._token_index: dict[str, int] = {}
        self.token_hashes: list[int] = []
        self.refused = 0
        self.refused_tokens = 0
        self._alive = np.zeros(64, np.bool_)
        self._created_ms = np.zeros(64, np.int64)
        self._attributes = np.full((64, ATTRIBUTE_COLUMNS), -1, np.int32)
        self.sets = AttributeSets()

    def __len__(self) -> int:
        return len(self._items)

    def __getitem__(self, index: int) -> Item:
        return self._items[index]

    @property
    def n_tokens(self) -> int:
        """Number of distinct attribute tokens seen."""
        return len(self._tokens)

    @property
    def n_alive(self) -> int:
        """Number of items that may be recommended."""
        return int(self.alive.sum())

    @property
    def room(self) -> int:
        """How many new items are taken before the next one is refused."""
        return max(self._settings.max_items - len(self._items), 0)

    @property
    def alive(self) -> NDArray[np.bool_]:
        """Which items may be recommended, shape ``(n_items,)``."""
        return self._alive[: len(self._items)]

    @property
    def alive_table(self) -> NDArray[np.bool_]:
        """``alive`` with room for more items."""
        return self._alive

    @property
    def created_ms(self) -> NDArray[np.int64]:
        """When the log first named each item, shape ``(n_items,)``."""
        return self._created_ms[: len(self._items)]

    @property
    def attributes(self) -> NDArray[np.int32]:
        """Token indices of each item, then -1, shape ``(n_items, ATTRIBUTE_COLUMNS)``.

        Whole rows, so that the array has one layout for ever: code is compiled for a layout.
        """
        return self._attributes[: len(self._items)]

    @property
    def created_table(self) -> NDArray[np.int64]:
        """``created_ms``, with room for more items behind it: the same array until that is used."""
        return self._created_ms

    @property
    def attribute_table(self) -> NDArray[np.int32]:
        """``attributes``, likewise."""
        return self._attributes

    def token(self, index: int) -> str:
        """Return an attribute token such as ``genre=crime``."""
        return self._tokens[index]

    def token_index(self, token: str) -> int | None:
        """Return the index of an attribute token, adding it if there is room."""
        return next(iter(self._known_tokens([token])), None)

    def index(self, item_id: str) -> int | None:
        """Return the dense index of an item the log has named, removed ones included."""
        return self._index.get(item_id)

    def ids(self, indices: list[int]) -> list[str]:
        """Return the ids of items."""
        ids = self._ids
        return [ids[index] for index in indices]

    def known(self, item_ids: Iterable[str]) -> NDArray[np.int32]:
        """Return the indices of those of some items that the log has named."""
        found = map(self._index.get, item_ids)
        return np.array([index for index in found if index is not None], np.int32)

    def indices(self, item_ids: Sequence[str]) -> list[int]:
        """Return ``index`` of each of some items, -1 for one that the log has not named."""
        find = self._index.get
        return [find(item_id, -1) for item_id in item_ids]

    def mention(self, item_id: str, ts_ms: int) -> int | None:
        """Return the index of an item that feedback names, adding it if that is allowed."""
        index = self._index.get(item_id)
        if index is None and self._settings.auto_insert:
            index = self._add(item_id, ts_ms)
        return index

    def upsert(self, item_id: str, ts_ms: int, attributes: Attributes) -> int | None:
        """Set an item's attributes and bring it (back) into the catalogue; last writer wins.

        Returns
        -------
        Its index, or ``None`` when the event is older than what is known or the catalogue is full.
        """
        index = self._index.get(item_id)
        if index is None:
            index = self._add(item_id, ts_ms)
        if index is None or ts_ms < self._items[index].ts_ms:
            return None
        item = self._items[index]
        item.ts_ms = ts_ms
        item.attributes = attributes
        item.tokens = self._known_tokens(tokenise(attributes)[:ATTRIBUTE_COLUMNS])
        self._place(index)
        self._set_alive(index, alive=True)
        return index

    def remove(self, item_id: str, ts_ms: int) -> None:
        """Take an item out; it keeps its index and what was learned about it."""
        index = self._index.get(item_id)
        if index is None:
            index = self._add(item_id, ts_ms)
        if index is None or ts_ms < self._items[index].ts_ms:
            return
        self._items[index].ts_ms = ts_ms
        self._set_alive(index, alive=False)

    def _add(self, item_id: str, ts_ms: int) -> int | None:
        if not self.room:
            self.refused += 1
            return None
        self._append(Item(item_id=item_id, created_ms=ts_ms))
        return len(self._items) - 1

    def _append(self, item: Item) -> None:
        index = len(self._items)
        self._items.append(item)
        self._ids.append(item.item_id)
        self._index[item.item_id] = index
        self._alive = grown(self._alive, index + 1)
        self._created_ms = grown(self._created_ms, index + 1)
        self._attributes = grown(self._attributes, index + 1, fill=-1)
        self._alive[index] = item.alive
        self._created_ms[index] = item.created_ms
        self._place(index)

    def _set_alive(self, index: int, *, alive: bool) -> None:
        self._items[index].alive = alive
        self._alive[index] = alive

    def _place(self, index: int) -> None:
        tokens = self._items[index].tokens
        self._attributes[index] = -1
        self._attributes[index, : len(tokens)] = tokens
        self.sets.place(index, tokens)

    def _known_tokens(self, tokens: Sequence[str]) -> list[int]:
        indices = list[int]()
        for token in tokens:
            if token not in self._token_index:
                if len(self._tokens) >= self._max_tokens:
                    self.refused_tokens += 1
                    continue
                self._add_token(token)
            indices.append(self._token_index[token])
        return indices

    def _add_token(self, token: str) -> None:
        # What is kept by token has to make room.
        Renewal.declare()
        self._token_index[token] = len(self._tokens)
        self._tokens.append(token)
        self.token_hashes.append(feature_hash("attribute", token))

    def snapshot(self) -> bytes:
        """Return the whole catalogue as a record."""
        return pack(_State(self._items, self._tokens, self.refused, self.refused_tokens))

    def restore(self, record: bytes) -> None:
        """Replace the catalogue by one that ``snapshot`` returned.

        Raises
        ------
        CorruptRecord
            When the record is damaged.
        """
        state = unpack(record, _State)
        self._clear()
        for token in state.tokens:
            self._add_token(token)
        for item in state.items:
            self._append(item)
        self.refused = state.refused
        self.refused_tokens = state.refused_tokens
