"""What a mixer keeps, for whom, and whom it gives up."""

from collections.abc import Mapping

import msgspec
import pytest

from recsys.mixing.cut import Contribution
from recsys.mixing.events import Rebased
from recsys.mixing.mixer import Mixer
from recsys.mixing.port import Position
from tests.mixing import Fleet

POSITION = Position(
    shard="", sequence=0, vector={}, released=0, waiting=0, taken=0, refused=0, thinned=0
)


def at(shard: str, vector: Mapping[str, int] | None = None) -> Position:
    return msgspec.structs.replace(POSITION, shard=shard, vector=vector or {})


def piece(shard: str, after: int, upto: int, size: int = 10) -> Contribution:
    return Contribution(shard, after, upto, b"x" * size)


@pytest.fixture
def mixer() -> Mixer:
    mixer = Mixer(backlog_bytes=100, per_s=1000.0)
    for shard in "abc":
        mixer.hear(at(shard))
    return mixer


def test_each_shard_is_served_what_it_lacks_of_the_others_in_turns(mixer: Mixer) -> None:
    mixer.take("a", [piece("a", 0, 5), piece("a", 5, 9)])
    mixer.take("b", [piece("b", 0, 3)])
    assert mixer.serving("a", 10).lessons == [piece("b", 0, 3)]
    assert mixer.serving("c", 10).lessons == [piece("a", 0, 5), piece("b", 0, 3), piece("a", 5, 9)]
    assert mixer.serving("c", 2).lessons == [piece("a", 0, 5), piece("b", 0, 3)]
    mixer.hear(at("c", {"a": 5, "b": 3}))
    assert mixer.serving("c", 10).lessons == [piece("a", 5, 9)]


def test_what_all_have_is_dropped_and_released(mixer: Mixer) -> None:
    mixer.take("a", [piece("a", 0, 5), piece("a", 5, 9)])
    assert (mixer.serving("a", 1).released, mixer.ask("a").after) == (0, 9)
    mixer.hear(at("b", {"a": 9}))
    mixer.hear(at("c", {"a": 5}))
    assert mixer.serving("a", 1).released == 5
    assert mixer.outlook.bytes_kept["a"] == 10
    mixer.hear(at("c", {"a": 9}))
    assert mixer.outlook.bytes_kept["a"] == 0
    assert mixer.ask("a").after == 9


def test_who_does_not_answer_holds_nobody_up(mixer: Mixer) -> None:
    mixer.take("a", [piece("a", 0, 5)])
    mixer.hear(at("b", {"a": 5}))
    assert mixer.serving("a", 1).released == 0
    mixer.forget("c")
    assert mixer.serving("a", 1).released == 5
    # It comes back, and what it lacks is gone.
    mixer.take("a", [piece("a", 5, 8)])
    mixer.hear(at("b", {"a": 8}))
    mixer.hear(at("c", {"a": 2}))
    mixer.take("a", [piece("a", 8, 9)])
    assert mixer.needs_base("c") == "b"
    assert mixer.needs_base("b") is None


def test_who_lost_the_end_of_its_log_is_told_again(mixer: Mixer) -> None:
    mixer.take("a", [piece("a", 0, 5), piece("a", 5, 9)])
    mixer.forget("b")
    mixer.hear(at("b", {"a": 9}))
    assert mixer.serving("b", 9).lessons == []
    mixer.hear(at("b", {"a": 5}))
    assert mixer.serving("b", 9).lessons == [piece("a", 5, 9)]
    mixer.hear(at("b", {"a": 9}))
    assert mixer.serving("b", 9).lessons == []


def test_a_backlog_is_bounded(mixer: Mixer) -> None:
    mixer.hear(at("b", {"a": 0}))
    mixer.take("a", [piece("a", n, n + 1, 30) for n in range(6)])
    outlook = mixer.outlook
    assert (outlook.bytes_kept["a"], outlook.dropped) == (90, 3)
    assert mixer.serving("b", 10).lessons == []
    # Who never heard of it begins where it is kept from; nobody else could help.
    assert mixer.serving("c", 1).lessons == [piece("a", 3, 4, 30)]
    mixer.hear(at("c", {"a": 6}))
    assert mixer.needs_base("b") == "c"


def test_a_new_mixer_asks_for_what_the_furthest_behind_lacks() -> None:
    mixer = Mixer(backlog_bytes=100, per_s=1000.0)
    for position in (at("a"), at("b", {"a": 7}), at("c", {"a": 4})):
        mixer.hear(position)
    assert mixer.ask("a").after == 4
    assert mixer.ask("a").stops == (7,)


def test_a_new_mixer_goes_on_from_wherever_each_shard_is() -> None:
    fleet = Fleet(3)
    user = next(f"u{number}" for number in range(99) if fleet.owner(f"u{number}") == "s0")
    for item in range(3):
        fleet.find(user, item)
    ahead = fleet.engines["s1"]
    cut = fleet.engines["s0"].mix.cut(0)
    assert cut is not None
    ahead.apply([ahead.mix.mixed(piece) for piece in cut.seal(99)])
    for item in range(3, 9):
        fleet.find(user, item)
    fleet.mix()
    assert not any(one.mix.position.missed for one in fleet.engines.values())
    for name, engine in fleet.engines.items():
        assert engine.state.counts.liked.sum() == 9
        assert not any(isinstance(one, Rebased) for _, one in fleet.stores[name].read(after=0))


def test_of_too_many_lessons_each_shard_is_asked_for_a_share(mixer: Mixer) -> None:
    assert mixer.ask("a").share == 1.0
    mixer.take("a", [], rate=3000.0)
    mixer.take("b", [], rate=1000.0)
    assert mixer.ask("a").share == 0.25


def test_pieces_that_do_not_follow_begin_anew(mixer: Mixer) -> None:
    mixer.take("a", [piece("a", 0, 5)])
    mixer.take("a", [piece("a", 9, 12)])
    assert mixer.serving("b", 10).lessons == [piece("a", 9, 12)]


def test_what_a_shard_cannot_learn_is_left_out_in_the_end() -> None:
    fleet = Fleet(2)
    for item in range(4):
        fleet.find("u0", item)
    owner = fleet.owner("u0")
    [other] = set(fleet.engines) - {owner}
    mixer, receiver = fleet.mixer, fleet.engines[other]
    for name, engine in fleet.engines.items():
        mixer.hear(engine.mix.position)
        cut = engine.mix.cut(0)
        assert cut is not None
        good = list(cut.seal(2))
        broken = [msgspec.structs.replace(one, record=b"broken") for one in good[:1]]
        mixer.take(name, [*broken, *good[1:]])
    for _ in range(4):
        serving = mixer.serving(other, 1)
        receiver.apply([receiver.mix.mixed(one) for one in serving.lessons])
        mixer.told(other, serving.lessons)
        mixer.hear(receiver.mix.position)
    assert receiver.stats().failed == 3
    assert mixer.outlook.skipped == 1
    receiver.apply([receiver.mix.mixed(one) for one in mixer.serving(other, 9).lessons])
    assert receiver.state.counts.liked.sum() == 2
