"""Rankers of Vowpal Wabbit are merged from a common base."""

import numpy as np
import pytest

from recsys.codec import pack, unpack
from recsys.decision import Request
from recsys.engine import Engine
from recsys.errors import CorruptRecord, IncompatibleState
from recsys.learners.vw_bandit import VWRecord, merged_record
from recsys.mixing.average import Ranking
from recsys.mixing.models import Merger
from recsys.settings import LearnerSettings, VWSettings
from tests.mixing import SETTINGS, Fleet

VW = SETTINGS.model_copy(
    update={"learners": LearnerSettings(ranker="vw", vw=VWSettings(prior_examples=1.0))}
)


def live(fleet: Fleet, steps: int, seed: int) -> None:
    """Let everybody click on the first item of whatever they are shown, and on nothing else."""
    chance = np.random.default_rng(seed)
    for _ in range(steps):
        user = f"u{chance.integers(9)}"
        fleet.ask(user)
        fleet.click(user, 0)


def scores_of(engine: Engine) -> list[float]:
    request = Request(
        user_id="stranger", ts_ms=10**7, decision_id="d", n=12, candidates=("i1", "i5", "i7", "i9")
    )
    slots = engine.recommend(request).decision.slots
    return [slot.score for slot in sorted(slots, key=lambda slot: slot.item_id)]


def model_of(engine: Engine) -> bytes:
    record = engine.state.learner.report()
    assert record is not None
    return unpack(record, VWRecord).model


def test_models_of_all_shards_become_one() -> None:
    fleet = Fleet(2, VW)
    for seed in range(3):
        live(fleet, 25, seed)
        one, other = (model_of(engine) for engine in fleet.engines.values())
        assert one != other
        fleet.mix(rankers=True)
        one, other = (model_of(engine) for engine in fleet.engines.values())
        assert one == other
    assert [engine.mix.position.refused for engine in fleet.engines.values()] == [0, 0]
    for name, engine in list(fleet.engines.items()):
        before = engine.fingerprint()
        fleet.crash(name)
        assert fleet.engines[name].fingerprint() == before


def test_what_came_after_the_report_is_learned_again() -> None:
    fleet = Fleet(2, VW)
    live(fleet, 20, 1)
    fleet.mix(rankers=True)
    live(fleet, 20, 2)
    for name, engine in fleet.engines.items():
        fleet.mixer.hear(engine.mix.position)
        fleet.mixer.take(name, [], engine.mix.ranking())
    answers = fleet.mixer.rankers()
    for name, engine in fleet.engines.items():
        engine.apply([engine.mix.averaged(answers[name])])
    merged = {name: model_of(engine) for name, engine in fleet.engines.items()}
    assert merged["s0"] == merged["s1"]
    for name, engine in fleet.engines.items():
        fleet.mixer.take(name, [], engine.mix.ranking())
    answers = fleet.mixer.rankers()
    live(fleet, 10, 3)
    for name, engine in fleet.engines.items():
        engine.apply([engine.mix.averaged(answers[name])])
        # All had the same model when they reported: only what came since is their own.
        assert model_of(engine) != unpack(answers[name].record, VWRecord).model


def test_merging_adds_up_what_each_learned_from_the_base() -> None:
    fleet = Fleet(2, VW)
    live(fleet, 30, 1)
    fleet.mix(rankers=True)
    base = fleet.engines["s0"].state.learner.report()
    live(fleet, 60, 2)
    records = [engine.state.learner.report() or b"" for engine in fleet.engines.values()]
    assert merged_record(base, records[:1]) == records[0]
    engine = fleet.engines["s0"]
    told = []
    for record in (*records, base or b"", merged_record(base, records)):
        engine.state.learner.shift(record)
        told.append(np.array(scores_of(engine)))
    of_one, of_other, of_base, of_both = told
    # Between what each made of the base.
    assert np.linalg.norm(of_both - of_one) < np.linalg.norm(of_other - of_one)
    assert np.linalg.norm(of_both - of_other) < np.linalg.norm(of_other - of_one)
    assert not np.allclose(of_both, of_base, rtol=1e-6)


def test_models_that_do_not_fit_are_refused() -> None:
    record = Fleet(1, VW).engines["s0"].state.learner.report()
    assert record is not None
    state = unpack(record, VWRecord)
    other = pack(VWRecord(state.arguments, "8.0", state.model))
    with pytest.raises(IncompatibleState, match="different versions"):
        merged_record(None, [record, other])
    with pytest.raises(CorruptRecord):
        Merger().take("a", Ranking(0, 0, record[:-1], merged=True))


@pytest.mark.parametrize("bits", [17, 19])
def test_models_that_cannot_be_merged_stay_their_own(bits: int) -> None:
    settings = SETTINGS.model_copy(
        update={"learners": LearnerSettings(ranker="vw", vw=VWSettings(bits=bits))}
    )
    fleet = Fleet(2, settings)
    live(fleet, 10, 1)
    assert [engine.mix.ranking() for engine in fleet.engines.values()] == [None, None]
    fleet.mix(rankers=True)
    assert [engine.stats().failed for engine in fleet.engines.values()] == [0, 0]
