"""Settings of an engine whose every bound is so small that a few dozen steps reach it."""

from typing import Final

from recsys.settings import (
    CandidateSettings,
    EngineSettings,
    FactorSettings,
    FeatureSettings,
    JoinerSettings,
    LearnerSettings,
    MemorySettings,
    PopularSettings,
    PopularWindow,
    SessionSettings,
    TransitionKernel,
    TransitionSettings,
    UserSettings,
)

__all__ = ["RANKERS", "SETTINGS"]

_KERNELS = {
    "near": TransitionKernel(history=6),
    "hasty": TransitionKernel(history=6, half_life_s=4.0),
    "next": TransitionKernel(history=1, direction="forward", normalise="share"),
}
SETTINGS: Final = EngineSettings(
    joiner=JoinerSettings(reward_window_s=5.0, pending_decisions=4),
    memory=MemorySettings(reservoir=8, recent=4, strata=2),
    users=UserSettings(in_memory=2, history=6, consumed=5, seen=3),
    candidates=CandidateSettings(
        transitions=TransitionSettings(kernels=_KERNELS, neighbours=3),
        sessions=SessionSettings(sessions=3, gap_s=8.0, history=6),
        factors=FactorSettings(dimensions=3, history=6, negatives=2, latest=5, lessons=3),
        popular=PopularSettings(leaders=3, windows={"lately": PopularWindow(half_life_s=0.1)}),
    ),
    features=FeatureSettings(crossings=10),
)
RANKERS: Final = {
    name: SETTINGS.model_copy(update={"learners": LearnerSettings.model_validate({"ranker": name})})
    for name in ("listwise", "vw", "ftrl")
}
