"""The personal bandit against a Kalman filter written with vectors."""

import math

import numpy as np
import pytest

from recsys.catalogue import Catalogue
from recsys.learners.personal_bandit import PersonalBandit
from recsys.learners.taste_kernels import optimistic
from recsys.settings import CatalogueSettings, PersonalBanditSettings
from recsys.users import User

SETTINGS = PersonalBanditSettings(prior_variance=0.2, noise_variance=0.3, adapt=False, drift=0.03)
ITEMS: list[list[str]] = [["a"], ["a", "b"], ["c", "d", "e"], [], ["b", "c"]]
EVERYTHING = np.array([0, 1, 2, 3, 4, -1], np.int32)


def catalogue() -> Catalogue:
    made = Catalogue(CatalogueSettings())
    for number, tags in enumerate(ITEMS):
        made.upsert(f"i{number}", 0, {"tag": tags})
    return made


def bandit(settings: PersonalBanditSettings = SETTINGS) -> PersonalBandit:
    return PersonalBandit(settings, catalogue())


def base_rate(model: PersonalBandit) -> float:
    """Return the base by asking somebody for whom a lesson is all surprise."""
    probe = User(user_id="probe")
    model.learn(probe, 0, 0.0, shown=False)
    prior = SETTINGS.prior_variance
    return -probe.tastes.mean[0] * (prior + SETTINGS.noise_variance) / prior


def test_every_lesson_is_a_step_of_the_filter() -> None:
    rng = np.random.default_rng(1)
    model, user = bandit(), User(user_id="u")
    mean, variance = np.zeros(5), np.full(5, SETTINGS.prior_variance)
    for _ in range(60):
        item = int(rng.integers(len(ITEMS)))
        reward = float(rng.choice([-2.0, 0.0, 0.5, 5.0]))
        base = base_rate(model)
        model.learn(user, item, reward, shown=bool(rng.integers(2)))
        tokens = [ord(tag) - ord("a") for tag in ITEMS[item]]
        if not tokens:
            continue
        x = np.zeros(5)
        x[tokens] = 1.0 / math.sqrt(len(tokens))
        mean = mean * (1.0 - SETTINGS.drift)
        gone = SETTINGS.prior_variance - variance
        variance = SETTINGS.prior_variance - gone * (1.0 - SETTINGS.drift) ** 2
        surprise = min(max(reward, -1.0), 1.0) - base - x @ mean
        gain = variance * x / (SETTINGS.noise_variance + x**2 @ variance)
        mean = mean + gain * surprise
        variance = variance - gain * variance * x
    for token in range(5):
        kept = (1.0 - SETTINGS.drift) ** (user.tastes.lessons - user.tastes.touched[token])
        assert user.tastes.mean[token] * kept == pytest.approx(mean[token], abs=1e-9)
        left = 1.0 - (1.0 - user.tastes.left[token]) * kept**2
        assert SETTINGS.prior_variance * left == pytest.approx(variance[token], abs=1e-9)
    answers = model.features(user, EVERYTHING)
    for item, tags in enumerate(ITEMS):
        tokens = [ord(tag) - ord("a") for tag in tags]
        count = max(len(tokens), 1)
        assert answers[item, 0] == pytest.approx(mean[tokens].sum() / math.sqrt(count), abs=1e-6)
        assert answers[item, 1] == pytest.approx(
            math.sqrt(variance[tokens].sum() / count), abs=1e-6
        )
        lift = math.log(max(model.base + answers[item, 0], 0.1 * model.base) / model.base)
        assert answers[item, 2] == pytest.approx(lift, abs=1e-5)
    assert answers[-1].tolist() == [0.0, 0.0, 0.0]


def test_only_what_was_shown_moves_the_base() -> None:
    model = bandit()
    start = base_rate(model)
    for _ in range(50):
        model.learn(User(user_id="finder"), 0, 1.0, shown=False)
    assert base_rate(model) == pytest.approx(start)
    for _ in range(200):
        model.learn(User(user_id="shown"), 0, 1.0, shown=True)
    assert base_rate(model) > start + 0.3


def test_a_person_keeps_so_many_tastes_and_the_vaguest_goes() -> None:
    model = bandit(PersonalBanditSettings(attributes=4))
    user = User(user_id="u")
    for _ in range(5):
        model.learn(user, 0, 1.0, shown=True)
    (sure,) = user.tastes.mean
    model.learn(user, 2, 1.0, shown=True)
    model.learn(user, 1, 1.0, shown=True)
    assert len(user.tastes.mean) == len(user.tastes.left) == 4
    assert user.tastes.mean.keys() == user.tastes.left.keys()
    assert sure in user.tastes.mean, "the surest taste was given up"


def test_a_full_table_learns_new_tastes() -> None:
    model, user = bandit(PersonalBanditSettings(attributes=3)), User(user_id="u")
    for item in (1, 2):
        for _ in range(5):
            model.learn(user, item, 1.0, shown=True)
    mean = model.posterior(user, np.array([1, 2], np.int32))[:, 0]
    assert mean[1] > 0.2 > mean[0] == 0.0


def test_an_item_with_more_attributes_than_fit_is_bounded_too() -> None:
    model, user = bandit(PersonalBanditSettings(attributes=1)), User(user_id="u")
    model.learn(user, 2, 1.0, shown=True)
    assert len(user.tastes.mean) == len(user.tastes.left) == 1


