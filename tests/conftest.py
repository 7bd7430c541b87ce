"""What holds for every test; Ray reads these when it is first imported."""

import os
from collections.abc import Callable, Iterator
from operator import is_
from typing import Any, TypeVar

import numpy as np
import pytest

from recsys.at_once import AtOnce
from recsys.compiled import straight
from recsys.decision import Made
from recsys.engine import Engine
from recsys.held import Held

T = TypeVar("T")

os.environ["RAY_ENABLE_UV_RUN_RUNTIME_ENV"] = "0"
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"


@pytest.fixture(scope="session", autouse=True)
def compiled() -> None:
    """Have everything compiled first: no test shall wait for it, or give up because of it."""
    Engine.warm_up()


@pytest.fixture(scope="session", autouse=True)
def watched() -> Iterator[None]:
    """Look, whatever is tested, whether an array had a successor and nobody has declared it."""
    trusting = Held.__call__

    def wary(self: Held[Any], look: Callable[[], Any]) -> object:
        held = trusting(self, look)
        latest = self._latest
        assert latest is not None
        assert all(map(is_, look(), latest[0])), "declare a Renewal where the array is replaced"
        return held

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Held, "__call__", wary)
        yield


@pytest.fixture(scope="session", autouse=True)
def suspected() -> Iterator[None]:
    """Look, at each list, whether one call may make it and is given what it was compiled for."""
    trusting = AtOnce.__call__

    def wary(self: AtOnce, *question: Any) -> Made | None:  # noqa: ANN401
        made = trusting(self, *question)
        recipe, learner = self._recipe, self._learner
        self.look()
        assert (recipe, learner) == (self._recipe, self._learner), "declare a Renewal"
        return made

    def seeing(function: Callable[..., T], *like: object) -> Callable[..., T]:
        entry, kinds = straight(function, *like), [_kind(value) for value in like]

        def call(*given: object) -> T:
            assert [_kind(value) for value in given] == kinds
            return entry(*given)

        return call

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(AtOnce, "__call__", wary)
        patch.setattr("recsys.at_once.straight", seeing)
        yield


def _kind(value: object) -> object:
    """Return all that compiled code takes for granted about a value."""
    if isinstance(value, np.ndarray):
        return value.dtype, value.ndim, value.flags.c_contiguous, value.flags.aligned
    # It takes any whole number for one without a sign.
    return int if isinstance(value, np.uint64) else type(value)
