"""Every knob of the engine, frozen, each default written once.

``config/default.yaml`` lists the same knobs with a comment each; a test holds the two equal. The
sections carry the names of the folders they configure.
"""

from typing import Annotated, Literal, Self, get_args

from pydantic import Field, model_validator

from recsys.candidates.settings import (
    CandidateSettings,
    FactorSettings,
    FreshSettings,
    PopularAttributeSettings,
    PopularSettings,
    PopularWindow,
    RecentTasteSettings,
    SessionSettings,
    SourceName,
    TasteSettings,
    TransitionKernel,
    TransitionSettings,
)
from recsys.drift.settings import DriftSettings, ShardDriftSettings, UserDriftSettings
from recsys.errors import InvalidEvent
from recsys.events import FEEDBACK_TYPES, MAX_NUMBER
from recsys.features.columns import Family
from recsys.ids import check_id
from recsys.memory.settings import MemorySettings, MeterSettings
from recsys.mixing.settings import MixSettings
from recsys.parameters import Parameters
from recsys.policies.settings import (
    ArmSettings,
    EpsilonGreedySettings,
    GreedySettings,
    PolicySettings,
    Ranker,
    SoftmaxSettings,
    SquareCBSettings,
    UniformSettings,
)
from recsys.section import Section

__all__ = [
    "ArmSettings",
    "CandidateSettings",
    "CatalogueSettings",
    "DriftSettings",
    "EngineSettings",
    "EpsilonGreedySettings",
    "FTRLSettings",
    "FactorSettings",
    "FeatureSettings",
    "FreshSettings",
    "GreedySettings",
    "JoinerSettings",
    "LearnerSettings",
    "ListwiseSettings",
    "MemorySettings",
    "MeterSettings",
    "MixSettings",
    "NewItemSettings",
    "PersonalBanditSettings",
    "PolicySettings",
    "PopularAttributeSettings",
    "PopularSettings",
    "PopularWindow",
    "Ranker",
    "RecentTasteSettings",
    "RewardRule",
    "SessionSettings",
    "ShardDriftSettings",
    "SoftmaxSettings",
    "SourceName",
    "SquareCBSettings",
    "StoreSettings",
    "TasteSettings",
    "TransitionKernel",
    "TransitionSettings",
    "TrustSettings",
    "UniformSettings",
    "UserDriftSettings",
    "UserModelSettings",
    "UserSettings",
    "VWSettings",
]


class CatalogueSettings(Section):
    """What the engine knows as items."""

    max_items: int = Field(100_000, ge=1, le=10_000_000)
    auto_insert: bool = True
    repeats: bool = False
    consumed_reward: float = 1.0


class UserSettings(Section):
    """What is kept per user, and how many users stay in memory."""

    in_memory: int = Field(100_000, ge=1)
    history: int = Field(50, ge=1, le=1000)
    consumed: int = Field(2000, ge=1)
    seen: int = Field(200, ge=1)


class RewardRule(Section):
    """Reward of one feedback type: ``weight``, or ``weight * (value - neutral)`` if ``by_value``.

    Feedback without a value is then worth nothing.
    """

    weight: float = Field(ge=-MAX_NUMBER, le=MAX_NUMBER)
    by_value: bool = False
    neutral: float = Field(0.0, ge=-MAX_NUMBER, le=MAX_NUMBER)


