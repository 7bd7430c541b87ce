"""Decisions meet their feedback: who is taught what, and when."""

import math
from collections.abc import Iterable
from random import Random

import pytest

from recsys.codec import pack
from recsys.errors import CorruptRecord
from recsys.joiner import Joiner, Passed, Pending, PendingSlot
from recsys.settings import JoinerSettings, RewardRule

EVERYTHING = JoinerSettings(reward_window_s=10.0, default_reward=-0.5, examination_decay=0.0)
"""Every slot counts as looked at."""


def pending(
    decision_id: str, user: str = "u", ts_ms: int = 0, items: Iterable[int] = (0, 1, 2)
) -> Pending:
    slots = [
        PendingSlot(place, item, 0.5 / (place + 1), bytes([place]))
        for place, item in enumerate(items)
    ]
    return Pending(
        decision_id=decision_id,
        user_id=user,
        arm="learner",
        ts_ms=ts_ms,
        user=7,
        context=(1, 2),
        slots=slots,
    )


def lessons(passed: Iterable[Passed]) -> list[tuple[int, float]]:
    return [(example.item, example.reward) for one in passed for example in one.examples()]


def test_an_example_is_the_slot_as_served() -> None:
    joiner = Joiner(EVERYTHING)
    assert list(joiner.open(pending("d"))) == []
    joined = joiner.feedback("u", "d", 1, "i1", 2.0)
    assert joined is not None
    assert (joined.user_id, joined.arm, joined.first) == ("u", "learner", True)
    example = joined.example
    assert (example.user, example.context, example.item) == (7, (1, 2), 1)
    assert (example.numeric, example.position, example.propensity) == (b"\x01", 1, 0.25)
    assert example.reward == 2.0


def test_the_window_ends_when_it_is_over_and_not_before() -> None:
    joiner = Joiner(EVERYTHING)
    list(joiner.open(pending("d", ts_ms=5_000)))
    assert list(joiner.expire(14_999)) == []
    assert lessons(joiner.expire(15_000)) == [(0, -0.5), (1, -0.5), (2, -0.5)]
    assert len(joiner) == 0
    assert joiner.feedback("u", "d", 0, "i0", 1.0) is None
    assert joiner.late == 1


def test_asking_again_closes_the_list_before_for_that_person_alone() -> None:
    joiner = Joiner(EVERYTHING)
    list(joiner.open(pending("mine", "u")))
    list(joiner.open(pending("other", "v", items=[5])))
    joiner.feedback("u", "mine", 1, "i1", 1.0)
    assert lessons(joiner.open(pending("next", "u", items=[8, 9]))) == [(0, -0.5), (2, -0.5)]
    assert len(joiner) == 3, "a closed list still waits for feedback"
    assert lessons(joiner.expire(10_000)) == [(5, -0.5), (8, -0.5), (9, -0.5)]


def test_feedback_after_closing_still_counts() -> None:
    joiner = Joiner(EVERYTHING)
    list(joiner.open(pending("d1")))
    list(joiner.open(pending("d2")))
    joined = joiner.feedback("u", "d1", 0, "i0", 1.0)
    assert joined is not None
    assert (joined.first, joined.example.reward) == (True, 1.0)


def test_without_close_on_next_the_window_alone_decides() -> None:
    joiner = Joiner(EVERYTHING.model_copy(update={"close_on_next": False}))
    list(joiner.open(pending("d1", items=[1])))
    assert list(joiner.open(pending("d2", ts_ms=3_000, items=[2]))) == []
    assert lessons(joiner.expire(12_000)) == [(1, -0.5)]
    assert lessons(joiner.expire(13_000)) == [(2, -0.5)]


def test_rewards_of_a_slot_add_up_within_their_bound() -> None:
    joiner = Joiner(EVERYTHING.model_copy(update={"max_reward": 3.0}))
    list(joiner.open(pending("d")))
    totals = list[tuple[float, bool]]()
    for reward in (1.0, 1.5, 2.0, -9.0, 0.0):
        joined = joiner.feedback("u", "d", 0, "i0", reward)
        assert joined is not None
        totals.append((joined.example.reward, joined.first))
    assert totals == [(1.0, True), (2.5, False), (3.0, False), (-3.0, False), (-3.0, False)]


