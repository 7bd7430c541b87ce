"""Shards live through worlds in which everything goes wrong, and keep every promise.

One seed is one world; ``make soak-sim SEEDS=1 FIRST=<seed>`` lives through it again.
"""

import os
import subprocess
import sys
from collections import Counter
from functools import cache
from unittest.mock import patch

import pytest

from recsys.engine import Engine
from tests.simulation import soak, vfs
from tests.simulation.mutants import MUTANTS
from tests.simulation.world import Verdict, simulate
from tests.tiny import RANKERS

CHUNK = 20
SEEDS = 200
CAUGHT_WITHIN = 60
EVENTFUL = {
    "accepted", "duplicate", "conflict", "answered", "pruned", "records", "cut", "kill", "died",
    "Overloaded", "InvalidEvent", "ShardUnavailable", "disk sound", "disk cut", "disk full",
    "disk flush", "disk read", "logged",
}  # fmt: skip
"""What has happened at least once in all these worlds."""


@pytest.fixture(scope="module", autouse=True)
def simulated() -> None:
    try:
        vfs.register()
    except vfs.NoVfs as error:
        pytest.skip(f"SQLite cannot be given a simulated disk: {error}")
    for settings in RANKERS.values():
        Engine.warm_up(settings)


@cache
def lived(seed: int) -> Verdict:
    return simulate(seed)


@pytest.mark.parametrize("first", range(0, SEEDS, CHUNK))
def test_every_promise_is_kept(first: int) -> None:
    verdicts = [lived(seed) for seed in range(first, first + CHUNK)]
    assert {one.seed: one.wrong for one in verdicts if one.wrong} == {}


def test_the_worlds_are_eventful() -> None:
    tally = sum((lived(seed).tally for seed in range(SEEDS)), Counter[str]())
    assert EVENTFUL - set(tally) == set()


@pytest.mark.parametrize("name", MUTANTS)
def test_a_broken_shard_is_noticed(name: str) -> None:
    mutant = MUTANTS[name]
    for target, replacement in mutant.patches.items():
        stand_in = patch(target, replacement)
        stand_in.start()
    try:
        assert any(simulate(seed, mutant.kinds).wrong for seed in range(CAUGHT_WITHIN))
    finally:
        patch.stopall()


def test_a_seed_happens_again_in_another_process() -> None:
    script = (
        "from tests.simulation.world import simulate;"
        "print([simulate(seed).trace for seed in range(3)])"
    )
    # Which hashes otherwise than this process.
    seed = "2" if os.environ.get("PYTHONHASHSEED") == "1" else "1"
    other = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONHASHSEED": seed},
        capture_output=True,
        text=True,
        check=True,
    )
    assert other.stdout == f"{[simulate(seed).trace for seed in range(3)]}\n"


def test_the_command_tells_a_failing_seed_and_ends_with_1(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert soak.main(["--seeds", "1", "--first", "3"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == '{"seeds": 1, "failures": 0}'
    mutant = MUTANTS["tells other propensities"]
    with patch("tests.simulation.world.Kinds", lambda: mutant.kinds):
        assert soak.main(["--seeds", "2", "--first", "3"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("seed 3 (trace ")
    assert lines[-1].startswith('{"seeds": 2, "failures": ')
