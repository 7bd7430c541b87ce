"""All that a shard knows of items, for one that has missed too much to learn it lesson by lesson.

What a base does not hold: people and what is theirs, the ranker (the next average brings it), and
counts by context, whose places follow from a shard's own numbers: those stay as they were. Tastes
are kept as well, for each shard says of its own what they add up to since its log began. All else
that a shard knew gives way, and comes back only where the other one had learned it, or where its
own people taught it and its ledger still says so. So no base is for a shard that knows what it
never told (``Ledger.untold``), nor for one of whose lessons the other missed some. Who knows what
it never told may give a base: one shard more then knows it.
"""

import zlib
from collections.abc import Iterator
from typing import Final

import msgspec
import numpy as np

from recsys.candidates.base import Sizes, Source
from recsys.codec import pack, unpack
from recsys.errors import CorruptRecord, IncompatibleState
from recsys.mixing.cut import lessons_of
from recsys.mixing.lessons import Lessons, TasteSums
from recsys.mixing.tastes import less, own_tastes, plus
from recsys.state import State

__all__ = ["Base", "make_base", "rebase"]

_PART: Final = 4 << 20
_LARGEST: Final = 1 << 30
_LEVEL: Final = 1


class Base(msgspec.Struct):
    """What a shard knows.

    Attributes
    ----------
    sequence, vector
        Up to where it knows its own log, and those of others.
    tastes
        By shard, its own included.
    items, tokens
        Ids and attribute tokens in the order of its numbers.
    created_ms
        When its log first named each item.
    parts
        Records of its components, by name.
    missed
        Of whom it has not learned all that its vector says; see ``recsys.mixing.ledger.Ledger``.
    """

    sequence: int
    vector: dict[str, int]
    tastes: dict[str, TasteSums]
    items: list[str]
    created_ms: list[int]
    tokens: list[str]
    parts: dict[str, bytes]
    missed: dict[str, int] = {}


def make_base(state: State) -> list[bytes]:
    """Return what a shard knows of items, in parts of which each fits into an event."""
    ledger, catalogue = state.ledger, state.catalogue
    base = Base(
        state.counters.sequence,
        ledger.vector,
        {**ledger.tastes, ledger.shard: own_tastes(state)},
        [catalogue[item].item_id for item in range(len(catalogue))],
        catalogue.created_ms.tolist(),
        [catalogue.token(token) for token in range(catalogue.n_tokens)],
        {
            "counts": state.counts.snapshot(),
            "habits": state.habits.snapshot(),
            "windows.items": state.windows.items.snapshot(),
            "windows.attributes": state.windows.attributes.snapshot(),
            **{name: source.snapshot() for name, source in _shared(state)},
        },
        ledger.missed,
    )
    record = zlib.compress(pack(base), _LEVEL)
    return [record[at : at + _PART] for at in range(0, len(record), _PART)]


def _shared(state: State) -> Iterator[tuple[str, Source]]:
    # Who cannot be renumbered goes on with what it knows itself.
    for source in state.sources:
        if type(source).renumber is not Source.renumber:
            yield f"source.{type(source).__name__.lower()}", source


def rebase(state: State, shard: str, record: bytes) -> Lessons:
    """Replace what is known of items by what another shard knows.

    Returns
    -------
    What that one has not learned of this shard yet, to be learned again.

    Raises
    ------
    CorruptRecord
        When the record is damaged.
    IncompatibleState
        When it was made under other settings, has items for which there is no room, or lacks some
        of what this shard has seen. Nothing that is shared has changed then.
    """
    base = _open(record)
    ledger, catalogue = state.ledger, state.catalogue
    if ledger.shard in base.missed or "" in base.missed:
        message = "the base may lack some of what this shard has seen, although it says otherwise"
        raise IncompatibleState(message)
    places = [
        catalogue.mention(item_id, ts_ms)
        for item_id, ts_ms in zip(base.items, base.created_ms, strict=True)
    ]
    tokens = [catalogue.token_index(token) for token in base.tokens]
    state.grow()
    found = [place for place in places if place is not None]
    told = [token for token in tokens if token is not None]
    if len(found) < len(places) or len(told) < len(tokens):
        message = f"the base has {len(places)} items, the catalogue has no room for some of them"
        raise IncompatibleState(message)
    if missing := {name for name, _ in _shared(state)} ^ {
        name for name in base.parts if name.startswith("source.")
    }:
        message = f"the base was made with other sources: {sorted(missing)}"
        raise IncompatibleState(message)
    own = own_tastes(state)
    of_others = {name: sums for name, sums in base.tastes.items() if name != ledger.shard}
    _replace(state, base, np.array(found, np.int64), np.array(told, np.int64))
    total = own
    for sums in of_others.values():
        total = plus(total, sums)
    state.personal_bandit.priors.add(less(total, state.personal_bandit.priors.sums()))
    known = base.vector.get(ledger.shard, 0)
    ledger.tastes = of_others
    ledger.missed = base.missed
    ledger.vector = {
        name: sequence for name, sequence in base.vector.items() if name != ledger.shard
    } | {shard: base.sequence}
    return lessons_of(state, known, state.counters.sequence)


def _replace(
    state: State,
    base: Base,
    items: np.ndarray[tuple[int], np.dtype[np.int64]],
    tokens: np.ndarray[tuple[int], np.dtype[np.int64]],
) -> None:
    n = Sizes(len(state.catalogue), state.catalogue.n_tokens)
    state.counts.restore(base.parts["counts"])
    state.counts.renumber(items, n.items)
    state.habits.restore(base.parts["habits"])
    state.habits.renumber(items, n.items)
    state.windows.items.restore(base.parts["windows.items"])
    state.windows.items.renumber(items, n.items)
    state.windows.attributes.restore(base.parts["windows.attributes"])
    state.windows.attributes.renumber(tokens, n.tokens)
    for name, source in _shared(state):
        source.restore(base.parts[name])
        source.renumber(items, tokens, n)


def _open(record: bytes) -> Base:
    inflate = zlib.decompressobj()
    try:
        payload = inflate.decompress(record, _LARGEST)
    except zlib.error as error:
        detail = f"a base cannot be unpacked: {error}"
        raise CorruptRecord(detail) from error
    if not inflate.eof:
        detail = f"a base is cut off, or longer than {_LARGEST} bytes"
        raise CorruptRecord(detail)
    return unpack(payload, Base)
