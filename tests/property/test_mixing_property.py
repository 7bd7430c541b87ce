"""Shards that mix while lessons are repeated, come out of order and get lost, and all may crash."""

from typing import Any

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from typing_extensions import override

from recsys.engine import Engine
from recsys.mixing.cut import Contribution
from recsys.store.memory import MemoryStore
from tests.mixing import KEY, Fleet, known_of

people = st.integers(0, 8).map(lambda number: f"u{number}")
shards = st.sampled_from(["s0", "s1", "s2"])


class MixingMachine(RuleBasedStateMachine):
    """Whatever happens, each shard ends up with what all have seen, once."""

    @initialize()
    def begin(self) -> None:
        self.fleet = Fleet(3)
        self.told = list[Contribution]()

    @rule(user=people, item=st.integers(0, 11), type_=st.sampled_from(["click", "view"]))
    def find(self, user: str, item: int, type_: str) -> None:
        self.fleet.find(user, item, type_)

    @rule(user=people)
    def ask(self, user: str) -> None:
        self.fleet.ask(user)

    @rule(user=people, place=st.integers(0, 2))
    def click(self, user: str, place: int) -> None:
        self.fleet.click(user, place)

    @rule(rankers=st.booleans())
    def mix(self, rankers: bool) -> None:
        self.fleet.mix(rankers=rankers)

    @rule(name=shards, back=st.integers(0, 20), size=st.integers(1, 9))
    def cut(self, name: str, back: int, size: int) -> None:
        """Keep some lessons, to be delivered whenever."""
        engine = self.fleet.engines[name]
        cut = engine.mix.cut(max(engine.mix.position.sequence - back, 0))
        assert cut is not None
        self.told.extend(cut.seal(size))

    @rule(name=shards, data=st.data())
    def deliver(self, name: str, data: st.DataObject) -> None:
        """Tell a shard something that it may have, or that comes too early, or is its own."""
        if self.told:
            engine = self.fleet.engines[name]
            piece = data.draw(st.sampled_from(self.told))
            if piece.shard in engine.mix.position.vector:
                engine.apply([engine.mix.mixed(piece)])

    @rule(name=shards)
    def crash(self, name: str) -> None:
        before = self.fleet.engines[name].fingerprint()
        self.fleet.crash(name)
        assert self.fleet.engines[name].fingerprint() == before

    @rule(name=shards)
    def snapshot(self, name: str) -> None:
        self.fleet.engines[name].snapshot()

    @rule()
    def lose_the_mixer(self) -> None:
        self.fleet.mixer = self.fleet.new_mixer()

    @invariant()
    def nobody_knows_more_than_there_was(self) -> None:
        liked = self.fleet.whole.state.counts.liked.sum()
        for engine in self.fleet.engines.values():
            assert engine.state.counts.liked.sum() <= liked

    @override
    def teardown(self) -> None:
        if not hasattr(self, "fleet"):
            return
        fleet = self.fleet
        fleet.mix()
        expected = known_of(fleet.whole.state, fleet.now_ms())
        for name, engine in fleet.engines.items():
            found = known_of(engine.state, fleet.now_ms())
            for what, values in expected.items():
                np.testing.assert_allclose(found[what], values, rtol=1e-5, atol=1e-6, err_msg=what)
            again = MemoryStore()
            log: list[Any] = [event for _, event in fleet.stores[name].read(after=0)]
            again.append(log)
            replayed = Engine(again, fleet.settings, KEY)
            assert replayed.fingerprint() == engine.fingerprint()


MixingMachine.TestCase.settings = settings(max_examples=25, stateful_step_count=40, deadline=None)
TestMixing = MixingMachine.TestCase