@pytest.mark.parametrize(
    ("user", "decision_id", "item"),
    [("u", "unheard-of", 0), ("u", "d", 9), ("stranger", "d", 0)],
    ids=["decision", "item", "person"],
)
def test_what_no_list_showed_this_person_is_late(user: str, decision_id: str, item: int) -> None:
    joiner = Joiner(EVERYTHING)
    list(joiner.open(pending("d")))
    assert joiner.feedback(user, decision_id, item, f"i{item}", 1.0) is None
    assert joiner.late == 1
    assert lessons(joiner.expire(10_000)) == [(0, -0.5), (1, -0.5), (2, -0.5)]


def test_too_many_lists_close_the_oldest() -> None:
    joiner = Joiner(EVERYTHING.model_copy(update={"pending_decisions": 2}))
    evicted = list[tuple[int, float]]()
    for number in range(4):
        evicted += lessons(joiner.open(pending(f"d{number}", f"u{number}", items=[number])))
    assert evicted == [(0, -0.5), (1, -0.5)]
    assert (len(joiner), joiner.evicted) == (2, 2)


def test_one_list_out_of_order_waits_for_the_one_before() -> None:
    joiner = Joiner(EVERYTHING)
    list(joiner.open(pending("late", "u", ts_ms=9_000, items=[1])))
    list(joiner.open(pending("early", "v", ts_ms=1_000, items=[2])))
    assert list(joiner.expire(11_500)) == []
    assert lessons(joiner.expire(19_000)) == [(1, -0.5), (2, -0.5)]


def test_above_a_click_everything_was_looked_at() -> None:
    joiner = Joiner(EVERYTHING.model_copy(update={"examination_decay": 1000.0}))
    list(joiner.open(pending("d", items=range(6))))
    joiner.feedback("u", "d", 3, "i3", 1.0)
    assert lessons(joiner.expire(10_000)) == [(0, -0.5), (1, -0.5), (2, -0.5)]


def test_a_list_that_nobody_looked_at_leaves_nothing() -> None:
    joiner = Joiner(EVERYTHING)
    list(joiner.open(pending("d", items=[-1, -1])))
    assert list(joiner.open(pending("next", ts_ms=1))) == []


def test_below_a_click_people_look_with_the_chance_of_the_place() -> None:
    decay, n = 0.7, 2000
    joiner = Joiner(EVERYTHING.model_copy(update={"examination_decay": decay}))
    seen = [0] * 5
    for number in range(n):
        list(joiner.open(pending(f"d{number}", f"u{number}", items=range(5))))
    for item, _ in lessons(joiner.expire(10_000)):
        seen[item] += 1
    for place, count in enumerate(seen):
        chance = (place + 1) ** -decay
        error = 4 * math.sqrt(n * chance * (1 - chance))
        assert abs(count - n * chance) <= error, f"place {place}: {count} of {n}"


@pytest.mark.parametrize(
    ("kind", "value", "reward"),
    [
        ("click", None, 1.0),
        ("click", 50.0, 1.0),
        ("dwell", 30.0, pytest.approx(0.3)),
        ("dwell", None, 0.0),
        ("dwell", 1e6, 10.0),
        ("custom", -1e6, -10.0),
        ("skip", None, -0.2),
        ("rating", 4.0, 0.5),
        ("rating", 3.0, 0.0),
        ("rating", 1.0, -1.0),
        ("rating", None, 0.0),
    ],
)
def test_what_feedback_is_worth(kind: str, value: float | None, reward: float) -> None:
    assert Joiner(JoinerSettings()).reward(kind, value) == reward


def test_a_type_without_a_rule_is_worth_nothing() -> None:
    joiner = Joiner(JoinerSettings(rewards={"click": RewardRule(weight=3.0)}))
    assert (joiner.reward("click", None), joiner.reward("purchase", None)) == (3.0, 0.0)


