"""One River estimator per person: any of them, and none of their failures."""

import math

import numpy as np
import pytest
from river import base
from typing_extensions import override

from recsys.catalogue import Catalogue
from recsys.codec import pack
from recsys.errors import CorruptRecord, IncompatibleState, InvalidSettings
from recsys.ids import feature_hash
from recsys.learners import river_model
from recsys.learners.user_model import UserModel
from recsys.parameters import Parameters
from recsys.settings import CatalogueSettings, UserModelSettings
from recsys.users import User
from tests.engines import KEY

ITEMS = np.arange(6, dtype=np.int32)


def catalogue() -> Catalogue:
    items = Catalogue(CatalogueSettings())
    for number in range(6):
        items.upsert(f"i{number}", 0, {"genre": f"g{number % 3}", "tag": f"t{number % 2}"})
    items.upsert("bare", 0, {})
    return items


def model(
    estimator: str = "river.linear_model.LogisticRegression",
    parameters: Parameters | None = None,
    *,
    key: bytes = KEY,
    enabled: bool = True,
) -> UserModel:
    settings = UserModelSettings(estimator=estimator, parameters=parameters or {}, enabled=enabled)
    return UserModel(settings, catalogue(), key)


def teach(taught: UserModel, user: User, times: int = 40, first: int = 0) -> None:
    for step in range(first, first + times):
        taught.learn(user, step % 6, float(step % 3 == 0), shown=True)


def answers(asked: UserModel, user: User) -> list[float]:
    return [float(value) for value in asked.features(user, ITEMS)[:, 0]]


class Diverging(base.Classifier):
    """Answers NaN after so many lessons, or raises what arithmetic raises.

    So it does all the time for items of one genre.
    """

    blind_spot = feature_hash("attribute", "genre=g1") % UserModelSettings().features

    def __init__(self, after: int = 5, raises: bool = False) -> None:
        self.after = after
        self.raises = raises
        self.lessons = 0

    @override
    def learn_one(self, x: dict[base.typing.FeatureName, object], y: base.typing.ClfTarget) -> None:
        self.lessons += 1

    @override
    def predict_proba_one(
        self, x: dict[base.typing.FeatureName, object], **kwargs: object
    ) -> dict[base.typing.ClfTarget, float]:
        if self.lessons > self.after or self.blind_spot in x:
            return {True: math.exp(1e6) if self.raises else math.nan}
        return {True: 0.5 + self.lessons / 1000}


class Huge(base.Regressor):
    """Answers numbers that no float16 holds."""

    @override
    def learn_one(
        self, x: dict[base.typing.FeatureName, object], y: base.typing.RegTarget
    ) -> None: ...

    @override
    def predict_one(self, x: dict[base.typing.FeatureName, object]) -> base.typing.RegTarget:
        return 1e300


class Unstorable(Diverging):
    """Holds a file's reader, which the allowed classes do not include."""

    def __init__(self) -> None:
        super().__init__()
        self.reader = print


@pytest.mark.parametrize(
    ("estimator", "parameters"),
    [
        ("river.linear_model.LogisticRegression", {"l2": 0.1}),
        ("river.linear_model.LinearRegression", {}),
        ("river.linear_model.ALMAClassifier", {}),
        ("river.linear_model.Perceptron", {}),
        ("river.linear_model.BayesianLinearRegression", {}),
        ("river.naive_bayes.GaussianNB", {}),
        ("river.naive_bayes.ComplementNB", {"alpha": 0.5}),
        ("river.tree.HoeffdingTreeClassifier", {"grace_period": 10}),
        ("river.tree.HoeffdingAdaptiveTreeRegressor", {"grace_period": 10}),
        ("river.tree.LASTClassifier", {}),
        ("river.forest.AMFClassifier", {"n_estimators": 2}),
        ("river.forest.ARFRegressor", {"n_models": 2}),
        ("river.forest.OXTRegressor", {"n_models": 2}),
        ("river.neighbors.KNNClassifier", {}),
        ("river.facto.FMClassifier", {"n_factors": 2}),
        ("river.rules.AMRules", {}),
        ("river.dummy.PriorClassifier", {}),
    ],
)
def test_any_estimator_of_river_resumes_from_the_store(
    estimator: str, parameters: Parameters
) -> None:
    steady, stored = model(estimator, parameters), model(estimator, parameters)
    one, other = User(user_id="u"), User(user_id="u")
    teach(steady, one)
    teach(stored, other)
    stored.store(other)
    resumed = model(estimator, parameters)
    heir = User(user_id="u", model=other.model)
    assert answers(resumed, heir) == answers(steady, one)
    teach(steady, one, first=40)
    teach(resumed, heir, first=40)
    assert answers(resumed, heir) == answers(steady, one)
    assert resumed.resets == 0


