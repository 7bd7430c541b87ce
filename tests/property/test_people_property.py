"""Whoever is brought into memory, and whenever: nothing that is known changes."""

from unittest.mock import patch

from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.engine import Engine
from recsys.events import Event, PartitionOut, UserErase
from recsys.people import Row, Wanted
from recsys.settings import EngineSettings, UserSettings
from recsys.store.memory import MemoryStore
from tests.engines import KEY, ask, feedback

_PEOPLE = [f"p{number}" for number in range(7)]
_PARTITIONS = 4

scripts = st.lists(
    st.one_of(
        st.tuples(st.just("like"), st.sampled_from(_PEOPLE)),
        st.tuples(st.just("erase"), st.sampled_from(_PEOPLE)),
        st.tuples(st.just("out"), st.integers(0, _PARTITIONS - 1)),
        st.tuples(st.sampled_from(["ask", "heal"]), st.just("p1")),
        st.tuples(st.just("snapshot"), st.just("")),
        st.tuples(st.just("read"), st.just("")),
        st.tuples(st.just("admit"), st.just("")),
    ),
    max_size=60,
)


def event_of(number: int, kind: str, what: str | int) -> Event:
    if isinstance(what, int):
        return PartitionOut(
            event_id=f"out{number}", ts_ms=1000 * number, partition=what,
            partitions=_PARTITIONS, epoch=number + 1,
        )  # fmt: skip
    if kind == "erase":
        return UserErase(event_id=f"r{number}", user_id=what, ts_ms=1000 * number)
    return feedback(what, f"i{number % 5}", 1000 * number)


class Two:
    """The same life twice; one of the two also brings people in, whenever it is told to."""

    def __init__(self, room: int) -> None:
        bound = EngineSettings(users=UserSettings(in_memory=room))
        self.engines = [Engine(MemoryStore(), bound, KEY) for _ in range(2)]
        self._held: tuple[Wanted, list[Row]] | None = None
        for engine in self.engines:
            engine.apply([feedback(user, "i1", 1) for user in _PEOPLE])
            engine.snapshot()
            # Now all are in the store, and as far as they fit in memory.
            engine.heal()

    def step(self, number: int, kind: str, what: str | int) -> None:
        calm, busy = self.engines
        match kind:
            case "ask":
                user = str(what)
                assert ask(calm, user, f"d{number}") == ask(busy, user, f"d{number}")
            case "snapshot":
                for engine in self.engines:
                    engine.snapshot()
            case "heal":
                for engine in self.engines:
                    engine.heal()
            case "read":
                wanted = busy.people.wanted()
                self._held = None if wanted is None else (wanted, busy.people.read(wanted))
            case "admit":
                self._admit()
            case _:
                for engine in self.engines:
                    engine.apply([event_of(number, kind, what)])

    def _admit(self) -> None:
        if self._held is not None:
            for _ in self.engines[1].people.admit(*self._held):
                pass
            self._held = None

    def check(self) -> None:
        calm, busy = self.engines
        for user in (*_PEOPLE, "a stranger"):
            assert calm.user(user) == busy.user(user)


@settings(max_examples=200, deadline=None)
@given(script=scripts, room=st.integers(5, 9), page=st.integers(1, 4))
def test_nothing_that_is_known_changes(
    script: list[tuple[str, str | int]], room: int, page: int
) -> None:
    two = Two(room)
    with patch("recsys.people._PAGE", page):
        for number, (kind, what) in enumerate(script, 1):
            two.step(number, kind, what)
    two.check()
    assert two.engines[0].fingerprint() == two.engines[1].fingerprint()
