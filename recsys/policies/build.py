"""From the settings of a policy to the policy."""

from functools import lru_cache
from typing import assert_never

from recsys.policies.base import Policy
from recsys.policies.epsilon_greedy import EpsilonGreedy
from recsys.policies.greedy import Greedy
from recsys.policies.softmax import Softmax
from recsys.policies.squarecb import SquareCB
from recsys.policies.uniform import Uniform
from recsys.settings import (
    EpsilonGreedySettings,
    GreedySettings,
    PolicySettings,
    SoftmaxSettings,
    SquareCBSettings,
    UniformSettings,
)

__all__ = ["build_policy", "gamma_of"]


def gamma_of(settings: SquareCBSettings, exploration: float) -> float:
    """Return how much a gap between scores counts where so much more than usual is explored."""
    return settings.gamma / exploration


@lru_cache(maxsize=256)
def build_policy(settings: PolicySettings, exploration: float = 1.0) -> Policy:
    """Return the policy that an arm's settings describe.

    Parameters
    ----------
    exploration
        By how much more than that it explores, at least 1: SquareCB's gamma is divided by it, the
        temperature of a softmax and epsilon are multiplied by it.
    """
    match settings:
        case GreedySettings():
            return Greedy()
        case UniformSettings():
            return Uniform()
        case EpsilonGreedySettings():
            return EpsilonGreedy(epsilon=min(settings.epsilon * exploration, 1.0))
        case SoftmaxSettings():
            return Softmax(temperature=settings.temperature * exploration)
        case SquareCBSettings():
            return SquareCB(gamma=gamma_of(settings, exploration))
        case _:
            assert_never(settings)
