"""When people are said to have changed, and what is done about it."""

from pydantic import Field

from recsys.section import Section

__all__ = ["DriftSettings", "ShardDriftSettings", "UserDriftSettings"]


class UserDriftSettings(Section):
    """When a person clicks less than they used to: a Page-Hinkley test on the clicks per list."""

    lists: int = Field(8, ge=2)
    slack: float = Field(0.5, ge=0)
    threshold: float = Field(3.0, gt=0)
    exploration: float = Field(10.0, ge=1)
    half_life_lists: float = Field(10.0, gt=0)
    widen: float = Field(0.8, ge=0, le=1)
    forget: bool = True


class ShardDriftSettings(Section):
    """When the lists of a shard, or the ranker, get worse: ADWIN on clicks and on the loss.

    By default an alarm is told and nothing else: none of the actions was measured to help.
    """

    delta: float = Field(0.002, gt=0, lt=1)
    exploration: float = Field(1.0, ge=1)
    half_life_lists: float = Field(500.0, gt=0)
    widen: float = Field(0.0, ge=0, le=1)
    haste: float = Field(1.0, ge=1, le=100)
    hurried_choices: int = Field(0, ge=0)


class DriftSettings(Section):
    """What notices that people have changed, and what it does about it."""

    enabled: bool = True
    user: UserDriftSettings = UserDriftSettings()
    shard: ShardDriftSettings = ShardDriftSettings()
