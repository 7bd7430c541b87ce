"""Every source, learner and personal model runs the public conformance suite."""

from collections.abc import Callable

import pytest

from recsys.candidates.base import Source
from recsys.candidates.factors import Factors
from recsys.candidates.fresh import Fresh
from recsys.candidates.popular import Popular
from recsys.candidates.popular_attributes import PopularAttributes
from recsys.candidates.recent_tastes import RecentTastes
from recsys.candidates.sessions import Sessions
from recsys.candidates.tastes import Tastes
from recsys.candidates.transitions import Transitions
from recsys.checks.learner import (
    COLUMNS,
    SHARED_COLUMNS,
    LearnerCheck,
    PersonalCheck,
    learner_checks,
    personal_checks,
)
from recsys.checks.source import SourceCheck, source_checks
from recsys.checks.world import World
from recsys.features.encode import TextEncoder
from recsys.learners.base import Learner, PersonalModel
from recsys.learners.ftrl import FTRLRanker
from recsys.learners.listwise import ListwiseRanker
from recsys.learners.personal_bandit import PersonalBandit
from recsys.learners.user_model import UserModel
from recsys.learners.vw_bandit import VWBandit
from recsys.settings import (
    FactorSettings,
    FreshSettings,
    FTRLSettings,
    ListwiseSettings,
    PersonalBanditSettings,
    PopularAttributeSettings,
    PopularSettings,
    PopularWindow,
    RecentTasteSettings,
    SessionSettings,
    TasteSettings,
    TransitionKernel,
    TransitionSettings,
    UserModelSettings,
    VWSettings,
)

KEY = b"k" * 32


def _popular(**half_lives_s: float) -> Callable[[World], Source]:
    windows = {name: PopularWindow(half_life_s=length) for name, length in half_lives_s.items()}
    return lambda world: Popular(PopularSettings(leaders=5, windows=windows), world.catalogue)


def _transitions(neighbours: int = 256, **kernels: TransitionKernel) -> Callable[[World], Source]:
    return lambda _: Transitions(TransitionSettings(neighbours=neighbours, kernels=kernels))


def _sessions(**changes: float) -> Callable[[World], Source]:
    settings = SessionSettings.model_validate({"sessions": 16} | changes)
    return lambda _: Sessions(settings)


def _factors(**changes: float) -> Callable[[World], Source]:
    settings = FactorSettings.model_validate(
        {"dimensions": 4, "negatives": 8, "latest": 50, "lessons": 20} | changes
    )
    return lambda _: Factors(settings, 1)


def _tastes(world: World) -> Source:
    """Return the source, with people who have tastes already."""
    # What it learns of everybody would differ between two that teach the same people in turn.
    bandit = PersonalBandit(PersonalBanditSettings(adapt=False), world.catalogue)
    for number, user in enumerate(world.users[1:]):
        bandit.learn(user, number, float(number % 2), shown=True)
    return Tastes(TasteSettings(leaders=5), bandit, world.catalogue, world.counts)


def _popular_attributes(**changes: object) -> Callable[[World], Source]:
    settings = PopularAttributeSettings.model_validate(changes)
    return lambda world: PopularAttributes(settings, world.catalogue, world.counts)


def _recent_tastes(**changes: float) -> Callable[[World], Source]:
    settings = RecentTasteSettings.model_validate(changes)
    return lambda world: RecentTastes(settings, world.catalogue, world.counts)


SOURCES: dict[str, Callable[[World], Source]] = {
    "popular": lambda world: Popular(PopularSettings(), world.catalogue),
    "popular-one-window": _popular(week=7 * 86_400.0),
    "popular-hasty": _popular(now=1.0, later=3600.0),
    "popular-attributes": _popular_attributes(),
    "popular-attributes-of-now": _popular_attributes(
        leaders=1, windows={"now": {"half_life_s": 1.0}}
    ),
    "transitions": lambda _: Transitions(TransitionSettings()),
    "transitions-narrow": lambda _: Transitions(TransitionSettings(neighbours=4)),
    "transitions-one-kernel": _transitions(only=TransitionKernel(history=3)),
    "transitions-forward": _transitions(4, only=TransitionKernel(direction="forward")),
    "transitions-backward": _transitions(only=TransitionKernel(direction="backward")),
    "transitions-share": _transitions(
        4, only=TransitionKernel(history=1, gap_floor=1.0, normalise="share")
    ),
    "transitions-forgetful": _transitions(4, only=TransitionKernel(half_life_s=30.0)),
    "transitions-mixed": _transitions(
        4, lasting=TransitionKernel(), hasty=TransitionKernel(half_life_s=1.0)
    ),
    "sessions": _sessions(),
    "sessions-short": _sessions(gap_s=30.0),
    "sessions-few-neighbours": _sessions(neighbours=2, occurrences=3, history=2),
    "sessions-one": _sessions(sessions=1),
    "factors": _factors(),
    "factors-small-rings": _factors(latest=7, lessons=3, replays=3, leaders=2),
    "factors-of-one-like": _factors(history=1, replays=0),
    "fresh": lambda world: Fresh(FreshSettings(), world.catalogue, world.counts),
    "fresh-few": lambda world: Fresh(FreshSettings(leaders=3), world.catalogue, world.counts),
    "tastes": _tastes,
    "recent-tastes": _recent_tastes(),
    "recent-tastes-of-one": _recent_tastes(history=1, leaders=1, decay=1.0),
}


def _vw(settings: VWSettings) -> Callable[[World], Learner]:
    return lambda world: VWBandit(settings, TextEncoder(world.catalogue, COLUMNS))


def _listwise(**changes: object) -> Callable[[World], Learner]:
    settings = ListwiseSettings.model_validate({"hidden": 16, "learning_rate": 5e-3} | changes)
    return lambda _: ListwiseRanker(settings, COLUMNS, SHARED_COLUMNS, seed=1)


def _ftrl(**changes: object) -> Callable[[World], Learner]:
    settings = FTRLSettings.model_validate(changes)
    return lambda world: FTRLRanker(settings, world.catalogue, COLUMNS)


LEARNERS: dict[str, Callable[[World], Learner]] = {
    "vw-mtr": _vw(VWSettings()),
    "vw-mtr-propensity": _vw(VWSettings(weighting="propensity")),
    "vw-ips": _vw(VWSettings(cb_type="ips")),
    "vw-small": _vw(VWSettings(bits=12)),
    "ftrl": _ftrl(),
    "ftrl-propensity": _ftrl(weighting="propensity"),
    "ftrl-small-and-hasty": _ftrl(bits=10, rate=0.3, beta=0.1),
    "ftrl-sparse": _ftrl(l1=0.01, l2=0.1),
    "listwise": _listwise(),
    "listwise-one-unit": _listwise(hidden=1),
    "listwise-from-nothing": _listwise(start={}),
}


def _river(path: str, **parameters: object) -> Callable[[World], PersonalModel]:
    document = {"estimator": path, "parameters": parameters, "enabled": True}
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
