"""An engine that answers from an index learns what one without it does."""

from typing import get_args

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from recsys.candidates.nearest import Index
from recsys.engine import Engine
from recsys.settings import EngineSettings, SourceName
from tests.engines import ask, engine_with, feedback, items

# What the factors do not propose, nothing else does.
ALONE = [name for name in get_args(SourceName) if name != "factors"]
SETTINGS = EngineSettings.model_validate(
    {"candidates": {"without": ALONE, "factors": {"exact_up_to": 0}}}
)


class Blind(Index):
    """Finds nothing."""

    @override
    def find(self, *_: object) -> NDArray[np.int32]:
        return np.zeros(0, np.int32)


def find(engine: Engine, round_: int) -> int:
    """Let four people find things; returns how many lessons that were."""
    before = engine.stats().replay_size
    engine.apply(
        [
            feedback(f"u{number % 4}", f"i{(7 * number + round_) % 20}", 1000 * number)
            for number in range(30 * round_, 30 * round_ + 30)
        ]
    )
    return engine.stats().replay_size - before


def a_blind_one_and_another() -> tuple[Engine, Engine]:
    """Return engines that have learned the same; the first has an index that finds nothing."""
    blind, other = engine_with(items(20), SETTINGS), engine_with(items(20), SETTINGS)
    for engine in (blind, other):
        find(engine, 0)
    vectors = blind.to_index()
    assert vectors is not None
    blind.indexed(Blind(vectors))
    return blind, other


def test_what_is_learned_does_not_depend_on_an_index() -> None:
    with_index, without = a_blind_one_and_another()
    assert with_index.to_index() is None
    lessons = [find(engine, 1) for engine in (with_index, without)]
    assert lessons[0] == lessons[1] > 0
    assert with_index.fingerprint() == without.fingerprint()


def test_who_asks_is_answered_from_the_index() -> None:
    blind, scanned = a_blind_one_and_another()
    for engine, proposes in ((scanned, True), (blind, False)):
        ask(engine, "u0", "d", n=2)
        assert (engine.state.pool.count > 0) == proposes
