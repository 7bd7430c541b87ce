"""What a mixer keeps and says, and who needs a base: worked out anew from who has what."""

from collections import UserDict

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from typing_extensions import override

from recsys.mixing.cut import Contribution
from recsys.mixing.mixer import Mixer
from recsys.mixing.port import Position

NAMES = ["a", "b", "c"]
shards = st.sampled_from(NAMES)


class MixerMachine(RuleBasedStateMachine):
    """Shards come late, are given up and come back, forget, and miss calls or their answers."""

    def __init__(self) -> None:
        super().__init__()
        self.mixer = Mixer(backlog_bytes=1 << 20, per_s=1e6)
        # All that was ever said; up to where it is gone, where each shard is, and who is heard of
        # with what position.
        self.said: dict[str, list[Contribution]] = {name: [] for name in NAMES}
        self.gone = dict.fromkeys(NAMES, 0)
        self.vectors: dict[str, dict[str, int]] = {name: {} for name in NAMES}
        self.heard: dict[str, dict[str, int]] = {}
        # Up to where a shard told a base.
        self.given: dict[str, set[int]] = {name: set() for name in NAMES}

    def released(self, shard: str) -> int:
        others = [vector for name, vector in self.heard.items() if name != shard]
        return min((vector.get(shard, 0) for vector in others), default=0)

    def settle(self) -> None:
        for name in NAMES:
            self.gone[name] = max(self.gone[name], self.released(name))

    def kept(self, shard: str) -> list[Contribution]:
        return [one for one in self.said[shard] if one.upto > self.gone[shard]]

    def lacked(self, shard: str, of: str) -> list[Contribution] | None:
        """Return what a shard is to be told of another one, ``None`` if that is not all there."""
        kept, at = self.kept(of), self.heard[shard].get(of)
        if at is None:
            return None if len(kept) < len(self.said[of]) else kept
        ahead = [one for one in self.said[of] if one.upto > at]
        return None if ahead != [one for one in kept if one.upto > at] else ahead

    @rule(name=shards)
    def hear(self, name: str) -> None:
        self.heard[name] = dict(self.vectors[name])
        self.mixer.hear(
            Position(
                shard=name, sequence=0, vector=self.heard[name], released=0, waiting=0, taken=0,
                refused=0, thinned=0,
            )
        )  # fmt: skip
        self.settle()

    @rule(name=shards)
    def forget(self, name: str) -> None:
        self.heard.pop(name, None)
        self.mixer.forget(name)
        self.settle()

    @rule(name=shards, data=st.data())
    def lose(self, name: str, data: st.DataObject) -> None:
        """Let a shard be where it was before, or know nothing of another one."""
        if vector := self.vectors[name]:
            other = data.draw(st.sampled_from(sorted(vector)))
            ends = [0, *(one.upto for one in self.said[other] if one.upto < vector[other])]
            if (back := data.draw(st.sampled_from([None, *ends]))) is None:
                del vector[other]
            else:
                vector[other] = back

    @precondition(lambda self: self.heard)
    @rule(data=st.data(), lengths=st.lists(st.integers(1, 3), max_size=3))
    def take(self, data: st.DataObject, lengths: list[int]) -> None:
        name = data.draw(st.sampled_from(sorted(self.heard)))
        said = self.said[name]
        at = said[-1].upto if said else self.mixer.ask(name).after
        ask = self.mixer.ask(name)
        assert ask.after == at
        ends = {at + sum(lengths[: n + 1]) for n in range(len(lengths))}
        stops = {stop for stop in self.given[name].union(ask.stops) if at < stop < max(ends | {at})}
        pieces = list[Contribution]()
        for end in sorted(ends | stops):
            pieces.append(Contribution(name, at, end, b"x" * (end - at)))
            at = end
        said.extend(pieces)
        self.mixer.take(name, pieces)

    @rule(name=shards, more=st.integers(0, 4))
    def rebase(self, name: str, more: int) -> None:
        """Give who needs it a base of a shard that has seen more than it has said."""
        donor = self.mixer.needs_base(name) if name in self.heard else None
        if donor is not None:
            upto = max([0, *(one.upto for one in self.said[donor])]) + more
            self.given[donor].add(upto)
            known = {other: at for other, at in self.vectors[donor].items() if other != name}
            self.vectors[name] = {**known, donor: upto}

    @precondition(lambda self: self.heard)
    @rule(data=st.data(), most=st.integers(1, 6), learned=st.integers(0, 6), told=st.booleans())
    def serve(self, data: st.DataObject, most: int, learned: int, told: bool) -> None:
        """Tell a shard what it lacks; its answer is heard with the next rule, if ever."""
        name = data.draw(st.sampled_from(sorted(self.heard)))
        serving = self.mixer.serving(name, most)
        assert serving.released == self.released(name)
        assert [(one.shard, one.after, one.upto) for one in serving.lessons] == [
            (one.shard, one.after, one.upto) for one in self.in_turns(name)[:most]
        ]
        for piece in serving.lessons[:learned]:
            if self.vectors[name].get(piece.shard, piece.after) == piece.after:
                self.vectors[name][piece.shard] = piece.upto
        if told:
            self.mixer.told(name, serving.lessons)

    def in_turns(self, name: str) -> list[Contribution]:
        turns = list[tuple[int, str, Contribution]]()
        for other in NAMES:
            if other != name:
                at = self.heard[name].get(other)
                pieces = self.kept(other) if at is None else self.lacked(name, other) or ()
                turns.extend((turn, other, piece) for turn, piece in enumerate(pieces))
        return [piece for _, _, piece in sorted(turns, key=lambda one: one[:2])]

    def lacks(self, name: str) -> bool:
        return any(self.lacked(name, other) is None for other in NAMES if other != name)

    @invariant()
    def a_base_is_for_who_lacks_what_is_gone(self) -> None:
        for name in self.heard:
            others = {other for other in self.heard if other != name and not self.lacks(other)}
            donor = self.mixer.needs_base(name)
            if self.lacks(name) and others:
                assert donor in others
            else:
                assert donor is None

    @invariant()
    def what_somebody_may_lack_is_kept(self) -> None:
        kept = {name: sum(len(one.record) for one in self.kept(name)) for name in NAMES}
        for name, size in self.mixer.outlook.bytes_kept.items():
            assert size == kept[name]
        for name, size in self.mixer.outlook.behind.items():
            assert size == sum(len(one.record) for one in self.in_turns(name))


