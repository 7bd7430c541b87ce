"""The shared bandit: what it learns from, what it refuses, where it fails."""

import os
from pathlib import Path

import numpy as np
import pytest
from typing_extensions import override

from recsys.checks.learner import COLUMNS
from recsys.checks.world import make_world
from recsys.codec import pack
from recsys.errors import CorruptRecord, IncompatibleState, StoreError
from recsys.features.base import Candidates, Example
from recsys.features.encode import TextEncoder
from recsys.learners.vw_bandit import VWBandit
from recsys.learners.vw_raw import RawWorkspace
from recsys.settings import VWSettings

WORLD = make_world()
N_FEATURES = len(COLUMNS)
NOTHING = np.zeros(0, np.float32)


def bandit(settings: VWSettings | None = None) -> VWBandit:
    return VWBandit(settings or VWSettings(bits=12), TextEncoder(WORLD.catalogue, COLUMNS))


def example(propensity: float, reward: float = 1.0) -> Example:
    old = WORLD.example(1, N_FEATURES)
    return Example(old.user, old.context, old.item, old.numeric, 0, propensity, reward)


def candidates_of(taught: Example) -> Candidates:
    """Return the item that was taught, and one that was not, to the person who was there."""
    numeric = np.zeros((2, N_FEATURES), np.float32)
    items = np.array([taught.item, (taught.item + 1) % len(WORLD.catalogue)], np.int32)
    return Candidates(taught.user, taught.context, items, numeric, NOTHING)


def gap(learner: VWBandit, taught: Example) -> float:
    scores = learner.score(candidates_of(taught))
    return float(scores[0] - scores[1])


def test_nothing_learned_is_no_opinion() -> None:
    assert np.ptp(bandit().score(WORLD.candidates(1, N_FEATURES))) < 1e-6


def test_nobody_to_score_is_no_score() -> None:
    nobody = Candidates(
        1, (), np.zeros(0, np.int32), np.zeros((0, N_FEATURES), np.float32), NOTHING
    )
    learner = bandit()
    before = learner.fingerprint()
    assert learner.score(nobody).shape == (0,)
    assert learner.fingerprint() == before


def test_propensity_counts_only_when_asked_to() -> None:
    rare, common = example(0.05), example(0.9)
    for weighting, equal in (("unweighted", True), ("propensity", False)):
        prints = set[bytes]()
        for one in (rare, common):
            learner = bandit(
                VWSettings.model_validate({"bits": 12, "weighting": weighting, "cb_type": "ips"})
            )
            learner.learn(one)
            prints.add(learner.fingerprint())
        assert (len(prints) == 1) is equal, weighting


def test_a_tiny_propensity_is_raised_to_the_floor() -> None:
    settings = VWSettings(bits=12, weighting="propensity", cb_type="ips", propensity_floor=0.1)
    prints = set[bytes]()
    for propensity in (1e-300, 0.05, 0.1):
        learner = bandit(settings)
        learner.learn(example(propensity))
        prints.add(learner.fingerprint())
    assert len(prints) == 1


@pytest.mark.parametrize("reward", [10.0, -10.0])
def test_the_largest_rewards_leave_finite_scores(reward: float) -> None:
    learner = bandit()
    taught = example(1e-6, reward)
    for _ in range(300):
        learner.learn(taught)
    assert np.isfinite(learner.score(candidates_of(taught))).all()
    assert (gap(learner, taught) > 1.0) is (reward > 0)


@pytest.mark.parametrize(
    "other",
    [
        VWSettings(bits=13),
        VWSettings(bits=12, learning_rate=0.3),
        VWSettings(bits=12, cb_type="ips"),
    ],
    ids=["bits", "learning_rate", "cb_type"],
)
def test_a_model_of_other_settings_is_incompatible(other: VWSettings) -> None:
    with pytest.raises(IncompatibleState, match="learned by Vowpal Wabbit"):
        bandit(other).restore(bandit().snapshot())


def test_a_model_of_another_version_is_incompatible() -> None:
    record = pack({"arguments": "--cb_explore_adf", "version": "8.0.0", "model": b"x"})
    with pytest.raises(IncompatibleState, match=r"Vowpal Wabbit 8\.0\.0"):
        bandit().restore(record)


def test_another_number_of_answers_than_candidates_is_noticed() -> None:
    learner = bandit()
    crowd = WORLD.candidates(1, N_FEATURES)
    broken = crowd._replace(numeric=crowd.numeric[:0], items=crowd.items[:0])
    assert len(learner.score(broken)) == 0

    class Cheat(TextEncoder):
        @override
        def candidates(self, candidates: Candidates) -> bytes:
            return super().candidates(candidates) + b"\n|i 1"

    liar = VWBandit(VWSettings(bits=12), Cheat(WORLD.catalogue, COLUMNS))
    with pytest.raises(CorruptRecord, match="9 candidates went in, 10 came out"):
        liar.score(crowd)


def test_a_model_that_cannot_be_written_says_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = RawWorkspace("--cb_explore_adf -b 10")
    monkeypatch.setattr("tempfile.tempdir", os.fspath(tmp_path / "gone"))
    with pytest.raises(StoreError, match="gone"):
        workspace.save()
    workspace.close()
