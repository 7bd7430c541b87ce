"""Objects of River from settings: nested, seeded, and nothing but River's own."""

import sys
from pathlib import Path

import pytest
from pydantic import ValidationError
from river import linear_model, optim, preprocessing, reco

from recsys.errors import InvalidSettings
from recsys.learners.river_build import Blueprint
from recsys.settings import UserModelSettings

SGD = {"class": "river.optim.SGD", "parameters": {"lr": 0.025}}
FACTORS: dict[str, object] = {
    "n_factors": 3,
    "bias_optimizer": SGD,
    "latent_initializer": {"class": "river.optim.initializers.Normal"},
}
BIASED = {"class": "river.reco.BiasedMF", "parameters": FACTORS}
CLIPPED: dict[str, object] = {"regressor": BIASED, "y_min": 1, "y_max": 5}


def blueprint(estimator: str, parameters: dict[str, object] | None = None) -> Blueprint:
    document = {"estimator": estimator, "parameters": parameters or {}}
    settings = UserModelSettings.model_validate(document)
    return Blueprint("part", settings.estimator, settings.parameters)


def test_a_parameter_may_be_an_object_with_objects_in_it() -> None:
    made = blueprint("river.preprocessing.PredClipper", CLIPPED).make()
    assert isinstance(made, preprocessing.PredClipper)
    inner: object = made.regressor
    assert isinstance(inner, reco.BiasedMF)
    assert (made.y_min, made.y_max, inner.n_factors) == (1, 5, 3)
    optimizer = inner.bias_optimizer
    assert isinstance(optimizer, optim.SGD)
    assert optimizer.learning_rate == 0.025


def test_two_that_are_made_share_nothing() -> None:
    plan = blueprint("river.linear_model.LinearRegression", {"optimizer": SGD})
    one, other = plan.make(), plan.make()
    assert isinstance(one, linear_model.LinearRegression)
    assert isinstance(other, linear_model.LinearRegression)
    one.learn_one({"a": 1.0}, 1.0)
    assert one.optimizer.n_iterations == 1
    assert other.optimizer.n_iterations == 0


def seeds(parameters: dict[str, object]) -> tuple[int | None, int | None]:
    made = blueprint("river.reco.BiasedMF", parameters).make()
    assert isinstance(made, reco.BiasedMF)
    assert isinstance(made.latent_initializer, optim.initializers.Normal)
    return made.seed, made.latent_initializer.seed


def test_whatever_draws_lots_is_seeded_and_the_settings_come_first() -> None:
    assert seeds(FACTORS) == (1, 1)
    lots = {"class": "river.optim.initializers.Normal", "parameters": {"seed": 73}}
    assert seeds({"seed": 7, "latent_initializer": lots}) == (7, 73)


@pytest.mark.parametrize(
    ("estimator", "parameters", "pairs"),
    [
        ("river.reco.Baseline", {}, True),
        ("river.preprocessing.PredClipper", CLIPPED, True),
        ("river.linear_model.LinearRegression", {"optimizer": SGD}, False),
    ],
)
def test_who_rates_pairs_is_known(
    estimator: str, parameters: dict[str, object], pairs: bool
) -> None:
    assert blueprint(estimator, parameters).rates_pairs is pairs


@pytest.mark.parametrize(
    ("part", "words"),
    [
        ("os.system", "'os.system' is not allowed; a parameter may be a class of River"),
        ("riverside.Model", "'riverside.Model' is not allowed"),
        ("SGD", "'SGD' is not allowed"),
        ("", "'' is not allowed"),
        ("river.datasets.Phishing", "'river.datasets.Phishing' is not allowed"),
        ("river.stream.Cache", "'river.stream.Cache' is not allowed"),
        ("river.drift.datasets.AirlinePassengers", "AirlinePassengers' is not allowed"),
        ("river.optim.Missing", "cannot import 'river.optim.Missing'"),
        ("river.no.such.Thing", "cannot import 'river.no.such.Thing'"),
        ("river.optim", "'river.optim' is no class of River"),
        ("river.stream.iter_csv", "'river.stream.iter_csv' is not allowed"),
        ("river.base.base.inspect", "'river.base.base.inspect' is no class of River"),
        ("river.reco.base.typing.Any", "cannot import 'river.reco.base.typing.Any'"),
        ("river.optim.base.Optimizer.step", "cannot import 'river.optim.base.Optimizer.step'"),
        ("river.reco.base.Ranker", "Ranker' is nothing that an estimator is made of"),
        ("river.utils.Rolling", "'river.utils.Rolling' is nothing that an estimator is made of"),
    ],
)
def test_only_parts_of_river_are_made(part: str, words: str) -> None:
    with pytest.raises(InvalidSettings, match=r"part\.parameters\.optimizer\.class: ") as refusal:
        blueprint("river.linear_model.LinearRegression", {"optimizer": {"class": part}})
    assert words in str(refusal.value)


def test_a_module_that_is_not_rivers_is_not_even_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "canary.py").write_text("raise SystemExit('it sang')\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    with pytest.raises(InvalidSettings, match="not allowed"):
        blueprint("river.linear_model.LinearRegression", {"l2": {"class": "canary.Bird"}})
    with pytest.raises(SystemExit, match="sang"):
        __import__("canary")


def test_a_part_that_cannot_be_made_is_named() -> None:
    wrong = {"class": "river.optim.SGD", "parameters": {"speed": 1}}
    plan = blueprint(
        "river.preprocessing.PredClipper",
        {"regressor": {"class": "river.reco.Baseline", "parameters": {"optimizer": wrong}}},
    )
    with pytest.raises(InvalidSettings) as refusal:
        plan.make()
    assert str(refusal.value).startswith(
        "part.parameters.regressor.parameters.optimizer: river.optim.SGD cannot be made of "
        "{'speed': 1}: "
    )


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"klass": "river.optim.SGD"}, "Field required"),
        ({"class": "river.optim.SGD", "lr": 0.1}, "Extra inputs are not permitted"),
        ({"class": "river.optim.SGD", "parameters": {"lr": [1]}}, "expected a number, a text, tr"),
        ([1.0], "expected a number, a text, true, false or {class: PATH, parameters: {...}}"),
        (float("inf"), "Input should be a finite number"),
    ],
)
def test_settings_say_what_a_parameter_may_be(value: object, words: str) -> None:
    document = {"parameters": {"optimizer": value}}
    with pytest.raises(ValidationError) as refusal:
        UserModelSettings.model_validate(document)
    assert refusal.value.error_count() <= 2
    assert words in str(refusal.value)


def test_parts_go_through_json_and_back() -> None:
    settings = UserModelSettings.model_validate({"parameters": CLIPPED})
    assert UserModelSettings.model_validate_json(settings.model_dump_json()) == settings
