"""The proof must be able to fail: a history with any fault in it does not pass."""

from collections.abc import Sequence

import msgspec
import pytest

from benchmarks.audit import Sent, audit
from benchmarks.books import Books, Heard
from benchmarks.haunted import Outcome
from benchmarks.history import Findings, History, Sighting
from benchmarks.ordeals import Ordeal
from benchmarks.rebuild import Rebuilt
from benchmarks.sender import Sender
from benchmarks.torment import Suffered
from benchmarks.usage import Used
from recsys.client import AsyncClient

SENT = [Sent(f"e{number}", "ann" if number % 2 else "bob") for number in range(10)]
BOB, ANN = SENT[0::2], SENT[1::2]
NOTHING = History().check([])


def suffered(kind: str, outage_s: float, *broken: str) -> Suffered:
    return Suffered(
        ordeal=msgspec.convert({"kind": kind, "shard": 1, "lasts_s": 8}, Ordeal),
        outage_s=outage_s,
        silence_s=outage_s + 1.0,
        others_s=None,
        slowest_s=0.5,
        refusals={"503 it did not answer in time": 3},
        broken=list(broken),
    )


SUFFERED = [suffered("gateway", 2.0), suffered("pause", 9.0), suffered("gateway", 3.0)]


def outcome(
    logs: Sequence[Sequence[Sent]] = (ANN, BOB),
    *,
    learned: int = 10,
    different: Sequence[str] = (),
    findings: Findings = NOTHING,
    done: Sequence[Suffered] = SUFFERED,
    resumed: bool = True,
    status: int = 0,
) -> Outcome:
    accounts = audit(SENT, {one.event_id for one in SENT}, logs, {"ann": 5, "bob": learned - 5})
    books = Books(learned, accounts, [Rebuilt(3, 2, list(different))])
    used = Used(list(done), Sender(AsyncClient("http://nowhere"), [], 1), Heard(learned, {}), 90.0)
    return Outcome.of(used, books, findings, resumed=resumed, status=status)


def test_a_history_without_a_fault_passes() -> None:
    passed = outcome()
    assert passed.passed
    first = {
        "strikes": 3, "acked": 10, "lost": 0, "doubled": 0, "bytes_equal": True,
        "outage_max_s": {"gateway": 3.0, "pause": 9.0},
        "silence_max_s": {"gateway": 4.0, "pause": 10.0}, "resumed": True,
    }  # fmt: skip
    assert list(msgspec.to_builtins(passed).items())[: len(first)] == list(first.items())


def test_a_loss_is_found() -> None:
    failed = outcome([ANN, BOB[1:]])
    assert (failed.lost, failed.doubled) == (1, 0)
    assert not failed.passed


@pytest.mark.parametrize("logs", [[ANN, [*BOB, BOB[-1]]], [[*ANN, BOB[0]], BOB]])
def test_an_event_that_is_there_twice_is_found(logs: list[list[Sent]]) -> None:
    failed = outcome(logs)
    assert (failed.lost, failed.doubled) == (0, 1)
    assert not failed.passed


def test_an_event_that_was_learned_twice_is_found() -> None:
    failed = outcome(learned=11)
    assert (failed.lost, failed.doubled) == (0, 1)
    assert not failed.passed


def test_an_order_that_was_lost_is_found() -> None:
    failed = outcome([ANN, [BOB[1], BOB[0], *BOB[2:]]])
    assert (failed.lost, failed.doubled, failed.out_of_order) == (0, 0, 1)
    assert not failed.passed


def test_two_owners_are_found() -> None:
    history = History()
    history.sightings += [Sighting(0, 3, 100), Sighting(0, 3, 101)]
    failed = outcome(findings=history.check([]))
    assert failed.findings.two_owners == 1
    assert not failed.passed


def test_another_state_a_broken_term_and_a_bad_end_do_not_pass() -> None:
    assert not outcome(different=["counters"]).passed
    broken = outcome(done=[*SUFFERED, suffered("pause", 9.0, "no lists were refused")])
    assert broken.broken == ["pause of shard 1 for 8 s: no lists were refused"]
    assert not broken.passed
    assert not outcome(resumed=False).passed
    assert not outcome(status=1).passed
