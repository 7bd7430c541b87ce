"""After the warm-up nothing is left to compile, whatever is asked and learned then."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from recsys.engine import Engine
from recsys.settings import EngineSettings
from tests.warmed import compiled_since, signatures

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    "document",
    [
        {"learners": {"ranker": "listwise"}},
        {"learners": {"ranker": "vw"}},
        {"learners": {"ranker": "ftrl"}},
        {"features": {"without": ["windows", "request"]}, "candidates": {"without": ["tastes"]}},
    ],
    ids=str,
)
def test_nothing_is_left_to_compile(document: dict[str, object]) -> None:
    command = [sys.executable, "-m", "tests.warmed", json.dumps(document)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == ""


def test_there_is_something_to_compile() -> None:
    Engine.warm_up(EngineSettings())
    nothing = {name: set[str]() for name in signatures()}
    compiled = " ".join(compiled_since(nothing))
    for name in (
        "gather_kernels.ask",
        "transition_kernels.learn",
        "rows.describe",
        "net.gather",
    ):
        assert name in compiled
