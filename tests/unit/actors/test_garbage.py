import gc
import weakref

from actors.garbage import look_seldom, tuck_away


class Node:
    """Something that may refer to itself."""

    def __init__(self) -> None:
        self.other: object = None


def test_what_is_kept_is_looked_at_no_more_and_goes_all_the_same() -> None:
    kept, cycle = Node(), Node()
    cycle.other = cycle
    known, lost = weakref.ref(kept), weakref.ref(cycle)
    del cycle
    try:
        tuck_away()
        assert lost() is None
        assert gc.get_freeze_count() > 0
        assert not any(one is kept for one in gc.get_objects())
        del kept
        assert known() is None
    finally:
        gc.unfreeze()


def test_who_looks_seldom_still_finds_what_is_lost() -> None:
    usual = gc.get_threshold()
    looks = 0

    def count(phase: str, _: dict[str, int]) -> None:
        nonlocal looks
        looks += phase == "start"

    gc.callbacks.append(count)
    try:
        look_seldom()
        gc.collect()
        cycle = Node()
        cycle.other = cycle
        lost = weakref.ref(cycle)
        del cycle
        looks = 0
        wave = [Node() for _ in range(20_000)]
        assert looks == 0
        wave.clear()
        wave.extend(Node() for _ in range(60_000))
        assert looks >= 1
        assert lost() is None
    finally:
        gc.callbacks.remove(count)
        gc.set_threshold(*usual)
