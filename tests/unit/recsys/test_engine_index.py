"""An engine that answers from an index learns what one without it does."""

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from recsys.candidates.nearest import Index
from recsys.settings import EngineSettings
from tests.engines import engine_with, feedback, items


def test_what_is_learned_does_not_depend_on_an_index() -> None:
    class Blind(Index):
        @override
        def find(self, *_: object) -> NDArray[np.int32]:
            return np.zeros(0, np.int32)

    settings = EngineSettings.model_validate({"candidates": {"factors": {"exact_up_to": 0}}})
    with_index, without = engine_with(items(20), settings), engine_with(items(20), settings)
    for round_ in range(3):
        finds = [
            feedback(
                f"u{number % 4}", f"i{(7 * number + round_) % 20}", 1000 * (30 * round_ + number)
            )
            for number in range(30)
        ]
        for engine in (with_index, without):
            engine.apply(finds)
        vectors = with_index.to_index()
        assert (vectors is not None) == (round_ == 0)
        if vectors is not None:
            with_index.indexed(Blind(vectors))
    assert with_index.stats().replay_size > 0
    assert with_index.fingerprint() == without.fingerprint()
