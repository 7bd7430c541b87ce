"""How an arm draws its lists: a policy by its kind, and that policy's knobs."""

from typing import Annotated, Literal

from pydantic import Field

from recsys.section import Section

__all__ = [
    "EpsilonGreedySettings",
    "GreedySettings",
    "PolicySettings",
    "SoftmaxSettings",
    "SquareCBSettings",
    "UniformSettings",
]


class GreedySettings(Section):
    """Always the best by score."""

    kind: Literal["greedy"] = "greedy"


class UniformSettings(Section):
    """Any eligible item with equal probability: the random arm of an experiment."""

    kind: Literal["uniform"] = "uniform"


class EpsilonGreedySettings(Section):
    """The best, but with probability epsilon any candidate."""

    kind: Literal["epsilon_greedy"] = "epsilon_greedy"
    epsilon: float = Field(0.05, gt=0, le=1)


class SoftmaxSettings(Section):
    """Probability proportional to ``exp(score / temperature)``."""

    kind: Literal["softmax"] = "softmax"
    temperature: float = Field(0.02, gt=0)


class SquareCBSettings(Section):
    """Inverse gap weighting: ``1 / (n + gamma * gap)`` (Foster & Rakhlin 2020)."""

    kind: Literal["squarecb"] = "squarecb"
    gamma: float = Field(3000.0, gt=0)


PolicySettings = Annotated[
    GreedySettings | UniformSettings | EpsilonGreedySettings | SoftmaxSettings | SquareCBSettings,
    Field(discriminator="kind"),
]
