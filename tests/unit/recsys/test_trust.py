"""What a list promised is held against what it earned, when its person asks again."""

import pytest

from recsys.codec import pack, unpack
from recsys.engine import Engine
from recsys.learners.listwise import ListwiseRanker
from recsys.learners.trust import open_list, settle_list, trust_in
from recsys.settings import EngineSettings, TrustSettings
from recsys.users import User
from tests.engines import ask, asked, engine_with, feedback, items

SETTINGS = TrustSettings(prior=0.5, half_life_lists=1.5)


def ranker_of(engine: Engine) -> ListwiseRanker:
    learner = engine.state.learner
    assert isinstance(learner, ListwiseRanker)
    return learner


def look(user: User, earned: float, scores: tuple[float, ...] = (0.6, 0.4)) -> None:
    """Let a person look at a list, and settle it."""
    open_list(user, scores, 0.0, SETTINGS)
    user.account.open_earned = earned
    settle_list(user, ranker_of(engine_with([])), SETTINGS)


def test_a_stranger_is_trusted() -> None:
    assert trust_in(User(user_id="u"), SETTINGS) == 1.0


def test_who_clicks_no_more_is_trusted_less_and_soon_again() -> None:
    user = User(user_id="u")
    for _ in range(10):
        look(user, 1.0)
    assert trust_in(user, SETTINGS) == pytest.approx(1.0)
    shares = []
    for _ in range(4):
        # Scores are as drawn, times the trust; a promise is as if there were all of it.
        trust = trust_in(user, SETTINGS)
        look(user, 0.0, (0.6 * trust, 0.4 * trust))
        shares.append(trust_in(user, SETTINGS))
    assert shares == sorted(shares, reverse=True)
    assert shares[-1] < 0.4
    look(user, 2.0)
    assert trust_in(user, SETTINGS) > 1.5 * shares[-1]


def test_trust_is_a_share_above_nothing() -> None:
    user = User(user_id="u")
    look(user, 100.0)
    assert trust_in(user, SETTINGS) == 1.0
    for _ in range(50):
        look(user, -5.0, (10.0, 10.0))
    assert 0.0 < trust_in(user, SETTINGS) < 0.05


def test_a_list_is_settled_when_its_person_asks_again_and_once() -> None:
    engine = engine_with(items(6))
    learner = ranker_of(engine)
    before = learner.scale
    shown = asked(engine, "u", "d0", 1_000_000, n=4).slots
    engine.apply([feedback("u", shown[0].item_id, 1_000_500, decision_id="d0")])
    assert learner.scale == before
    asked(engine, "v", "e0", 1_001_000, n=4)
    assert learner.scale == before
    asked(engine, "u", "d1", 1_002_000, n=4)
    assert learner.scale > before


def test_a_rush_that_ends_teaches_nothing_by_itself() -> None:
    engine = engine_with(items(30))
    for number in range(40):
        asked(engine, f"u{number}", f"d{number}", 1_000_000 + number, n=4)
    before = ranker_of(engine).scale
    # An hour later all reward windows have ended.
    asked(engine, "late", "late", 5_000_000, n=4)
    assert ranker_of(engine).scale == before


def test_less_is_expected_of_who_clicks_no_more() -> None:
    engine = engine_with(items(40), EngineSettings())
    for number in range(6):
        asked(engine, "u", f"d{number}", 1_000_000 + 1000 * number, n=4)
    passed_over = ask(engine, "u", "d", 1_010_000, 4).slots[0].score
    stranger = ask(engine, "new", "d", 1_010_000, 4).slots[0].score
    assert passed_over < stranger


def test_a_list_that_does_not_count_is_recorded_in_the_same_bytes_ever_after() -> None:
    user = User(user_id="u")
    open_list(user, (), 0.0, SETTINGS)
    assert pack(unpack(pack(user), User)) == pack(user)
