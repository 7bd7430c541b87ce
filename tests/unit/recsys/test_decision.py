"""Limits of a question."""

import msgspec
import pytest

from recsys.decision import Request, validate_request
from recsys.errors import InvalidEvent
from recsys.events import MAX_SLOTS, MAX_TS_MS

ASK = Request(user_id="u", ts_ms=0, decision_id="d")


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"n": 1},
        {"n": MAX_SLOTS},
        {"ts_ms": MAX_TS_MS - 1},
        {"candidates": tuple(f"i{n}" for n in range(MAX_SLOTS))},
        {"exclude": tuple(f"i{n}" for n in range(MAX_SLOTS))},
        {"candidates": ("i", "i")},
        {"context": {"hour": 17.0, "member": True, "device": "phone"}},
    ],
    ids=lambda changes: ",".join(changes) or "defaults",
)
def test_the_boundary_is_accepted(changes: dict[str, object]) -> None:
    validate_request(msgspec.structs.replace(ASK, **changes))


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"user_id": ""}, "/user_id"),
        ({"decision_id": "a\nb"}, "/decision_id"),
        ({"ts_ms": -1}, "/ts_ms"),
        ({"ts_ms": MAX_TS_MS}, "/ts_ms"),
        ({"n": 0}, "/n"),
        ({"n": MAX_SLOTS + 1}, "/n"),
        ({"context": {"hour": float("nan")}}, "/context/hour"),
        ({"candidates": ()}, "/candidates"),
        ({"candidates": tuple(f"i{n}" for n in range(MAX_SLOTS + 1))}, "/candidates"),
        ({"candidates": ("a", "")}, "/candidates/1"),
        ({"exclude": tuple(f"i{n}" for n in range(MAX_SLOTS + 1))}, "/exclude"),
        ({"exclude": ("é" * 129,)}, "/exclude/0"),
    ],
)
def test_one_step_beyond_is_refused(changes: dict[str, object], pointer: str) -> None:
    with pytest.raises(InvalidEvent) as caught:
        validate_request(msgspec.structs.replace(ASK, **changes))
    assert caught.value.pointer == pointer
