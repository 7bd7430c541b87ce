"""The quota for new items: how many places, for whom, and with which propensities."""

from collections import Counter
from itertools import permutations

import numpy as np
import pytest
from numpy.typing import NDArray

from recsys.events import Decision, Slot
from recsys.features.counts import ItemCounts
from recsys.features.table import surface
from recsys.new_items import NewItems, kept_for
from recsys.policies.base import Policy
from recsys.policies.greedy import Greedy
from recsys.policies.slate import Slate, draw
from recsys.policies.squarecb import SquareCB
from recsys.settings import ArmSettings, EngineSettings, GreedySettings, NewItemSettings
from recsys.users import User
from tests.engines import asked, engine_with, feedback, items

HOUR_MS = 3_600_000
HERE, THERE = surface((11,), 10), surface((22,), 10)


def made(**changes: float) -> tuple[NewItems, ItemCounts]:
    counts = ItemCounts()
    counts.grow(100)
    settings = {"share": 0.2, "shown_below": 2, "per_user": 3, "per_surface": 5} | changes
    return NewItems(NewItemSettings.model_validate(settings), counts), counts


def places(one: NewItems, user: User, ts_ms: int = 0, n: int = 10, seed: int = 1) -> int:
    return one.places(user, HERE, ts_ms, n, seed)


def test_an_item_is_new_until_it_was_shown_often_enough() -> None:
    one, counts = made()
    assert one.among(np.array([0, -1, 1], np.int32)).tolist() == [True, False, True]
    counts.shown[1] += 2
    assert one.among(np.array([0, -1, 1], np.int32)).tolist() == [True, False, False]


def test_parts_of_a_place_go_by_lot() -> None:
    one, _ = made(share=0.25)
    drawn = Counter(places(one, User(user_id="u"), seed=seed) for seed in range(400))
    assert set(drawn) == {2, 3}
    assert drawn[2] == pytest.approx(200, abs=40)
    assert [places(made(share=0.2)[0], User(user_id="u"), seed=s) for s in range(9)] == [2] * 9


def test_without_a_share_nothing_is_new() -> None:
    assert (made()[0].shown_below, made(share=0.0)[0].shown_below) == (2, 0)


@pytest.mark.parametrize(("share", "n", "most"), [(0.0, 10, 0), (0.5, 1, 0), (0.5, 2, 1)])
def test_no_share_no_place_and_the_first_is_never_kept(share: float, n: int, most: int) -> None:
    one, _ = made(share=share)
    assert max(places(one, User(user_id="u"), n=n, seed=seed) for seed in range(50)) == most


def test_a_person_is_shown_so_many_new_items_a_day() -> None:
    one, _ = made()
    ann, bob = User(user_id="ann"), User(user_id="bob")
    for _ in range(3):
        one.show(ann, 1, THERE, 0)
    assert places(one, ann) == 0
    assert places(one, bob) == 2
    # After a day half of them are forgotten, and a place and a half are left.
    assert places(one, ann, 24 * HOUR_MS) == 1


def test_a_surface_shows_so_many_new_items_an_hour() -> None:
    one, _ = made()
    for number in range(4):
        one.show(User(user_id=f"u{number}"), 1, HERE, 0)
    assert places(one, User(user_id="u")) == 1
    assert one.places(User(user_id="u"), THERE, 0, 10, 1) == 2
    assert places(one, User(user_id="u"), 2 * HOUR_MS) == 2


def test_only_what_is_new_counts() -> None:
    quota = NewItemSettings(share=0.2, shown_below=2)
    engine = engine_with(items(3), EngineSettings(new_items=quota))
    for number in range(4):
        slots = tuple(Slot(f"i{place}", 0.5) for place in (0, 1, 0)[: 3 - number % 2])
        shown = Decision(
            event_id=f"d{number}", user_id="ann", ts_ms=9000, slots=slots, policy="learner"
        )
        engine.apply([shown])
    user = engine.state.users.get("ann")
    assert user is not None
    # All of the first list, the first one's other item once more, and nothing after that.
    assert user.novelty.shown == 4.0


