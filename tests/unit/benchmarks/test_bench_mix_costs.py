from pathlib import Path

from benchmarks.mix_costs import measure
from benchmarks.scaling.constants import Costs


def test_what_mixing_costs_is_measured(tmp_path: Path) -> None:
    found = measure(tmp_path, 1, shards=40, turns=2, before=30)
    assert set(found) == {
        name
        for name, one in Costs.read().constants.items()
        if one.source == "`python -m benchmarks.mix_costs`"
    }
    # A piece is dear whatever is in it; so is a mixer's book-keeping.
    assert found["piece_us"] > found["lesson_us"]
    assert found["piece_bytes"] > found["lesson_bytes"] > 0.0
    assert found["mixer_pair_us"] > 0.0
    assert found["ranker_up_bytes"] > found["ranker_down_bytes"] > 0.0
