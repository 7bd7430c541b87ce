"""What is told twice, too late, or to whom it came from, counts once."""

import pytest

from recsys.engine import Engine
from recsys.errors import CorruptRecord
from recsys.events import UserErase
from recsys.mixing.cut import Contribution
from tests.mixing import Fleet


def pieces_of(engine: Engine, after: int = 0, size: int = 100) -> list[Contribution]:
    cut = engine.mix.cut(after)
    assert cut is not None
    return list(cut.seal(size))


@pytest.fixture
def fleet() -> Fleet:
    fleet = Fleet(2)
    for item in range(6):
        fleet.find("u0", item)
    return fleet


@pytest.fixture
def sender(fleet: Fleet) -> Engine:
    return fleet.engines[fleet.owner("u0")]


@pytest.fixture
def receiver(fleet: Fleet, sender: Engine) -> Engine:
    return next(engine for engine in fleet.engines.values() if engine is not sender)


def test_a_piece_counts_once(sender: Engine, receiver: Engine) -> None:
    [piece] = pieces_of(sender)
    for _ in range(3):
        receiver.apply([receiver.mix.mixed(piece)])
    assert receiver.state.counts.liked.sum() == 6
    assert (receiver.mix.position.taken, receiver.mix.position.refused) == (1, 2)
    assert receiver.mix.position.vector == {piece.shard: piece.upto}


def test_pieces_count_in_their_order_only(sender: Engine, receiver: Engine) -> None:
    first, second, third = pieces_of(sender, size=2)
    receiver.apply([receiver.mix.mixed(first)])
    receiver.apply([receiver.mix.mixed(third)])
    assert receiver.state.counts.liked.sum() == 2
    receiver.apply([receiver.mix.mixed(second)])
    receiver.apply([receiver.mix.mixed(third)])
    assert receiver.state.counts.liked.sum() == 6
    assert receiver.mix.position.refused == 1


def test_pieces_end_where_somebody_is(sender: Engine, receiver: Engine) -> None:
    whole = pieces_of(sender)
    cut = sender.mix.cut(0)
    assert cut is not None
    begin, upto = whole[0].after, whole[0].upto
    pieces = list(cut.seal(100, stops=(0, begin + 1, upto - 2, upto, upto + 9)))
    assert [one.upto for one in pieces] == [begin + 1, upto - 2, upto]
    assert [one.after for one in pieces] == [begin, begin + 1, upto - 2]
    receiver.apply([receiver.mix.mixed(piece) for piece in pieces])
    assert receiver.state.counts.liked.sum() == 6
    assert (receiver.mix.position.taken, receiver.mix.position.missed) == (3, {})
    # Where there is nothing to tell, nothing is told.
    assert [one for one in [sender.mix.cut(upto)] if one and list(one.seal(9, stops=(upto,)))] == []


def test_a_shard_does_not_learn_from_itself(sender: Engine) -> None:
    [piece] = pieces_of(sender)
    sender.apply([sender.mix.mixed(piece)])
    assert sender.state.counts.liked.sum() == 6
    assert sender.mix.position.refused == 1


def test_what_was_learned_of_others_is_not_told_on(sender: Engine, receiver: Engine) -> None:
    receiver.apply([receiver.mix.mixed(piece) for piece in pieces_of(sender)])
    assert receiver.mix.position.waiting == 0
    assert pieces_of(receiver) == []


def test_to_be_asked_for_lessons_changes_nothing(sender: Engine) -> None:
    before = sender.fingerprint()
    assert pieces_of(sender) == pieces_of(sender)
    sender.mix.ranking()
    sender.mix.base()
    assert sender.fingerprint() == before


def test_the_same_piece_is_made_again_after_a_crash(fleet: Fleet, sender: Engine) -> None:
    made = pieces_of(sender, size=4)
    name = sender.mix.position.shard
    fleet.crash(name)
    assert pieces_of(fleet.engines[name], size=4) == made
    fleet.engines[name].snapshot()
    fleet.crash(name)
    assert pieces_of(fleet.engines[name], size=4) == made


def test_what_all_have_is_dropped(fleet: Fleet, sender: Engine, receiver: Engine) -> None:
    fleet.mix()
    for item in range(6, 9):
        fleet.find("u0", item)
    released = receiver.mix.position.vector[sender.mix.position.shard]
    sender.apply([sender.mix.release(released)])
    assert sender.mix.position.waiting == 3
    fleet.mix()
    assert receiver.state.counts.liked.sum() == 9


def test_a_damaged_piece_changes_nothing(sender: Engine, receiver: Engine) -> None:
    [piece] = pieces_of(sender)
    record = piece.record[:-1] + bytes([piece.record[-1] ^ 1])
    before = receiver.state.parts()
    broken = Contribution(piece.shard, piece.after, piece.upto, record)
    receiver.apply([receiver.mix.mixed(broken)])
    assert receiver.stats().failed == 1
    assert receiver.mix.position.vector == {}
    after = receiver.state.parts()
    assert {name for name in after if after[name] != before[name]} == {"counters", "mixing"}
    [letter] = receiver.capture().letters
    assert CorruptRecord.__name__ in letter.cause


def test_lessons_of_an_erased_person_do_not_go_out(fleet: Fleet, sender: Engine) -> None:
    fleet.do("u0", UserErase(event_id="r", user_id="u0", ts_ms=fleet.now_ms()))
    assert sender.mix.position.waiting == 0


def test_a_copy_under_a_new_name_does_not_learn_from_its_former_self(
    fleet: Fleet, sender: Engine
) -> None:
    name = sender.mix.position.shard
    copy = Engine(fleet.stores[name].reopened(), fleet.settings, sender.key)
    begun = copy.mix.begin("new")
    assert begun is not None
    copy.apply([begun])
    fleet.find("u0", 7)
    copy.apply([copy.mix.mixed(piece) for piece in pieces_of(sender)])
    assert copy.mix.position.refused == 1
    known = copy.mix.position.vector[name]
    copy.apply([copy.mix.mixed(piece) for piece in pieces_of(sender, known)])
    assert copy.state.counts.liked.sum() == 7
