"""Settings of the section ``mix`` of the engine's settings."""

from pydantic import Field

from recsys.section import Section

__all__ = ["MixSettings"]


class MixSettings(Section):
    """How shards learn of each other; see ``config/default.yaml``."""

    enabled: bool = True
    every_s: float = Field(0.9, gt=0, le=3600)
    ranker_every_s: float = Field(1.0, gt=0, le=86_400)
    lessons: int = Field(10_000, ge=100, le=1_000_000)
    slice: int = Field(50, ge=1, le=10_000)
    per_s: int = Field(2_000, ge=1)
    backlog_bytes: int = Field(64 << 20, ge=1 << 20)
    keep_s: float = Field(600.0, ge=0)
