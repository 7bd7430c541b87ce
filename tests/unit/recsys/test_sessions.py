"""Sessions: neighbours by hand, against plain loops, and the ring that bounds them."""

import math

import numpy as np
import pytest

from recsys.candidates.sessions import Sessions
from recsys.errors import IncompatibleState
from recsys.settings import SessionSettings
from recsys.users import User
from tests.pools import person, proposals, scores

N_ITEMS = 12
GAP_MS = 100_000


def made(**changes: float) -> Sessions:
    settings = {"sessions": 50, "gap_s": GAP_MS / 1000, "decay": 0.5} | changes
    source = Sessions(SessionSettings.model_validate(settings))
    source.grow(N_ITEMS)
    return source


def like(source: Sessions, user: User, *items: int, at_ms: int = 0) -> None:
    """Let a person like items, a second apart."""
    for number, item in enumerate(items):
        source.learn(user, item, at_ms + 1000 * number, 1.0)
        user.like(item, at_ms + 1000 * number, 50)


def people(source: Sessions, *sessions: tuple[int, ...]) -> None:
    """Let as many people have one session each."""
    for number, items in enumerate(sessions):
        like(source, User(user_id=f"other-{number}"), *items)


def test_the_similarity_of_sessions_by_hand() -> None:
    source = made()
    people(source, (1, 2, 3), (2, 4), (5, 6))
    me = person((1, 0), (2, 1000))
    # Newest like 2 (x = 0), then 1 (x = 1): the first session shares both, the second one.
    first = (1.0 + 0.5) / math.sqrt(3 + 3)
    second = 1.0 / math.sqrt(2 + 3)
    expected = np.zeros(N_ITEMS)
    expected[[1, 3]] = first
    expected[2] = first + second
    expected[4] = second
    np.testing.assert_allclose(scores(source, me, 2000, N_ITEMS)[:, 0], expected, rtol=1e-6)
    assert proposals(source, me, 2000, N_ITEMS) == {1, 2, 3, 4}


def test_ones_own_session_says_nothing() -> None:
    source = made()
    ann, bob = User(user_id="ann"), User(user_id="bob")
    like(source, ann, 1, 2)
    assert proposals(source, ann, 2000, N_ITEMS) == set()
    like(source, bob, 2, 3)
    assert proposals(source, ann, 2000, N_ITEMS) == {2, 3}
    assert proposals(source, bob, 2000, N_ITEMS) == {1, 2}


def test_a_former_session_of_ones_own_speaks() -> None:
    source = made()
    ann = User(user_id="ann")
    like(source, ann, 1, 2)
    like(source, ann, 1, at_ms=2 * GAP_MS)
    assert proposals(source, ann, 2 * GAP_MS, N_ITEMS) == {1, 2}


def test_only_the_current_session_asks() -> None:
    source = made()
    people(source, (1, 7), (2, 8))
    assert proposals(source, person((1, 0), (2, GAP_MS)), GAP_MS, N_ITEMS) == {1, 2, 7, 8}
    assert proposals(source, person((1, 0), (2, GAP_MS + 1)), GAP_MS, N_ITEMS) == {2, 8}


def test_so_many_of_the_newest_likes_ask() -> None:
    source = made(history=2)
    people(source, (1, 7), (2, 8), (3, 9))
    me = person((1, 0), (2, 0), (3, 0))
    assert proposals(source, me, 0, N_ITEMS) == {2, 3, 8, 9}


def test_a_pause_ends_a_session() -> None:
    source = made()
    ann = User(user_id="ann")
    like(source, ann, 1)
    like(source, ann, 2, at_ms=GAP_MS)
    like(source, ann, 3, at_ms=2 * GAP_MS + 1)
    assert proposals(source, person((1, 0)), 0, N_ITEMS) == {1, 2}
    assert proposals(source, person((3, 0)), 0, N_ITEMS) == {3}


def test_the_same_item_twice_in_a_row_is_there_once() -> None:
    source = made()
    people(source, (1, 1, 2))
    assert scores(source, person((2, 0)), 0, N_ITEMS)[1, 0] == pytest.approx(1 / math.sqrt(5))


def test_a_session_that_is_full_goes_on_as_another() -> None:
    source = made()
    source.grow(40)
    ann = User(user_id="ann")
    like(source, ann, *range(25))
    assert proposals(source, person((3, 0)), 0, 40) == set(range(20))
    assert proposals(source, person((22, 0)), 0, 40) == set(range(20, 25))


def test_the_newest_sessions_with_an_item_are_looked_up() -> None:
    source = made(occurrences=2)
    people(source, (1, 5), (1, 6), (1, 7))
    assert proposals(source, person((1, 0)), 0, N_ITEMS) == {1, 6, 7}


def test_the_most_similar_sessions_speak() -> None:
    source = made(neighbours=1)
    people(source, (1, 2, 3), (2, 4), (1, 5))
    assert proposals(source, person((1, 0), (2, 0)), 0, N_ITEMS) == {1, 2, 3}