MixerMachine.TestCase.settings = settings(max_examples=150, stateful_step_count=50, deadline=None)
TestMixer = MixerMachine.TestCase


class Counted(UserDict[str, int]):
    """A vector that counts how often it is asked."""

    asked = 0

    @override
    def __getitem__(self, key: str) -> int:
        Counted.asked += 1
        return super().__getitem__(key)


def asked_in_a_round(n: int) -> int:
    """Return how often positions are looked at while all hear of all, two pieces each."""
    mixer, names = Mixer(1 << 30, 1e6), [f"shard-{number}" for number in range(n)]
    vectors = {name: Counted() for name in names}

    def hear(name: str) -> None:
        mixer.hear(
            Position(
                shard=name, sequence=0, vector=Counted(vectors[name]), released=0, waiting=0,
                taken=0, refused=0, thinned=0,
            )
        )  # fmt: skip

    for turn in range(3):
        Counted.asked = 0
        for name in names:
            hear(name)
            at = 2 * turn
            mixer.take(name, [Contribution(name, at + i, at + i + 1, b"x") for i in range(2)])
        for name in names:
            assert mixer.needs_base(name) is None
            while lessons := mixer.serving(name, 4 * n).lessons:
                mixer.told(name, lessons)
                vectors[name] |= {one.shard: one.upto for one in lessons}
                hear(name)
    assert all(len(vector) == n - 1 for vector in vectors.values())
    return Counted.asked


def test_a_round_looks_at_each_pair_of_shards_a_few_times() -> None:
    few, many = asked_in_a_round(10), asked_in_a_round(40)
    assert many < 20 * few
