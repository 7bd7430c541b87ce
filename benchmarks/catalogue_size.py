"""What a request costs as the catalogue grows, and which source it goes to.

Items with two of thirty genres, a decade and one of many makers, so that most of them have a set of
attributes of their own: the dearest case for what judges by attributes. ``PEOPLE`` have clicked
``CLICKS`` times in all on items whose popularity is Zipf-like; then everybody is asked for lists of
ten, in one process and without a server, first as it is by default up to 100,000 items and then
with an index of the factors. Processor time, medians.
"""

from collections.abc import Sequence
from statistics import median
from time import process_time
from typing import Final

import msgspec
import numpy as np

from recsys.candidates.base import Asker
from recsys.candidates.factors import Factors
from recsys.candidates.nearest import Index
from recsys.choices import eligible
from recsys.decision import Request
from recsys.engine import Engine
from recsys.events import Feedback, ItemUpsert
from recsys.settings import EngineSettings

__all__ = ["Cost", "catalogue_cost"]

PEOPLE: Final = 300
CLICKS: Final = 6000
ASKED: Final = 200
_GENRES: Final = 30
_ITEMS_PER_MAKER: Final = 50
_ZIPF: Final = 1.3
_BATCH: Final = 1000
_START_MS: Final = 10_000_000


class Cost(msgspec.Struct, frozen=True):
    """Medians in microseconds.

    Attributes
    ----------
    request
        The whole answer.
    proposing
        Of it each source's search, by the source's name.
    indexed_request, indexed_factors
        A request, and the factors' search, with an index of their vectors.
    found
        Share of what the factors propose that they also propose with the index.
    indexing_s
        Seconds that it takes to make the index.
    """

    items: int
    request: float
    proposing: dict[str, float]
    indexed_request: float
    indexed_factors: float
    found: float
    indexing_s: float


def catalogue_cost(n_items: int, seed: int, *, clicks: int = CLICKS, asked: int = ASKED) -> Cost:
    """Measure one catalogue."""
    room = EngineSettings.model_validate(
        {"catalogue": {"max_items": n_items}, "candidates": {"factors": {"exact_up_to": 0}}}
    )
    engine = Engine.open(None, room)
    for first in range(0, n_items, _BATCH):
        some = range(first, min(first + _BATCH, n_items))
        engine.apply([_item(number, n_items) for number in some])
    liked = np.random.default_rng(seed).zipf(_ZIPF, clicks) % n_items
    engine.apply([_click(number, item) for number, item in enumerate(liked.tolist())])
    now_ms = _START_MS + 1000 * clicks
    requests = [
        Request(user_id=f"u{number % PEOPLE}", ts_ms=now_ms, decision_id=f"d{number}", n=10)
        for number in range(asked)
    ]
    request_us, by_source, proposed = _asked(engine, requests)
    before = process_time()
    vectors = engine.to_index()
    if vectors is None:
        raise RuntimeError("no index is due")
    engine.indexed(Index(vectors))
    indexing_s = process_time() - before
    indexed_us, indexed_by_source, found = _asked(engine, requests)
    engine.close()
    return Cost(
        n_items,
        request_us,
        by_source,
        indexed_us,
        indexed_by_source["factors"],
        sum(len(one & other) for one, other in zip(found, proposed, strict=True))
        / sum(len(other) for other in proposed),
        indexing_s,
    )


def _asked(
    engine: Engine, requests: Sequence[Request]
) -> tuple[float, dict[str, float], list[set[int]]]:
    """Return the microseconds of a request and of each source, and what the factors proposed."""
    spent = list[float]()
    for request in requests:
        before = process_time()
        engine.recommend(request)
        spent.append(process_time() - before)
    searches = [_search(engine, request) for request in requests]
    names = searches[0][0]
    by_source = {name: 1e6 * median(one[name] for one, _ in searches) for name in names}
    return 1e6 * median(spent), by_source, [proposed for _, proposed in searches]


def _search(engine: Engine, request: Request) -> tuple[dict[str, float], set[int]]:
    """Return the seconds that each source takes to propose, and what the factors propose."""
    state = engine.state
    user = state.users.touch(request.user_id)
    asker = Asker.at(user, request.ts_ms, eligible(state, user), approximate=True)
    spent = dict[str, float]()
    factors = set[int]()
    column = 0
    for source in state.sources:
        state.pool.clear()
        before = process_time()
        source.propose(asker, state.pool, column)
        spent[type(source).__name__.lower()] = process_time() - before
        column += len(source.columns)
        if isinstance(source, Factors):
            factors = set(state.pool.items.tolist())
    return spent, factors


def _item(number: int, n_items: int) -> ItemUpsert:
    return ItemUpsert(
        event_id=f"put-{number}",
        ts_ms=number,
        item_id=f"i{number}",
        attributes={
            "genre": [f"g{number % _GENRES}", f"g{number * 7 % _GENRES}"],
            "decade": str(number % 9),
            "maker": f"m{number % (n_items // _ITEMS_PER_MAKER + 1)}",
        },
    )


def _click(number: int, item: int) -> Feedback:
    return Feedback(
        event_id=f"click-{number}",
        user_id=f"u{number % PEOPLE}",
        ts_ms=_START_MS + 1000 * number,
        type="click",
        item_id=f"i{item}",
    )
