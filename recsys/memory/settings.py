"""What is kept of old lessons, and how forgetting is measured."""

from typing import Literal, Self

from pydantic import Field, model_validator

from recsys.section import Section

__all__ = ["MemorySettings", "MeterSettings"]


class MeterSettings(Section):
    """The forgetting meter: the ranker's loss on a slice of old choices that are never replayed."""

    slice: int = Field(100, ge=0, le=10_000)
    every: int = Field(4, ge=1)
    period: int = Field(100_000, ge=1)


class MemorySettings(Section):
    """The replay buffer that guards against forgetting."""

    reservoir: int = Field(1600, ge=0)
    recent: int = Field(400, ge=0)
    strata: int = Field(64, ge=1)
    stratify: Literal["user", "item", "none"] = "user"
    replays: int = Field(2, ge=0, le=32)
    meter: MeterSettings = MeterSettings()

    @model_validator(mode="after")
    def _strata_hold_something(self) -> Self:
        if self.stratify != "none" and 0 < self.reservoir < self.strata:
            message = (
                f"memory.reservoir ({self.reservoir}) is divided among memory.strata "
                f"({self.strata}) and must be 0 or at least as large"
            )
            raise ValueError(message)
        return self
