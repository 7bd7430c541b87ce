"""After mixing, every shard knows the sums that one shard would know that saw everything."""

import numpy as np
import pytest

from tests.mixing import SETTINGS, Fleet, known_of

PEOPLE = [f"u{number}" for number in range(11)]


def live(fleet: Fleet, steps: int, seed: int, mix_every: int) -> None:
    chance = np.random.default_rng(seed)
    for step in range(steps):
        user = PEOPLE[chance.integers(len(PEOPLE))]
        match chance.integers(4):
            case 0:
                fleet.ask(user)
            case 1:
                fleet.click(user, int(chance.integers(3)))
            case 2:
                fleet.find(user, int(chance.integers(12)))
            case _:
                fleet.find(user, int(chance.integers(12)), "view")
        if step % mix_every == mix_every - 1:
            fleet.mix(rankers=bool(chance.integers(2)))
    fleet.mix()


@pytest.mark.parametrize("shards", [2, 3, 8])
def test_sums_of_all_shards_are_those_of_one_that_saw_everything(shards: int) -> None:
    fleet = Fleet(shards)
    live(fleet, 150, seed=shards, mix_every=20)
    expected = known_of(fleet.whole.state, fleet.now_ms())
    assert expected["clicked"].sum() > 0
    assert expected["bonds"].sum() > 0
    for engine in fleet.engines.values():
        assert engine.mix.position.refused == 0
        found = known_of(engine.state, fleet.now_ms())
        for name, values in expected.items():
            np.testing.assert_allclose(found[name], values, rtol=1e-5, atol=1e-6, err_msg=name)


def test_a_shard_that_does_not_mix_knows_only_its_own() -> None:
    fleet = Fleet(2)
    fleet.find("u0", 3)
    owner = fleet.owner("u0")
    for name, engine in fleet.engines.items():
        assert engine.state.counts.liked.sum() == (name == owner)
        assert engine.mix.position.waiting == (name == owner)


def test_lessons_left_out_by_lot_count_for_those_that_stay() -> None:
    settings = SETTINGS.model_copy(update={"mix": SETTINGS.mix.model_copy(update={"per_s": 100})})
    fleet = Fleet(2, settings)
    fleet.mix()
    for number in range(400):
        fleet.find(f"u{number % 50}", number % 12)
    # A mixer asks for a share once it has heard how much there is.
    fleet.mix()
    for number in range(400):
        fleet.find(f"u{number % 50}", (number + number // 50) % 12)
    fleet.mix()
    for engine in fleet.engines.values():
        assert engine.state.counts.liked.sum() == pytest.approx(800, rel=0.25)


def test_what_is_kept_of_priors_does_not_outlive_what_others_teach() -> None:
    fleet = Fleet(2)
    live(fleet, 120, seed=3, mix_every=10)
    for engine in fleet.engines.values():
        priors = engine.state.personal_bandit.priors
        tokens = range(engine.state.catalogue.n_tokens)
        before = [priors.of(token) for token in tokens]
        priors.add(priors.sums())
        after = [priors.of(token) for token in tokens]
        record = priors.snapshot()
        priors.restore(record)
        assert after == [priors.of(token) for token in tokens]
        assert after != before