def test_a_snapshot_goes_on() -> None:
    one, _ = made()
    for number in range(4):
        one.show(User(user_id=f"u{number}"), 1, HERE, 0)
    other, _ = made()
    other.restore(one.snapshot())
    assert places(other, User(user_id="u")) == 1
    assert other.snapshot() == one.snapshot()


def slate(policy: Policy, scores: list[float], new: list[int], k: int, n: int, seed: int) -> Slate:
    values, among = np.array(scores), np.zeros(len(scores), np.bool_)
    among[new] = True

    def draw_from(given: NDArray[np.intp], slots: int, number: int) -> Slate:
        return draw(policy, values[given], slots, (seed + number) % 2**64)

    return kept_for(n, among, k, draw_from)


@pytest.mark.parametrize(
    ("new", "n", "expected"),
    [
        ([4, 5], 1, [0, 1, 4]),
        ([4, 5], 2, [0, 4, 5]),
        ([5], 2, [0, 5, 1]),
        ([1], 1, [0, 1, 2]),
        ([0, 4], 1, [0, 1, 2]),
        ([], 2, [0, 1, 2]),
    ],
)
def test_the_last_places_are_for_new_items(new: list[int], n: int, expected: list[int]) -> None:
    found = slate(Greedy(), [9.0, 8.0, 7.0, 6.0, 5.0, 4.0], new, 3, n, 1)
    assert found.chosen.tolist() == expected
    assert found.propensities.tolist() == [1.0] * 3
    assert found.threshold is None


def test_a_list_that_is_all_candidates_is_a_permutation() -> None:
    found = slate(SquareCB(gamma=5.0), [0.3, 0.2, 0.1], [2], 3, 1, 7)
    assert sorted(found.chosen.tolist()) == [0, 1, 2]


def test_propensities_are_how_often_a_list_comes() -> None:
    scores, draws = [0.3, 0.2, 0.1, 0.0], 20_000
    seen, told = Counter[tuple[int, ...]](), dict[tuple[int, ...], float]()
    for seed in range(draws):
        found = slate(SquareCB(gamma=5.0), scores, [2, 3], 2, 1, 3 * seed)
        chosen = tuple(found.chosen.tolist())
        seen[chosen] += 1
        told[chosen] = float(found.propensities.prod())
    assert sum(told.values()) == pytest.approx(1.0)
    assert set(told) <= set(permutations(range(4), 2))
    for chosen, chance in told.items():
        deviation = (chance * (1 - chance) / draws) ** 0.5
        assert seen[chosen] / draws == pytest.approx(chance, abs=4.5 * deviation)


SETTINGS = EngineSettings(
    new_items=NewItemSettings(share=0.2, shown_below=3, per_user=4),
    arms={"learner": ArmSettings(policy=GreedySettings())},
)


def test_an_engine_shows_each_new_item_until_it_is_known() -> None:
    likes = [feedback(f"u{n}", f"i{n % 6}", 100 + n) for n in range(60)]
    engine = engine_with([*items(6), *likes], SETTINGS)
    for number in range(5):
        asked(engine, f"u{number}", f"old{number}", 1000, 6)
    engine.apply(items(12)[6:])
    old = {f"i{number}" for number in range(6)}
    lists = [asked(engine, f"ann{number}", f"d{number}", 2000, 5) for number in range(18)]
    # Six new items are shown three times each, one per list, in its last place.
    assert [[slot.item_id in old for slot in one.slots] for one in lists] == 18 * [
        [True] * 4 + [False]
    ]
    assert engine.state.counts.shown[6:12].tolist() == [3.0] * 6
    assert {slot.item_id for slot in asked(engine, "bob", "last", 2000, 5).slots} <= old
    assert engine.state.users.touch("ann1").novelty.shown == 1.0


def test_a_person_who_saw_enough_new_items_is_shown_none() -> None:
    engine = engine_with(items(40), SETTINGS)
    asked(engine, "ann", "d1", 1000, 5)
    ann = engine.state.users.touch("ann")
    assert ann.novelty.shown == 5.0
    assert engine.state.new_items.places(ann, HERE, 1000, 5, 1) == 0
