"""What holds for every test; Ray reads these when it is first imported."""

import os
from collections.abc import Callable, Iterator
from operator import is_
from typing import Any

import pytest

from recsys.engine import Engine
from recsys.held import Held

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
