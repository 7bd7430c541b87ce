"""Settings that contradict each other are refused, and the message names both ends."""

import math

import pytest
from pydantic import ValidationError

from recsys.settings import ArmSettings, EngineSettings, SoftmaxSettings, SquareCBSettings


def refusal(document: dict[str, object]) -> str:
    with pytest.raises(ValidationError) as caught:
        EngineSettings.model_validate(document)
    return str(caught.value)


@pytest.mark.parametrize(
    ("document", "words"),
    [
        (
            {
                "users": {"history": 10},
                "candidates": {"transitions": {"kernels": {"a": {"history": 9}, "b": {}}}},
            },
            ["candidates.transitions.kernels.b.history (12)", "users.history (10)"],
        ),
        (
            {
                "users": {"history": 10},
                "candidates": {
                    "transitions": {"kernels": {"a": {"history": 9}}},
                    "sessions": {"history": 11},
                },
            },
            ["candidates.sessions.history (11)", "users.history (10)"],
        ),
        (
            {
                "candidates": {
                    "transitions": {"kernels": {"a": {"normalise": "share", "half_life_s": 1}}}
                }
            },
            ["candidates.transitions.kernels.a", "'share'", "half_life_s"],
        ),
        (
            {"memory": {"reservoir": 63, "strata": 64}},
            ["memory.reservoir (63)", "memory.strata (64)"],
        ),
        (
            {"arms": {"a": {"share": 0.5}, "b": {"share": 0.4}}},
            ["['a', 'b']", "sum to 0.9, expected 1"],
        ),
        ({"arms": {}}, ["sum to 0, expected 1"]),
        ({"features": {"windows_s": [60, 3600, 60.0]}}, ["features.windows_s", "twice"]),
        ({"arms": {"a": {"ranker": "random"}}}, ["'random'", "'squarecb'"]),
        (
            {"arms": {"a": {"ranker": "learner", "policy": {"kind": "uniform"}}}},
            ["'learner'", "'uniform'"],
        ),
        (
            {"arms": {"a": {"ranker": "popularity"}}, "candidates": {"without": ["popular"]}},
            ["['a']", "candidates.without", "'popular'"],
        ),
        (
            {
                "candidates": {
                    "without": [
                        "transitions",
                        "sessions",
                        "factors",
                        "popular",
                        "popular_attributes",
                        "fresh",
                        "recent_tastes",
                    ]
                },
                "learners": {"personal_bandit": {"enabled": False}},
            },
            ["candidates.without", "no source", "learners.personal_bandit.enabled"],
        ),
        ({"arms": {"a\nb": {}}}, ["'a\\nb'", "control characters"]),
        ({"arms": {"": {}}}, ["the arm ''", "must not be empty"]),
        ({"joiner": {"rewards": {"glance": {"weight": 1}}}}, ["joiner.rewards", "glance", "click"]),
    ],
)
def test_what_does_not_fit_together_names_both_ends(
    document: dict[str, object], words: list[str]
) -> None:
    message = refusal(document)
    assert [word for word in words if word not in message] == []


@pytest.mark.parametrize(
    ("document", "place"),
    [
        ({"unheard_of": 1}, "unheard_of"),
        ({"candidates": {"fresh": {"halflife": 1}}}, "candidates.fresh.halflife"),
        (
            {"arms": {"a": {"policy": {"kind": "softmax", "gamma": 1}}}},
            "arms.a.policy.softmax.gamma",
        ),
        ({"joiner": {"rewards": {"click": {"weigth": 1}}}}, "joiner.rewards.click.weigth"),
    ],
)
def test_unknown_keys_fail_by_name(document: dict[str, object], place: str) -> None:
    message = refusal(document)
    assert place in message
    assert "Extra inputs are not permitted" in message


@pytest.mark.parametrize(
    "document",
    [
        {"learners": {"vw": {"learning_rate": math.nan}}},
        {"learners": {"vw": {"learning_rate": math.inf}}},
        {"learners": {"vw": {"bits": 29}}},
        {"learners": {"vw": {"cb_type": "dr"}}},
        {"learners": {"ftrl": {"rate": 0}}},
        {"learners": {"ftrl": {"bits": 25}}},
        {"learners": {"ftrl": {"beta": 0}}},
        {"candidates": {"transitions": {"shrink": 0}}},
        {"candidates": {"popular": {"windows": {"a": {"half_life_s": 1, "weight": -0.1}}}}},
        {"candidates": {"popular": {"windows": {}}}},
        {"candidates": {"popular": {"leaders": 0}}},
        {"candidates": {"transitions": {"kernels": {}}}},
        {"candidates": {"transitions": {"kernels": {"a": {"direction": "sideways"}}}}},
        {"candidates": {"transitions": {"kernels": {"a": {"history": 101}}}}},
        {"candidates": {"sessions": {"decay": 1.5}}},
        {"features": {"windows_s": []}},
        {"features": {"without": ["mix"]}},
        {"candidates": {"without": ["populra"]}},
        {"features": {"windows_s": [1.0, -1.0]}},
        {"learners": {"ranker": "gbm"}},
        {"learners": {"listwise": {"hidden": 0}}},
        {"learners": {"listwise": {"start": {"mix": math.nan}}}},
        {"arms": {"a": {"policy": {"kind": "softmax", "temperature": 0}}}},
        {"arms": {"a": {"policy": {"kind": "epsilon_greedy", "epsilon": 1.5}}}},
        {"arms": {"a": {"policy": {"kind": "thompson"}}}},
        {"memory": {"replays": -1}},
        {"users": {"in_memory": 0}},
    ],
    ids=str,
)
def test_values_out_of_range_are_refused(document: dict[str, object]) -> None:
    refusal(document)


@pytest.mark.parametrize("document", [{"memory": {"reservoir": 0}}, {"memory": {"reservoir": 64}}])
def test_a_reservoir_is_off_or_holds_one_of_each_stratum(document: dict[str, object]) -> None:
    EngineSettings.model_validate(document)


def test_settings_are_frozen() -> None:
    settings = EngineSettings()
    for section, name in ((settings, "seed"), (settings.users, "history")):
        with pytest.raises(ValidationError, match="frozen"):
            setattr(section, name, 2)


def test_a_policy_is_chosen_by_its_kind() -> None:
    arm = ArmSettings.model_validate({"policy": {"kind": "softmax", "temperature": 0.5}})
    assert arm.policy == SoftmaxSettings(temperature=0.5)
    assert ArmSettings().policy == SquareCBSettings()


def test_settings_survive_a_document() -> None:
    settings = EngineSettings.model_validate(
        {"arms": {"a": {"share": 0.25}, "b": {"share": 0.75, "policy": {"kind": "greedy"}}}}
    )
    assert EngineSettings.model_validate(settings.model_dump(mode="json")) == settings
