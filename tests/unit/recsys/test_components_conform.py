"""Every source, learner and personal model runs the public conformance suite."""

from collections.abc import Callable

import pytest

from recsys.candidates.base import Source
from recsys.candidates.fresh import Fresh
from recsys.candidates.popular import Popular
from recsys.candidates.transitions import Transitions
from recsys.checks.learner import (
    N_FEATURES,
    LearnerCheck,
    PersonalCheck,
    learner_checks,
    personal_checks,
)
from recsys.checks.source import SourceCheck, source_checks
from recsys.checks.world import World
from recsys.features.encode import TextEncoder
from recsys.learners.base import Learner, PersonalModel
from recsys.learners.personal_bandit import PersonalBandit
from recsys.learners.user_model import UserModel
from recsys.learners.vw_bandit import VWBandit
from recsys.settings import (
    FreshSettings,
    PersonalBanditSettings,
    PopularSettings,
    TransitionSettings,
    UserModelSettings,
    VWSettings,
)

KEY = b"k" * 32

SOURCES: dict[str, Callable[[World], Source]] = {
    "popular": lambda world: Popular(PopularSettings()),
    "popular-hasty": lambda world: Popular(PopularSettings(half_life_s=1.0)),
    "transitions": lambda world: Transitions(TransitionSettings()),
    "transitions-narrow": lambda world: Transitions(TransitionSettings(neighbours=4)),
    "fresh": lambda world: Fresh(FreshSettings(), world.catalogue, world.counts),
}


def _vw(settings: VWSettings) -> Callable[[World], Learner]:
    columns = [f"f{number}" for number in range(N_FEATURES)]
    return lambda world: VWBandit(settings, TextEncoder(world.catalogue, columns))


LEARNERS: dict[str, Callable[[World], Learner]] = {
    "vw-mtr": _vw(VWSettings()),
    "vw-mtr-propensity": _vw(VWSettings(weighting="propensity")),
    "vw-ips": _vw(VWSettings(cb_type="ips")),
    "vw-small": _vw(VWSettings(bits=12)),
}


def _river(path: str, **parameters: object) -> Callable[[World], PersonalModel]:
    document = {"estimator": path, "parameters": parameters}
    settings = UserModelSettings.model_validate(document)
    return lambda world: UserModel(settings, world.catalogue, KEY)


PERSONAL: dict[str, Callable[[World], PersonalModel]] = {
    "bandit": lambda world: PersonalBandit(PersonalBanditSettings(), world.catalogue),
    "river-logistic": _river("river.linear_model.LogisticRegression"),
    "river-linear": _river("river.linear_model.LinearRegression", l2=0.01),
    "river-forest": _river("river.forest.ARFClassifier", n_models=2, seed=1),
    "river-bayes": _river("river.naive_bayes.BernoulliNB", alpha=0.5),
    "river-factors": _river("river.facto.FMClassifier", n_factors=2),
    "river-clipped": _river(
        "river.preprocessing.PredClipper",
        regressor={
            "class": "river.linear_model.LinearRegression",
            "parameters": {"optimizer": {"class": "river.optim.Adam"}},
        },
        y_min=0,
        y_max=1,
    ),
}


@pytest.mark.parametrize("name", SOURCES)
@pytest.mark.parametrize("check", list(source_checks()), ids=lambda check: check.name)
def test_source(name: str, check: SourceCheck) -> None:
    check.run(SOURCES[name])


@pytest.mark.parametrize("name", LEARNERS)
@pytest.mark.parametrize("check", list(learner_checks()), ids=lambda check: check.name)
def test_learner(name: str, check: LearnerCheck) -> None:
    check.run(LEARNERS[name])


@pytest.mark.parametrize("name", PERSONAL)
@pytest.mark.parametrize("check", list(personal_checks()), ids=lambda check: check.name)
def test_personal_model(name: str, check: PersonalCheck) -> None:
    check.run(PERSONAL[name])
