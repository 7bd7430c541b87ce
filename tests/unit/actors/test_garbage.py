import gc
import weakref

from actors.garbage import tuck_away


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
