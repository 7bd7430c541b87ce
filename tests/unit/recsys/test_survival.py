"""Feedback that stands for others that were left out: what it earned counts that much more."""

from collections.abc import Sequence

import msgspec
import pytest

from recsys.engine import Engine
from recsys.events import MIN_SURVIVAL, Feedback
from recsys.learners.personal_bandit import PersonalBandit
from recsys.settings import EngineSettings
from recsys.store.base import Outcome
from recsys.store.dedupe import fingerprint
from recsys.users import User
from tests.engines import asked, engine_with, feedback, items

SETTINGS = EngineSettings.model_validate({"features": {"crossings": 100}})


def standing(event: Feedback, survival: float) -> Feedback:
    return msgspec.structs.replace(event, survival=survival)


@pytest.fixture
def taught(monkeypatch: pytest.MonkeyPatch) -> list[tuple[float, bool]]:
    """Return the rewards that models of people are taught from here on, and whether of a list."""
    rewards: list[tuple[float, bool]] = []
    learn = PersonalBandit.learn_list

    def told(
        self: PersonalBandit,
        user: User,
        items: Sequence[int],
        told: Sequence[float],
        *,
        shown: bool,
    ) -> None:
        rewards.extend((reward, shown) for reward in told)
        learn(self, user, items, told, shown=shown)

    monkeypatch.setattr(PersonalBandit, "learn_list", told)
    return rewards


def test_an_example_and_the_arm_earn_what_the_event_stands_for(
    taught: list[tuple[float, bool]],
) -> None:
    engine = engine_with(items(20), SETTINGS)
    decision = asked(engine, "ann", "d1", 1_000_000, n=3)
    first, second, third = (slot.item_id for slot in decision.slots)
    engine.apply(
        [
            standing(feedback("ann", first, 1_000_100, "skip", decision_id="d1"), 0.1),
            standing(
                feedback("ann", second, 1_000_200, "dwell", decision_id="d1", value=300.0), 0.1
            ),
            standing(feedback("ann", third, 1_000_300, "skip", decision_id="d1"), 1.0),
            standing(feedback("ann", "i0", 1_000_400, "skip"), 0.5),
            standing(feedback("ann", "i0", 1_000_500, "skip"), MIN_SURVIVAL),
        ]
    )
    bound = SETTINGS.joiner.max_reward
    assert taught == [
        (pytest.approx(-2.0), True),
        (bound, True),  # 30 are more than a slot can earn
        (-0.2, True),
        (-0.4, False),
        (-bound, False),
    ]
    arm = engine.stats().arms[decision.policy]
    assert arm.reward == pytest.approx(-2.0 + 30.0 - 0.2), "an estimate is not cut"


def test_what_counts_acts_counts_one() -> None:
    """Somebody liked an item once, whatever became of others; it must not throw what all share."""
    plain, standing_for_ten = engine_with(items(20), SETTINGS), engine_with(items(20), SETTINGS)
    view = feedback("ann", "i7", 1_000_000, "view")
    plain.apply([view])
    standing_for_ten.apply([standing(view, 0.1)])
    seven = plain.state.catalogue.index("i7")
    for engine in (plain, standing_for_ten):
        assert engine.state.counts.liked[seven] == 1
        (ann,) = engine.state.users.dirty()
        assert (ann.clicks, ann.liked_strength, len(ann.consumed.items)) == (1, 0.2, 0)


def test_the_same_act_with_another_survival_is_another_content() -> None:
    engine = Engine.open(None, SETTINGS)
    act = feedback("ann", "i1", 1000, "skip")
    results = engine.apply([standing(act, 0.1), standing(act, 0.1), act])
    assert [one.outcome for one in results] == [
        Outcome.ACCEPTED,
        Outcome.DUPLICATE,
        Outcome.CONFLICT,
    ]


def test_the_content_of_feedback_that_stands_for_itself_is_what_it_always_was() -> None:
    act = Feedback(event_id="f", user_id="u", ts_ms=5, type="click", item_id="i")
    assert fingerprint(act).content == 0x7E4A640A
