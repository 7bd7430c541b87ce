"""The sources, each with its weight in the mix; ``recsys.settings`` has the whole tree."""

from typing import Literal, Self

from pydantic import Field, model_validator

from recsys.section import Section

__all__ = [
    "CandidateSettings",
    "FactorSettings",
    "FreshSettings",
    "PopularAttributeSettings",
    "PopularSettings",
    "PopularWindow",
    "RecentTasteSettings",
    "SessionSettings",
    "SourceName",
    "TasteSettings",
    "TransitionKernel",
    "TransitionSettings",
]


class PopularWindow(Section):
    """Counts of positive feedback, forgotten with a half-life in event time."""

    half_life_s: float = Field(gt=0)
    weight: float = Field(0.05, ge=0)


class PopularSettings(Section):
    """What is liked lately, by anybody."""

    leaders: int = Field(50, ge=1, le=1000)
    windows: dict[str, PopularWindow] = Field(
        default_factory=lambda: {
            "6h": PopularWindow(half_life_s=6 * 3600.0),
            "3d": PopularWindow(half_life_s=3 * 86_400.0),
            "30d": PopularWindow(half_life_s=30 * 86_400.0),
        },
        min_length=1,
    )


class PopularAttributeSettings(Section):
    """Items with the attributes that are liked lately, by anybody."""

    leaders: int = Field(30, ge=1, le=1000)
    windows: dict[str, PopularWindow] = Field(
        default_factory=lambda: {"6h": PopularWindow(half_life_s=6 * 3600.0, weight=0.0)},
        min_length=1,
    )


class TransitionKernel(Section):
    """One notion of "soon after"; formulas in ``recsys.candidates.transitions``."""

    lag_decay: float = Field(0.8, gt=0, le=1)
    gap_s: float = Field(600.0, gt=0)
    gap_floor: float = Field(0.0, ge=0, le=1)
    history: int = Field(12, ge=1, le=100)
    direction: Literal["both", "forward", "backward"] = "both"
    normalise: Literal["cosine", "share"] = "cosine"
    half_life_s: float | None = Field(None, gt=0)
    weight: float = Field(0.1, ge=0)

    @model_validator(mode="after")
    def _shares_last(self) -> Self:
        if self.normalise == "share" and self.half_life_s is not None:
            message = "a kernel that normalises by 'share' cannot have a half_life_s"
            raise ValueError(message)
        return self


class TransitionSettings(Section):
    """Item-to-item co-occurrence within a person's history (reference: README, results table)."""

    shrink: float = Field(10.0, gt=0)
    neighbours: int = Field(256, ge=1)
    leaders: int = Field(200, ge=1)
    kernels: dict[str, TransitionKernel] = Field(
        default_factory=lambda: {
            "near": TransitionKernel(weight=1.0),
            "after": TransitionKernel(direction="forward", weight=0.35),
            "long": TransitionKernel(lag_decay=0.97, gap_s=7 * 86_400.0, weight=0.3),
            "next": TransitionKernel(
                lag_decay=1.0,
                gap_floor=1.0,
                history=1,
                direction="forward",
                normalise="share",
                weight=0.2,
            ),
            "together": TransitionKernel(lag_decay=1.0, gap_s=0.25, weight=0.15),
        },
        min_length=1,
    )


class SessionSettings(Section):
    """Sessions of others with the same items as this one."""

    sessions: int = Field(50_000, ge=1)
    gap_s: float = Field(86_400.0, gt=0)
    history: int = Field(10, ge=1, le=100)
    decay: float = Field(0.85, gt=0, le=1)
    occurrences: int = Field(300, ge=1)
    neighbours: int = Field(200, ge=1)
    weight: float = Field(0.2, ge=0)


class FactorSettings(Section):
    """Vectors of items, learned from what is liked after what; ``recsys.candidates.factors``."""

    dimensions: int = Field(32, ge=1, le=1024)
    history: int = Field(20, ge=1, le=100)
    decay: float = Field(0.8, gt=0, le=1)
    gap_s: float = Field(600.0, gt=0)
    gap_floor: float = Field(0.1, ge=0, le=1)
    learning_rate: float = Field(0.08, gt=0)
    negatives: int = Field(32, ge=1, le=10_000)
    latest: int = Field(10_000, ge=1)
    lessons: int = Field(2000, ge=1)
    replays: int = Field(1, ge=0, le=100)
    leaders: int = Field(50, ge=1, le=1000)
    exact_up_to: int = Field(100_000, ge=0)
    index_every: int = Field(20_000, ge=1)
    weight: float = Field(0.5, ge=0)


class FreshSettings(Section):
    """New items, so that each gets seen."""

    half_life_s: float = Field(7 * 86_400.0, gt=0)
    leaders: int = Field(30, ge=1, le=1000)
    weight: float = Field(0.02, ge=0)
    seats: int = Field(3, ge=0)


class TasteSettings(Section):
    """Items whose attributes the person likes, by their personal bandit."""

    optimism: float = Field(0.5, ge=0)
    leaders: int = Field(50, ge=1, le=1000)
    weight: float = Field(0.3, ge=0)
    seats: int = Field(8, ge=0)


class RecentTasteSettings(Section):
    """Items with the attributes of what the person liked last."""

    history: int = Field(10, ge=1, le=100)
    decay: float = Field(0.7, gt=0, le=1)
    leaders: int = Field(30, ge=1, le=1000)
    weight: float = Field(0.1, ge=0)
    seats: int = Field(8, ge=0)


SourceName = Literal[
    "transitions",
    "sessions",
    "factors",
    "popular",
    "popular_attributes",
    "fresh",
    "tastes",
    "recent_tastes",
]


class CandidateSettings(Section):
    """The sources, their weights in the mix, and how many candidates survive it.

    Sources of ``without`` are not made: they have no columns and learn nothing. By default those
    are that were not found to add on any data.
    """

    keep: int = Field(50, ge=1, le=1000)
    without: tuple[SourceName, ...] = ("sessions", "popular_attributes")
    popular: PopularSettings = PopularSettings()
    popular_attributes: PopularAttributeSettings = PopularAttributeSettings()
    transitions: TransitionSettings = TransitionSettings()
    sessions: SessionSettings = SessionSettings()
    factors: FactorSettings = FactorSettings()
    fresh: FreshSettings = FreshSettings()
    tastes: TasteSettings = TasteSettings()
    recent_tastes: RecentTasteSettings = RecentTasteSettings()