class JoinerSettings(Section):
    """How feedback meets the decision that showed the item."""

    reward_window_s: float = Field(600.0, gt=0, le=MAX_NUMBER)
    default_reward: float = Field(0.0, ge=-MAX_NUMBER, le=MAX_NUMBER)
    close_on_next: bool = True
    examination_decay: float = Field(0.6, ge=0)
    max_reward: float = Field(10.0, gt=0, le=MAX_NUMBER)
    pending_decisions: int = Field(50_000, ge=1)
    rewards: dict[str, RewardRule] = Field(
        default_factory=lambda: {
            "click": RewardRule(weight=1.0),
            "view": RewardRule(weight=0.2),
            "cart": RewardRule(weight=2.0),
            "purchase": RewardRule(weight=5.0),
            "like": RewardRule(weight=1.0),
            "dislike": RewardRule(weight=-1.0),
            "skip": RewardRule(weight=-0.2),
            "dwell": RewardRule(weight=0.01, by_value=True),
            "rating": RewardRule(weight=0.5, by_value=True, neutral=3.0),
            "custom": RewardRule(weight=1.0, by_value=True),
        }
    )

    @model_validator(mode="after")
    def _known_types(self) -> Self:
        if unknown := sorted(set(self.rewards) - set(FEEDBACK_TYPES)):
            message = (
                f"joiner.rewards names {unknown}, which are no feedback types {FEEDBACK_TYPES}"
            )
            raise ValueError(message)
        if abs(self.default_reward) > self.max_reward:
            message = (
                f"joiner.default_reward ({self.default_reward}) lies beyond joiner.max_reward "
                f"({self.max_reward})"
            )
            raise ValueError(message)
        return self


class NewItemSettings(Section):
    """Places of lists that are kept for items that were hardly shown yet."""

    share: float = Field(0.0, ge=0, le=0.5)
    shown_below: int = Field(20, ge=1)
    per_user: int = Field(10, ge=1)
    per_surface: int = Field(1000, ge=1)


class FeatureSettings(Section):
    """What candidates are described by; ``without`` names families of ``features.columns``."""

    without: tuple[Family, ...] = ()
    windows_s: tuple[Annotated[float, Field(gt=0)], ...] = Field(
        (1800.0, 6 * 3600.0, 3 * 86_400.0, 30 * 86_400.0), min_length=1, max_length=8
    )
    crossings: int = Field(65_536, ge=1)

    @model_validator(mode="after")
    def _different_windows(self) -> Self:
        if len(set(self.windows_s)) < len(self.windows_s):
            message = f"features.windows_s names a window twice: {list(self.windows_s)}"
            raise ValueError(message)
        return self


class ListwiseSettings(Section):
    """The listwise ranker: a small network over the candidates' features."""

    hidden: int = Field(32, ge=1, le=1024)
    learning_rate: float = Field(5e-4, gt=0)
    start: dict[str, float] = Field(
        default_factory=lambda: {"mix": 1.5, "taste_lift": 0.5, "click_lift_6h": 0.5}
    )
    found_first: int = Field(10_000, ge=0)
    found_share: float = Field(0.25, ge=0, le=1)
    found_beside: float = Field(10.0, gt=0)
    initial_reward: float = Field(0.05, gt=0)
    scale_rate: float = Field(0.01, ge=0, le=1)


class VWSettings(Section):
    """The shared contextual bandit, Vowpal Wabbit's ``--cb_explore_adf``."""

    bits: int = Field(18, ge=10, le=28)
    learning_rate: float = Field(0.2, gt=0)
    cb_type: Literal["mtr", "ips"] = "mtr"
    weighting: Literal["unweighted", "propensity"] = "unweighted"
    propensity_floor: float = Field(0.02, ge=1e-6, le=1)
    prior_examples: float = Field(500.0, ge=0)


class FTRLSettings(Section):
    """The shared linear model with hashed crossings, learned by FTRL-Proximal."""

    bits: int = Field(18, ge=10, le=24)
    rate: float = Field(0.003, gt=0, le=10)
    beta: float = Field(1.0, gt=0)
    l1: float = Field(0.0, ge=0)
    l2: float = Field(0.0, ge=0)
    weighting: Literal["unweighted", "propensity"] = "unweighted"
    propensity_floor: float = Field(0.02, ge=1e-6, le=1)
    prior_examples: float = Field(500.0, ge=0)


class PersonalBanditSettings(Section):
    """A Gaussian posterior over item attributes per user.

    Without it there are no columns of tastes, no source ``tastes`` and no optimism.
    """

    enabled: bool = True
    prior_variance: float = Field(0.1, gt=0)
    noise_variance: float = Field(0.1, gt=0)
    adapt: bool = True
    caution: float = Field(3.0, gt=0)
    drift: float = Field(0.001, ge=0, lt=1)
    attributes: int = Field(64, ge=1)
    weight: float = Field(1.0, ge=0)
    optimism: float = Field(0.2, ge=0)