def test_who_draws_lots_draws_the_same_again() -> None:
    runs = list[list[float]]()
    for _ in range(2):
        one, user = model("river.forest.ARFClassifier", {"n_models": 2}), User(user_id="u")
        teach(one, user, times=60)
        runs.append(answers(one, user))
    assert runs[0] == runs[1]


@pytest.mark.parametrize(
    ("estimator", "parameters", "words"),
    [
        ("LogisticRegression", {}, r"learners\.user_model\.estimator: cannot import"),
        ("river.linear_model.Missing", {}, r"learners\.user_model\.estimator: cannot import"),
        ("no.such.module.Model", {}, r"learners\.user_model\.estimator: cannot import"),
        ("", {}, r"learners\.user_model\.estimator: cannot import"),
        ("river.cluster.KMeans", {}, r"learners\.user_model\.estimator: .* is no River"),
        ("builtins.dict", {}, r"learners\.user_model\.estimator: .* is no River"),
        ("river.linear_model", {}, r"learners\.user_model\.estimator: .* is no River"),
        ("river.base.Classifier", {}, r"learners\.user_model\.parameters \{\}"),
        ("river.reco.BiasedMF", {}, r"learners\.user_model\.estimator: .* rates pairs of a user"),
        ("river.ensemble.BaggingClassifier", {}, r"learners\.user_model\.parameters .*'model'"),
        (
            "river.linear_model.LogisticRegression",
            {"unheard_of": 1},
            r"learners\.user_model\.parameters \{'unheard_of': 1\}",
        ),
        (
            "river.linear_model.LogisticRegression",
            {"loss": "log"},
            r"learners\.user_model\.parameters \{'loss': 'log'\}",
        ),
        (f"{__name__}.Unstorable", {}, r"learners\.user_model\.parameters .*print"),
    ],
)
def test_settings_that_cannot_work_are_refused_by_name(
    estimator: str, parameters: Parameters, words: str
) -> None:
    with pytest.raises(InvalidSettings, match=words):
        model(estimator, parameters)


@pytest.mark.parametrize("raises", [False, True], ids=["nan", "overflow"])
def test_a_model_that_answers_no_number_begins_anew(raises: bool) -> None:
    one = model(f"{__name__}.Diverging", {"after": 5, "raises": raises})
    user = User(user_id="u")
    for lesson in range(1, 6):
        one.learn(user, 0, 1.0, shown=True)
        assert answers(one, user)[0] == pytest.approx(0.5 + lesson / 1000)
    assert one.resets == 0
    one.learn(user, 0, 1.0, shown=True)
    assert one.resets == 1
    assert answers(one, user)[0] == pytest.approx(0.5)


@pytest.mark.parametrize("raises", [False, True], ids=["nan", "overflow"])
def test_where_a_model_has_no_answer_it_is_zero(raises: bool) -> None:
    one, user = model(f"{__name__}.Diverging", {"after": 5, "raises": raises}), User(user_id="u")
    one.learn(user, 0, 1.0, shown=True)
    known = pytest.approx(0.501)
    assert answers(one, user) == [known, 0.0, known, known, 0.0, known]


