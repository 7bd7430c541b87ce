from itertools import islice

from benchmarks.ordeals import HELD, KINDS, TITLES, plan
from benchmarks.terms import LIMIT_S

ROUND = len(KINDS)


def test_each_round_has_all_kinds() -> None:
    drawn = [ordeal.kind for ordeal in islice(plan(1, 30.0, 15.0), 3 * ROUND)]
    for start in range(0, len(drawn), ROUND):
        assert sorted(drawn[start : start + ROUND]) == sorted(KINDS)


def test_what_is_held_lasts_and_the_rest_does_not() -> None:
    for ordeal in islice(plan(1, 30.0, 15.0), 5 * ROUND):
        assert ordeal.lasts_s == {"pause": 30.0, "quota": 15.0}.get(ordeal.kind, 0.0)


def test_something_dies_beside_a_stopped_shard_but_not_in_the_first_round() -> None:
    drawn = list(islice(plan(1, 30.0, 15.0), 9 * ROUND))
    assert not any(ordeal.meanwhile for ordeal in drawn[:ROUND])
    deaths = {ordeal.meanwhile for ordeal in drawn[ROUND:] if ordeal.kind == "pause"}
    assert deaths == {"gateway", "supervisor", "controller"}


def test_every_kind_has_its_terms() -> None:
    assert set(LIMIT_S) == set(KINDS)
    assert set(TITLES) | set(HELD) == set(KINDS)


def test_a_seed_says_it_all() -> None:
    assert list(islice(plan(1, 1.0, 1.0), 40)) == list(islice(plan(1, 1.0, 1.0), 40))
    assert list(islice(plan(1, 1.0, 1.0), 40)) != list(islice(plan(2, 1.0, 1.0), 40))
