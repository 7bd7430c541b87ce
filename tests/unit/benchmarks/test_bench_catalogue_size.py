from benchmarks.catalogue_size import catalogue_cost
from recsys.engine import Engine


def test_every_source_is_timed() -> None:
    cost = catalogue_cost(60, 1, clicks=40, asked=3)
    assert cost.items == 60
    names = {type(source).__name__.lower() for source in Engine.open(None).state.sources}
    assert set(cost.proposing) == names
    assert 0.0 < max(cost.proposing.values()) < cost.request
    assert 0.0 < cost.indexed_factors < cost.indexed_request
    assert cost.indexing_s > 0.0
    assert cost.found == 1.0, "of so few items all cells are looked through"
