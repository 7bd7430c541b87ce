"""The adapter: River's own answers, and a model that nobody changes by asking."""

import math
import random
from operator import methodcaller

import pytest
from river import optim, reco

from recsys.errors import InvalidSettings
from recsys.learners.river_model import Inputs, Lesson, RiverKind
from recsys.settings import UserModelSettings
from tests.engines import KEY

SGD = {"class": "river.optim.SGD", "parameters": {"lr": 0.05}}
NORMAL = {"class": "river.optim.initializers.Normal", "parameters": {"sigma": 0.1, "seed": 73}}
BIASED = {"n_factors": 4, "latent_optimizer": SGD, "latent_initializer": NORMAL}
PAIRS: dict[str, tuple[str, dict[str, object]]] = {
    "baseline": ("river.reco.Baseline", {"optimizer": SGD}),
    "funk": ("river.reco.FunkMF", {"n_factors": 4}),
    "biased": ("river.reco.BiasedMF", BIASED),
    "random": ("river.reco.RandomNormal", {}),
    "clipped": (
        "river.preprocessing.PredClipper",
        {
            "regressor": {"class": "river.reco.BiasedMF", "parameters": BIASED},
            "y_min": 1,
            "y_max": 5,
        },
    ),
}
FEATURES: dict[str, tuple[str, dict[str, object]]] = {
    "logistic": ("river.linear_model.LogisticRegression", {}),
    "bayesian": ("river.linear_model.BayesianLinearRegression", {}),
    "factors": ("river.facto.FMClassifier", {"n_factors": 2}),
    "high factors": ("river.facto.HOFMRegressor", {"n_factors": 2}),
    "naive": ("river.naive_bayes.GaussianNB", {}),
    "tree": ("river.tree.HoeffdingTreeClassifier", {"grace_period": 5}),
    "forest": ("river.forest.ARFRegressor", {"n_models": 2}),
    "weighed": (
        "river.ensemble.BaggingClassifier",
        {
            "model": {"class": "river.facto.FMClassifier", "parameters": {"n_factors": 2}},
            "n_models": 2,
        },
    ),
}
KINDS = PAIRS | FEATURES


def kind(name: str) -> RiverKind:
    estimator, parameters = KINDS[name]
    document = {"estimator": estimator, "parameters": parameters}
    settings = UserModelSettings.model_validate(document)
    return RiverKind("part", settings.estimator, settings.parameters, key=KEY)


def lessons(seed: int, n: int, first: int = 0) -> list[tuple[Lesson, float]]:
    """Return lessons about ten users, items and features from ``first`` on."""
    lots = random.Random(seed)

    def one() -> Lesson:
        inputs: Inputs = {first + lots.randrange(10): 1.0 for _ in range(3)}
        user, item = (first + lots.randrange(10) for _ in range(2))
        return Lesson(inputs, f"u{user}", f"i{item}")

    return [(one(), float(lots.randrange(6))) for _ in range(n)]


@pytest.mark.parametrize("name", KINDS)
def test_asking_teaches_nothing(name: str) -> None:
    models = kind(name)
    asked, left_alone = models.make(), models.make()
    for known, reward in lessons(1, 120):
        asked.teach(known, reward)
        left_alone.teach(known, reward)
    before = models.seal(asked)
    for strange, _ in [*lessons(2, 30, first=100), *lessons(3, 30, first=5)]:
        asked.asking()(strange)
    ask = asked.asking()
    answers = [ask(strange) for strange, _ in lessons(4, 30, first=200)]
    assert all(math.isfinite(answer) for answer in answers)
    assert models.seal(asked) == before, "asking left a trace"
    for later, reward in lessons(5, 60, first=3):
        assert asked.teach(later, reward)
        assert left_alone.teach(later, reward)
        assert asked.asking()(later) == left_alone.asking()(later), "asking changed what came later"


@pytest.mark.parametrize("name", KINDS)
def test_a_stored_model_goes_on(name: str) -> None:
    models = kind(name)
    one = models.make()
    for known, reward in lessons(1, 60):
        one.teach(known, reward)
    other = kind(name).open(models.seal(one))
    assert other is not None
    for later, reward in lessons(2, 60, first=5):
        assert one.asking()(later) == other.asking()(later)
        one.teach(later, reward)
        other.teach(later, reward)


def test_the_answers_are_rivers_own() -> None:
    """Asked about everybody just before the lesson, strangers included, as River's own protocol."""
    river = reco.BiasedMF(
        n_factors=4,
        latent_optimizer=optim.SGD(0.05),
        latent_initializer=optim.initializers.Normal(sigma=0.1, seed=73),
    )
    ours = kind("clipped").make()
    for lesson, reward in [*lessons(1, 200), *lessons(2, 200, first=5)]:
        pair = {"user": lesson.user, "item": lesson.item}
        # By name, because River gives these methods no types.
        theirs: float = methodcaller("predict_one", **pair)(river)
        assert ours.asking()(lesson) == min(max(theirs, 1.0), 5.0)
        methodcaller("learn_one", **pair, y=reward)(river)
        ours.teach(lesson, reward)


def test_strangers_are_answered_alike_until_something_is_learned() -> None:
    model = kind("biased").make()
    for known, reward in lessons(1, 60):
        model.teach(known, reward)
    stranger = Lesson({}, "nobody", "i1")
    first = model.asking()(stranger)
    model.asking()(Lesson({}, "somebody", "else"))
    assert model.asking()(stranger) == first


def test_a_model_of_another_kind_is_not_opened() -> None:
    record = kind("biased").seal(kind("biased").make())
    assert kind("funk").open(record) is None
    assert kind("biased").open(record) is not None


def test_what_cannot_work_is_refused_by_the_name_of_its_settings() -> None:
    with pytest.raises(InvalidSettings, match=r"^part\.estimator: 'river\.optim\.SGD' is no River"):
        RiverKind("part", "river.optim.SGD", {}, key=KEY)
    with pytest.raises(InvalidSettings, match=r"^part\.parameters \{\} give no river\.preproc"):
        RiverKind("part", "river.preprocessing.PredClipper", {}, key=KEY)
    settings = UserModelSettings.model_validate({"parameters": {"optimizer": SGD | {"class": "x"}}})
    with pytest.raises(InvalidSettings, match=r"^part\.parameters\.optimizer\.class: 'x' is not"):
        RiverKind("part", settings.estimator, settings.parameters, key=KEY)