def test_a_model_is_bounded_however_many_attributes_somebody_likes() -> None:
    items = Catalogue(CatalogueSettings(max_items=3000))
    for number in range(3000):
        items.upsert(f"i{number}", 0, {"title": f"title {number}"})
    settings = UserModelSettings(features=32)
    one, user = UserModel(settings, items, KEY), User(user_id="u")
    sizes = []
    for half in range(2):
        for item in range(half * 1500, half * 1500 + 1500):
            one.learn(user, item, 1.0, shown=True)
        one.store(user)
        sizes.append(len(user.model))
    assert sizes[1] <= sizes[0] + 16 < 2000


def test_answers_fit_the_format_in_which_they_travel() -> None:
    one, user = model(f"{__name__}.Huge"), User(user_id="u")
    one.learn(user, 0, 1.0, shown=True)
    features = one.features(user, ITEMS)
    assert np.isfinite(features.astype(np.float16)).all()
    assert features[0, 0] == np.finfo(np.float16).max


def test_another_river_starts_again_and_only_learning_counts_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    user = User(user_id="u")
    with monkeypatch.context() as earlier:
        earlier.setattr(river_model, "_RIVER", "0.1.0")
        old = model()
        teach(old, user)
        old.store(user)
    new = model()
    before = new.snapshot()
    for _ in range(3):
        assert answers(new, user) == [0.0] * 6
    assert new.snapshot() == before, "asking counted"
    new.learn(user, 0, 1.0, shown=True)
    new.learn(user, 1, 0.0, shown=True)
    assert new.resets == 1
    new.store(user)
    assert answers(model(), user) == answers(new, user) != [0.0] * 6


def test_other_parameters_start_again() -> None:
    user = User(user_id="u")
    old = model(parameters={"l2": 0.1})
    teach(old, user)
    old.store(user)
    new = model(parameters={"l2": 0.2})
    new.learn(user, 0, 1.0, shown=True)
    assert new.resets == 1


def test_a_model_sealed_under_another_key_is_not_opened() -> None:
    thief, user = model(key=b"x" * 32), User(user_id="u")
    teach(thief, user)
    thief.store(user)
    with pytest.raises(CorruptRecord, match="not written by this installation"):
        model().features(user, ITEMS)


def test_another_key_is_noticed_before_any_person_comes() -> None:
    with pytest.raises(IncompatibleState, match="another key"):
        model().restore(model(key=b"x" * 32).snapshot())


def test_resets_are_in_the_snapshot() -> None:
    one, user = model(f"{__name__}.Diverging", {"after": 1}), User(user_id="u")
    teach(one, user, times=4)
    assert one.resets == 2
    other = model(f"{__name__}.Diverging", {"after": 1})
    other.restore(one.snapshot())
    assert other.resets == 2
    with pytest.raises(CorruptRecord):
        other.restore(pack("something else"))


def test_who_left_memory_comes_back_from_the_record_alone() -> None:
    one, user = model(), User(user_id="u")
    teach(one, user)
    before = answers(one, user)
    one.store(user)
    one.forget(user)
    assert answers(one, user) == before
    user.model = b""
    one.forget(user)
    assert answers(one, user) == [0.0] * 6


def test_switched_off_it_neither_learns_nor_answers() -> None:
    off, user = model(enabled=False), User(user_id="u")
    teach(off, user)
    off.store(user)
    assert (answers(off, user), user.model) == ([0.0] * 6, b"")


def test_an_item_without_attributes_is_scored_too() -> None:
    one, user = model(), User(user_id="u")
    teach(one, user)
    one.learn(user, 6, 1.0, shown=True)
    features = one.features(user, np.array([6, -1], np.int32))
    assert features.shape == (2, 1)
    assert np.isfinite(features).all()