def test_the_oldest_session_makes_room_for_a_new_one() -> None:
    source = made(sessions=2)
    people(source, (1, 5), (1, 6), (1, 7))
    assert proposals(source, person((1, 0)), 0, N_ITEMS) == {1, 6, 7}
    assert len(source.snapshot()) == len(made_and_taught(2).snapshot())


def made_and_taught(n_sessions: int) -> Sessions:
    source = made(sessions=2)
    people(source, *[(1, 5)] * n_sessions)
    return source


def test_a_person_whose_session_was_given_up_begins_another() -> None:
    source = made(sessions=2)
    ann = User(user_id="ann")
    like(source, ann, 1)
    people(source, (2, 3), (4, 5))
    like(source, ann, 6, at_ms=1000)
    assert proposals(source, person((1, 0)), 0, N_ITEMS) == set()
    assert proposals(source, person((6, 0)), 0, N_ITEMS) == {6}


@pytest.mark.parametrize("sessions", [3, 50])
def test_a_snapshot_resumes_before_and_after_the_ring_is_full(sessions: int) -> None:
    one, other = made(sessions=sessions), made(sessions=sessions)
    people(one, (1, 2), (2, 3), (3, 4), (4, 5), (5, 1))
    other.restore(one.snapshot())
    for source in (one, other):
        people(source, (1, 3), (2, 4))
    assert one.snapshot() == other.snapshot()
    me = person((1, 0), (3, 0))
    np.testing.assert_array_equal(scores(one, me, 0, N_ITEMS), scores(other, me, 0, N_ITEMS))


@pytest.mark.parametrize(("before", "after"), [(3, 5), (5, 3)])
def test_a_ring_of_another_size_is_incompatible(before: int, after: int) -> None:
    source = made(sessions=before)
    people(source, (1, 2), (2, 3), (3, 4), (4, 5), (5, 1))
    with pytest.raises(IncompatibleState, match=f"the settings say {after}"):
        made(sessions=after).restore(source.snapshot())


def test_a_ring_that_never_was_full_fits_a_larger_one() -> None:
    source = made(sessions=5)
    people(source, (1, 2), (2, 3))
    larger = made(sessions=50)
    larger.restore(source.snapshot())
    assert larger.snapshot() == source.snapshot()


def test_likes_that_vanish_by_decay_say_nothing() -> None:
    """Their similarity underflows to 0; a session must not be found again for each of them."""
    source = made(sessions=1, decay=1e-12, history=100, neighbours=1)
    people(source, tuple([1, 2] * 10))
    me = person(*[(1, 0), (2, 0)] * 20, *[(5, 0)] * 10)
    assert not scores(source, me, 0, N_ITEMS).any()


@pytest.mark.parametrize("seed", range(3))
def test_scores_are_the_formula(seed: int) -> None:
    rng = np.random.default_rng(seed)
    source = made(decay=0.8, history=5)
    sessions = [tuple(rng.choice(N_ITEMS, 4, replace=False).tolist()) for _ in range(30)]
    people(source, *sessions)
    mine = rng.choice(N_ITEMS, 6, replace=False).tolist()
    expected = np.zeros(N_ITEMS)
    for session in sessions:
        similarity = sum(
            0.8**x / math.sqrt(len(session) + 3)
            for x, item in enumerate(mine[::-1][:5])
            if item in session
        )
        expected[list(session)] += similarity
    found = scores(source, person(*[(item, 0) for item in mine]), 0, N_ITEMS)[:, 0]
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize("occurrences", [2, 3, 300])
def test_an_erased_person_takes_their_session_along(occurrences: int) -> None:
    source = made(occurrences=occurrences, sessions=8)
    ann, bob, cat = (User(user_id=name) for name in ("ann", "bob", "cat"))
    like(source, bob, 1, 2)
    like(source, ann, 1, 3, 4)
    like(source, cat, 1, 5)
    me = person((1, 0))
    assert 4 in proposals(source, me, 1000, N_ITEMS)
    source.erase(ann)
    source.erase(User(user_id="eve"))
    # Of a short list of sessions the one before the erased one may be known no more.
    assert proposals(source, me, 1000, N_ITEMS) == ({1, 2, 5} if occurrences > 2 else {1, 5})
    assert proposals(source, person((3, 0)), 1000, N_ITEMS) == set()
    again = made(occurrences=occurrences, sessions=8)
    again.restore(source.snapshot())
    assert again.snapshot() == source.snapshot()
    assert proposals(again, me, 1000, N_ITEMS) == proposals(source, me, 1000, N_ITEMS)
    for one in (source, again):
        like(one, User(user_id="dan"), 1, 6)
    assert again.snapshot() == source.snapshot()
    assert 6 in proposals(again, me, 1000, N_ITEMS)
