"""The arms of the split: what each ranks by, and the policy that draws its lists."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from recsys.section import Section

__all__ = [
    "ArmSettings",
    "EpsilonGreedySettings",
    "GreedySettings",
    "PolicySettings",
    "Ranker",
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


Ranker = Literal["learner", "mix", "popularity", "random"]


class ArmSettings(Section):
    """One arm of the split: its share of users, what it ranks by, and how it draws.

    ``ranker`` is ``learner`` (the whole pipeline), ``mix`` (the same candidates, by the weights of
    the sources alone), ``popularity`` (that source alone) or ``random`` (all eligible items,
    uniformly; its policy must be ``uniform``).
    """

    share: float = Field(1.0, ge=0, le=1)
    ranker: Ranker = "learner"
    policy: PolicySettings = SquareCBSettings()

    @model_validator(mode="after")
    def _random_is_uniform(self) -> Self:
        if (self.ranker == "random") != (self.policy.kind == "uniform"):
            message = (
                f"ranker {self.ranker!r} with policy {self.policy.kind!r}: the ranker 'random' and "
                "the policy 'uniform' go together"
            )
            raise ValueError(message)
        return self
