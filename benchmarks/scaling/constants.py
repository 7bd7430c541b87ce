"""What things cost, each with where it comes from; ``constants.json`` holds them.

A cost that scatters has the points of its quantile function, between which it is drawn linearly;
its mean is that of what is drawn. ``python -m benchmarks.scale_costs`` measures again what one
process can measure; the others name their command.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Final, Literal, Self

import msgspec
import numpy as np

from benchmarks.figures import quantile

__all__ = ["FILE", "SHARES", "Constant", "Costs", "quantiles_of"]

FILE: Final = Path(__file__).with_name("constants.json")
SHARES: Final = (0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 1.0)
"""Of which a quantile is kept."""
_BLOCK: Final = 4096
"""Drawn at a time."""

Kind = Literal["measured", "setting", "assumed"]


class Constant(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One cost.

    Attributes
    ----------
    value
        The mean.
    unit
        For people: ``us``, ``bytes``, ``s`` and so on.
    kind
        Whether a command measured it, a setting says so, or it is assumed.
    source
        The command with its commit, the setting's name, or why it is assumed.
    points
        Shares and quantiles, ascending, shape ``(n_points, 2)``; empty for one that does not
        scatter.
    """

    value: float
    unit: str
    kind: Kind
    source: str
    points: tuple[tuple[float, float], ...] = ()

    @property
    def mean(self) -> float:
        """What is drawn on average."""
        if not self.points:
            return self.value
        return sum((b[0] - a[0]) * (a[1] + b[1]) / 2 for a, b in pairwise(self.points))

    @property
    def second_moment(self) -> float:
        """Mean of the square of what is drawn."""
        if not self.points:
            return self.value**2
        return sum(
            (b[0] - a[0]) * (a[1] ** 2 + a[1] * b[1] + b[1] ** 2) / 3
            for a, b in pairwise(self.points)
        )

    def drawer(self, chance: np.random.Generator, factor: float = 1.0) -> Callable[[], float]:
        """Return what draws one value after the other, times ``factor``."""
        if not self.points:
            return lambda: self.value * factor
        shares, values = zip(*self.points, strict=True)
        drawn = list[float]()

        def draw() -> float:
            if not drawn:
                block = np.interp(chance.random(_BLOCK), shares, values) * factor
                drawn.extend(block.tolist())
            return drawn.pop()

        return draw


class Costs:
    """All constants, by name.

    Parameters
    ----------
    constants
        Of ``constants.json``, or of a test.
    """

    def __init__(self, constants: dict[str, Constant]) -> None:
        self.constants = constants

    @classmethod
    def read(cls, path: Path = FILE) -> Self:
        """Read a file.

        Raises
        ------
        msgspec.ValidationError
            When it holds something else.
        """
        return cls(msgspec.json.decode(path.read_bytes(), type=dict[str, Constant]))

    def write(self, path: Path = FILE) -> None:
        """Replace a file."""
        encoded = msgspec.json.format(msgspec.json.encode(self.constants), indent=1)
        path.write_bytes(encoded + b"\n")

    def __getitem__(self, name: str) -> Constant:
        """Return one of them."""
        return self.constants[name]

    def mean(self, name: str) -> float:
        """Return the mean of one, in its unit."""
        return self.constants[name].mean

    def seconds(self, name: str) -> float:
        """Return the mean of one that is told in microseconds."""
        return 1e-6 * self.mean(name)

    def having(self, **means: float) -> "Costs":
        """Return the same with other means; what scatters is scaled."""
        constants = dict(self.constants)
        for name, mean in means.items():
            one = constants[name]
            factor = mean / one.mean if one.points else 1.0
            points = tuple((share, value * factor) for share, value in one.points)
            constants[name] = msgspec.structs.replace(one, value=mean, points=points)
        return Costs(constants)


def quantiles_of(values: Sequence[float]) -> tuple[tuple[float, float], ...]:
    """Return the points of what was measured."""
    ordered = sorted(values)
    found = [(share, ordered[0] if share == 0.0 else quantile(ordered, share)) for share in SHARES]
    return tuple((share, round(value, 3)) for share, value in found)
