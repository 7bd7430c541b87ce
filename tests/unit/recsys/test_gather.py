"""One question to all sources: each says what it says alone, whoever else is asked."""

from collections.abc import Collection, Sequence
from typing import get_args

import numpy as np
import pytest
from numpy.typing import NDArray

from recsys.candidates.base import Asker, Source
from recsys.candidates.gather import Gather, columns_of, seats_of, weights_of
from recsys.candidates.pool import Cut, Pool
from recsys.candidates.settings import SourceName
from recsys.choices import eligible
from recsys.engine import Engine
from recsys.events import Event
from recsys.settings import EngineSettings
from recsys.users import User
from tests.engines import asked, engine_with, feedback, items

ALL: tuple[SourceName, ...] = get_args(SourceName)
N_ITEMS, N_PEOPLE, NOW_MS = 90, 12, 5_000_000
NOTHING = np.zeros(0, np.int32)


def engine(without: Collection[SourceName]) -> Engine:
    """Return an engine whose people have found things and clicked on lists."""
    candidates = {"without": [*without], "transitions": {"leaders": 5}, "popular": {"leaders": 3}}
    settings = EngineSettings.model_validate({"candidates": candidates})
    made = engine_with(items(N_ITEMS), settings)
    for person in range(N_PEOPLE):
        found: list[Event] = [
            feedback(f"u{person}", f"i{(person * 7 + like * (person + 1)) % N_ITEMS}", 1000 * like)
            for like in range(1, 3 + person)
        ]
        made.apply(found)
        decision = asked(made, f"u{person}", f"d{person}", 1_000_000 + person)
        liked = decision.slots[person % len(decision.slots)].item_id
        made.apply([feedback(f"u{person}", liked, 1_001_000, decision_id=f"d{person}")])
    return made


def askers(made: Engine, *, approximate: bool = False) -> list[Asker]:
    """Return all people, and a stranger."""
    people = [made.state.users.get(f"u{number}") for number in range(N_PEOPLE)]
    everybody = [*(one for one in people if one is not None), User(user_id="stranger")]
    return [
        Asker.at(one, NOW_MS, eligible(made.state, one), approximate=approximate)
        for one in everybody
    ]


def one_by_one(sources: Sequence[Source], asker: Asker, given: NDArray[np.int32] = NOTHING) -> Pool:
    """Return a pool that was filled as the contract of a source says."""
    pool = Pool(columns_of(sources))
    pool.grow(N_ITEMS)
    pool.add(given)
    first = np.cumsum([0, *(len(source.columns) for source in sources)]).tolist()
    for source, column in zip(sources, first, strict=False):
        source.propose(asker, pool, column)
    for source, column in zip(sources, first, strict=False):
        source.score(asker, pool, column)
    return pool


def distinct(cut: Cut) -> dict[int, int]:
    """Return the items that are worth what no other is, and their places.

    Each compiled function orders its sums in its own way, so that among equals the last digit says
    who is first.
    """
    worth = [f"{mixed:.4g}" for mixed in cut.mixed.tolist()]
    return {
        item: place
        for item, place, own in zip(cut.items.tolist(), cut.places.tolist(), worth, strict=True)
        if worth.count(own) == 1
    }


@pytest.mark.parametrize(
    "without",
    # Each combination is compiled for itself, which takes seconds.
    [(), ("sessions", "popular_attributes"), ALL[1:], ALL[0:6:2]],
    ids="-".join,
)
def test_asked_together_they_say_what_each_says_alone(without: tuple[SourceName, ...]) -> None:
    made = engine(without)
    state = made.state
    filled = 0
    for asker in askers(made):
        for given in (NOTHING, np.array([3, 80, 3], np.int32)):
            expected = one_by_one(state.sources, asker, given)
            state.gather.fill(state.pool, asker, given)
            assert state.pool.items.tolist() == expected.items.tolist()
            assert np.array_equal(state.pool.table(N_ITEMS), expected.table(N_ITEMS))
            filled += state.pool.count
        # In two halves, as whoever looks only for one item asks.
        state.gather.propose(state.pool, asker)
        whole = one_by_one(state.sources, asker)
        assert state.pool.items.tolist() == whole.items.tolist()
        best = state.gather.best_proposed(state.pool, asker, 20)
        assert np.array_equal(state.pool.table(N_ITEMS), whole.table(N_ITEMS))
        alone = whole.cut(asker.allowed, weights_of(state.sources), 20, seats_of(state.sources))
        for cut in (best, state.gather.best(state.pool, asker, 20)):
            assert np.allclose(cut.mixed, alone.mixed, rtol=1e-5, atol=0.0)
            assert np.array_equal(cut.largest, alone.largest)
            assert distinct(cut) == distinct(alone)
            assert np.array_equal(state.pool.items[cut.pooled], cut.items)
    assert filled > 0


def test_items_that_came_since_are_proposed_and_scored() -> None:
    """What is held of a source is of now, whatever array has had to grow."""
    made = engine(())
    for n_items in (N_ITEMS, 300, 3000):
        made.apply(items(n_items))
        made.apply([feedback("u3", f"i{n_items - 1}", NOW_MS - 10)])
        for asker in askers(made)[-3:]:
            made.state.gather.fill(made.state.pool, asker)
            pool = Pool(columns_of(made.state.sources))
            pool.grow(n_items)
            column = 0
            for source in made.state.sources:
                source.propose(asker, pool, column)
                column += len(source.columns)
            assert made.state.pool.items.tolist() == pool.items.tolist()
    assert made.state.pool.items.max() > N_ITEMS


def test_columns_weights_and_seats_stand_in_the_order_of_the_sources() -> None:
    sources = engine(("sessions", "popular_attributes", "tastes")).state.sources
    columns = columns_of(sources)
    assert (columns[0], columns[-1]) == ("transitions_near", "recent_tastes")
    assert len(weights_of(sources)) == len(seats_of(sources)) == len(columns)
    assert weights_of(sources)[0] == 1.0
    assert seats_of(sources)[columns.index("fresh")] == 3
    assert not seats_of(sources)[: columns.index("fresh")].any()


def test_sources_in_another_order_are_refused() -> None:
    state = engine(()).state
    with pytest.raises(TypeError, match="cannot be asked together"):
        Gather(state.sources[::-1], state.personal_bandit)