class TrustSettings(Section):
    """What is expected of a person whose lists earn less than they promised."""

    prior: float = Field(0.5, gt=0)
    half_life_lists: float = Field(1.5, gt=0)


class UserModelSettings(Section):
    """One River estimator per user, by dotted path."""

    estimator: str = "river.linear_model.LogisticRegression"
    parameters: Parameters = Field(default_factory=dict)
    features: int = Field(512, ge=1)
    enabled: bool = False


class LearnerSettings(Section):
    """What scores the candidates."""

    ranker: Literal["listwise", "vw", "ftrl"] = "listwise"
    listwise: ListwiseSettings = ListwiseSettings()
    vw: VWSettings = VWSettings()
    ftrl: FTRLSettings = FTRLSettings()
    personal_bandit: PersonalBanditSettings = PersonalBanditSettings()
    user_model: UserModelSettings = UserModelSettings()
    trust: TrustSettings = TrustSettings()


class StoreSettings(Section):
    """Durability of a shard."""

    snapshot_every_s: float = Field(60.0, gt=0)
    snapshot_events: int = Field(10_000, ge=1)
    commit_events: int = Field(100, ge=1)
    decisions_linger_s: float = Field(0.02, ge=0, le=1)
    queue_events: int = Field(20_000, ge=1)
    queue_s: float = Field(2.5, gt=0)
    log_events: int = Field(10_000_000, ge=1000)
    erase_within_s: float = Field(3600.0, gt=0)
    low_disk_bytes: int = Field(1 << 30, ge=0)


class EngineSettings(Section):
    """The whole tree."""

    seed: int = Field(1, ge=0)
    catalogue: CatalogueSettings = CatalogueSettings()
    users: UserSettings = UserSettings()
    joiner: JoinerSettings = JoinerSettings()
    candidates: CandidateSettings = CandidateSettings()
    features: FeatureSettings = FeatureSettings()
    learners: LearnerSettings = LearnerSettings()
    memory: MemorySettings = MemorySettings()
    drift: DriftSettings = DriftSettings()
    new_items: NewItemSettings = NewItemSettings()
    arms: dict[str, ArmSettings] = Field(default_factory=lambda: {"learner": ArmSettings()})
    mix: MixSettings = MixSettings()
    store: StoreSettings = StoreSettings()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        total = sum(arm.share for arm in self.arms.values())
        if abs(total - 1.0) > 1e-9:
            message = f"the shares of arms {sorted(self.arms)} sum to {total:g}, expected 1"
            raise ValueError(message)
        for name in self.arms:
            try:
                check_id(name, "arms")
            except InvalidEvent as error:
                message = f"the arm {name!r}: {error.detail}"
                raise ValueError(message) from error
        kernels = self.candidates.transitions.kernels
        for name, needed in (
            *((f"transitions.kernels.{name}", kernel.history) for name, kernel in kernels.items()),
            ("sessions", self.candidates.sessions.history),
            ("factors", self.candidates.factors.history),
        ):
            if self.users.history < needed:
                message = (
                    f"candidates.{name}.history ({needed}) needs users.history "
                    f"({self.users.history}) to be at least as long"
                )
                raise ValueError(message)
        return self

    @property
    def sources(self) -> tuple[SourceName, ...]:
        """The candidate sources that are made."""
        tastes = self.learners.personal_bandit.enabled
        off = self.candidates.without if tastes else (*self.candidates.without, "tastes")
        return tuple(name for name in get_args(SourceName) if name not in off)

    @model_validator(mode="after")
    def _enough_sources(self) -> Self:
        if not self.sources:
            message = (
                f"candidates.without ({sorted(set(self.candidates.without))}) leaves no source; "
                "learners.personal_bandit.enabled: false takes 'tastes' away as well"
            )
            raise ValueError(message)
        popularity = [name for name, arm in self.arms.items() if arm.ranker == "popularity"]
        if popularity and "popular" not in self.sources:
            message = (
                f"the arms {sorted(popularity)} rank by popularity, which candidates.without "
                "switches off: they need the source 'popular'"
            )
            raise ValueError(message)
        return self