def test_a_damaged_snapshot_is_refused() -> None:
    record = bytearray(Joiner(EVERYTHING).snapshot())
    record[-1] ^= 1
    with pytest.raises(CorruptRecord):
        Joiner(EVERYTHING).restore(bytes(record))


def test_an_erased_persons_lists_teach_nothing() -> None:
    joiner = Joiner(EVERYTHING)
    for decision_id, user in (("d1", "u"), ("d2", "v"), ("d3", "u")):
        list(joiner.open(pending(decision_id, user)))
    joiner.erase("u")
    assert len(joiner) == 1
    assert joiner.feedback("u", "d3", 1, "i1", 2.0) is None
    assert list(joiner.open(pending("d4", "u", ts_ms=1))) == []
    assert {one.pending.user_id for one in joiner.expire(10_000)} == {"v"}
    assert b"\xa1u" in joiner.snapshot()
    joiner.erase("u")
    assert len(joiner) == 0


def test_what_is_written_again_is_what_is_there() -> None:
    joiner, random = Joiner(JoinerSettings(pending_decisions=20)), Random(5)
    for number in range(400):
        user = f"u{random.randrange(8)}"
        act = random.randrange(4)
        known = joiner.waiting(user.__eq__)
        if act == 0 or not known:
            list(joiner.open(pending(f"d{number}", user, number)))
        elif act == 1:
            joiner.feedback(user, random.choice(known).decision_id, 1, "", random.random())
        elif act == 2:
            left = joiner.depart(user.__eq__)
            for one in left[:1]:
                one.slots[0].clicked = True
                list(joiner.arrive(one))
        else:
            list(joiner.expire(number - 30 * 60_000))
        if number % 3 == 0:
            twin = Joiner(JoinerSettings(pending_decisions=20))
            twin.restore(joiner.snapshot())
            # Which has written nothing yet.
            assert twin.waiting(lambda _: True) == joiner.waiting(lambda _: True)
            assert twin.snapshot() == joiner.snapshot()
    assert len(joiner) > 3


def in_one_piece(joiner: Joiner) -> bytes:
    """Return the record of a joiner, made without any of its short cuts."""
    waiting = joiner.waiting(lambda _: True)
    return pack({"pending": waiting, "late": joiner.late, "evicted": joiner.evicted})


@pytest.mark.parametrize("n", [0, 1, 15, 16, 17, 600, 66_000])
def test_a_record_made_in_pieces_is_the_same(n: int) -> None:
    joiner = Joiner(JoinerSettings(pending_decisions=n + 1))
    for number in range(n):
        list(joiner.open(pending(f"d{number}", f"u{number}")))
    joiner.feedback("u0", "d0", 1, "i1", 2.0)
    joiner.feedback("u0", "nothing", 1, "i1", 2.0)
    assert joiner.snapshot() == in_one_piece(joiner)


def test_what_has_changed_since_is_written_in_short_steps() -> None:
    joiner = Joiner(EVERYTHING)
    for number in range(100):
        list(joiner.open(pending(f"d{number}", f"u{number}", number)))
    assert len(list(joiner.writing())) == 7
    assert not list(joiner.writing()), "nothing has changed"
    joiner.feedback("u50", "d50", 1, "i1", 2.0)
    list(joiner.open(pending("again", "u7", 100)))
    # What was closed because they asked again, what earned something, and the new one.
    assert len(list(joiner.writing())) == 1
    assert joiner.snapshot() == in_one_piece(joiner)


def test_whoever_leaves_half_way_is_not_written() -> None:
    joiner = Joiner(EVERYTHING)
    for number in range(100):
        list(joiner.open(pending(f"d{number}", f"u{number}", number)))
    next(joiner.writing())
    joiner.erase("u3")
    joiner.erase("u90")
    joiner.depart("u91".__eq__)
    # Not taken to its end: an error may come in between.
    next(joiner.expire(10_000))
    assert joiner.snapshot() == in_one_piece(joiner)
    assert len(joiner) == 96
