"""What holds for every test; Ray reads these when it is first imported."""

import os

import pytest

from recsys.engine import Engine

os.environ["RAY_ENABLE_UV_RUN_RUNTIME_ENV"] = "0"
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"


@pytest.fixture(scope="session", autouse=True)
def compiled() -> None:
    """Have everything compiled first: no test shall wait for it, or give up because of it."""
    Engine.warm_up()
