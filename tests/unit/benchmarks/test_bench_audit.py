import msgspec
import pytest

from benchmarks.audit import Audit, Sent, audit

SENT = [Sent(f"e{number}", "ann" if number % 2 else "bob") for number in range(10)]
IDS = {event.event_id for event in SENT}
BOB, ANN = SENT[0::2], SENT[1::2]
LEARNED = {"ann": 5, "bob": 5}
CLEAN = Audit(
    acknowledged=10,
    in_log=10,
    lost=0,
    unasked=0,
    written_twice=0,
    out_of_order=0,
    not_learned=0,
    learned_twice=0,
)


def test_what_agrees_is_clean() -> None:
    found = audit(SENT, IDS, [ANN, BOB], LEARNED)
    assert found == CLEAN
    assert found.clean


def test_an_acknowledged_event_that_is_nowhere_is_lost() -> None:
    found = audit(SENT, IDS, [ANN, BOB[1:]], LEARNED)
    assert found == msgspec.structs.replace(CLEAN, in_log=9, lost=1)


def test_an_event_without_an_acknowledgement_may_be_missing_but_not_be_there() -> None:
    assert audit(SENT, IDS - {"e0"}, [ANN, BOB[1:]], LEARNED | {"bob": 4}).clean
    found = audit(SENT, IDS - {"e0"}, [ANN, BOB], LEARNED | {"bob": 4})
    assert found == msgspec.structs.replace(CLEAN, acknowledged=9, unasked=1)
    stranger = audit(SENT, IDS, [ANN, [*BOB, Sent("x", "bob")]], LEARNED)
    assert (stranger.in_log, stranger.unasked) == (11, 1)


@pytest.mark.parametrize("logs", [[ANN, [*BOB, BOB[-1]]], [[*ANN, BOB[-1]], BOB]])
def test_a_second_place_in_any_log_is_counted(logs: list[list[Sent]]) -> None:
    found = audit(SENT, IDS, logs, LEARNED)
    assert (found.in_log, found.written_twice, found.unasked) == (10, 1, 0)
    assert not found.clean


def test_order_matters_within_a_person_only() -> None:
    assert audit(SENT, IDS, [ANN + BOB], LEARNED).clean
    found = audit(SENT, IDS, [[ANN[1], ANN[0], *ANN[2:], *BOB]], LEARNED)
    assert found == msgspec.structs.replace(CLEAN, out_of_order=1)


@pytest.mark.parametrize(
    ("learned", "missing", "twice"),
    [
        ({"ann": 3, "bob": 5}, 2, 0),
        ({"ann": 5, "bob": 6}, 0, 1),
        # What one person lacks does not make up for what another has twice.
        ({"ann": 4, "bob": 6}, 1, 1),
        ({"bob": 5}, 5, 0),
        ({"ann": 5, "bob": 5, "eve": 1}, 0, 1),
    ],
)
def test_people_are_counted_one_by_one(learned: dict[str, int], missing: int, twice: int) -> None:
    found = audit(SENT, IDS, [ANN, BOB], learned)
    assert (found.not_learned, found.learned_twice) == (missing, twice)
    assert not found.clean