def test_a_taste_that_turns_is_followed() -> None:
    model, user = bandit(), User(user_id="u")
    for _ in range(300):
        model.learn(user, 0, 1.0, shown=False)
    liked = float(model.features(user, EVERYTHING)[0, 0])
    for _ in range(60):
        model.learn(user, 0, -1.0, shown=False)
    assert float(model.features(user, EVERYTHING)[0, 0]) < -0.5 < 0.5 < liked


def test_the_base_is_in_the_snapshot() -> None:
    one, other = bandit(), bandit()
    for _ in range(20):
        one.learn(User(user_id="u"), 0, 1.0, shown=True)
    other.restore(one.snapshot())
    assert base_rate(other) == base_rate(one) != base_rate(bandit())


def crowd(settings: PersonalBanditSettings, *, shown: bool) -> tuple[PersonalBandit, Catalogue]:
    """Return a bandit that met people who each have a genre, and do not care for the language."""
    rng = np.random.default_rng(3)
    catalogue = Catalogue(CatalogueSettings())
    kinds = [(genre, language) for genre in range(5) for language in range(5)]
    for genre, language in kinds:
        catalogue.upsert(
            f"{genre}{language}", 0, {"genre": f"g{genre}", "language": f"l{language}"}
        )
    model = PersonalBandit(settings, catalogue)
    for number in range(60):
        user = User(user_id=f"u{number}")
        for item in rng.integers(len(kinds), size=40).tolist():
            chance = 0.7 if kinds[item][0] == number % 5 else 0.05
            model.learn(user, item, float(rng.random() < chance), shown=shown)
    return model, catalogue


def test_what_people_differ_in_is_believed_sooner() -> None:
    adapting, _ = crowd(PersonalBanditSettings(), shown=True)
    assert adapting.priors.prior("genre") > 3.0 * adapting.priors.prior("language")
    user = User(user_id="new")
    adapting.learn(user, 0, 1.0, shown=True)
    same_genre, same_language = adapting.posterior(user, np.array([1, 5], np.int32))[:, 0]
    assert same_genre > 3.0 * same_language > 0.0


def test_the_noise_is_what_the_rewards_scatter_by() -> None:
    settings = PersonalBanditSettings(caution=1.0, noise_variance=0.5)
    model, _ = crowd(settings, shown=True)
    # Of clicks with chances .7 and .05; part of it is people's tastes, which are learned late.
    assert 0.05 < model.priors.noise < 0.2
    wary, _ = crowd(settings.model_copy(update={"caution": 3.0}), shown=True)
    assert wary.priors.noise > 2.0 * model.priors.noise


def test_what_was_found_says_nothing_about_how_people_differ() -> None:
    settings = PersonalBanditSettings()
    model, _ = crowd(settings, shown=False)
    assert model.priors.prior("genre") == model.priors.prior("language") == settings.prior_variance
    assert model.priors.noise == pytest.approx(settings.noise_variance)


def test_asking_makes_no_field() -> None:
    model = bandit(PersonalBanditSettings())
    before = model.snapshot()
    model.features(User(user_id="u"), EVERYTHING)
    assert model.snapshot() == before


def test_priors_and_noise_are_in_the_snapshot() -> None:
    one, catalogue = crowd(PersonalBanditSettings(), shown=True)
    other = PersonalBandit(PersonalBanditSettings(), catalogue)
    other.restore(one.snapshot())
    assert (
        other.priors.prior("genre")
        == one.priors.prior("genre")
        != PersonalBanditSettings().prior_variance
    )
    user = User(user_id="u")
    one.learn(user, 0, 1.0, shown=False)
    items = np.arange(25, dtype=np.int32)
    np.testing.assert_array_equal(one.features(user, items), other.features(user, items))


def test_doubt_brings_tastes_back_to_what_is_not_known() -> None:
    model, user = bandit(), User(user_id="u")
    for _ in range(20):
        model.learn(user, 0, 1.0, shown=False)
    mean, deviation, _ = model.features(user, EVERYTHING)[0].tolist()
    model.widen(user, 0.5)
    doubted = model.features(user, EVERYTHING)[0].tolist()
    assert doubted[0] == pytest.approx(mean / 2.0, rel=1e-5)
    assert deviation < doubted[1] < math.sqrt(SETTINGS.prior_variance)
    model.widen(user, 1.0)
    assert model.features(user, EVERYTHING)[0, 0] == pytest.approx(0.0, abs=1e-6)


def test_what_a_set_may_be_worth_is_its_mean_and_half_its_deviation() -> None:
    model, user = bandit(), User(user_id="u")
    for item, reward in ((1, 1.0), (2, -1.0), (4, 0.5), (1, 0.0), (0, 1.0)):
        model.learn(user, item, reward, shown=True)
    mean, deviation, _ = model.posterior(user, EVERYTHING[:-1]).T
    expected = np.maximum(mean + 0.5 * deviation, 0.0)
    sets = catalogue().sets.tokens
    found = np.empty(len(sets), np.float32)
    optimistic(model.held, model.known(user), sets, 0.5, found)
    assert len(found) == len(ITEMS)
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert (found[:3] > 0.0).any()
    # Of a stranger nothing is known, and nothing of the one before is left behind.
    optimistic(model.held, model.known(User(user_id="stranger")), sets, 0.0, found)
    assert not found.any()


def test_dislikes_may_outweigh_everything() -> None:
    model, user = bandit(PersonalBanditSettings()), User(user_id="u")
    for _ in range(300):
        model.learn(user, 0, -1.0, shown=True)
        assert model.base > 0.0
        assert np.isfinite(model.features(user, EVERYTHING)).all()
