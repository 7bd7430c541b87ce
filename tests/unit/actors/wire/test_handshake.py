"""Who may come in, and how a gateway knows where it is."""

import pytest

from actors.wire.frames import BadFrame, Frame, FrameReader, frame_of
from actors.wire.handshake import MAGIC, VERSION, Caller, Door, Keeper, OtherVersion

SECRET = b"s" * 32
NONCE = b"n" * 16


def heard(said: bytes) -> Frame:
    (frame,) = FrameReader(1024).feed(said)
    return frame


def test_two_sides_with_the_same_secret_let_each_other_in() -> None:
    caller, keeper = Caller(SECRET, 1), Keeper(SECRET, 1)
    proof = caller.prove(heard(keeper.answer(heard(caller.hello()))))
    keeper.admit(heard(proof))


def test_the_secret_is_never_said() -> None:
    caller, keeper = Caller(SECRET, 1), Keeper(SECRET, 1)
    hello = caller.hello()
    answer = keeper.answer(heard(hello))
    assert SECRET not in hello + answer + caller.prove(heard(answer))
    assert SECRET.decode() not in repr(Door("h", 1, SECRET))


def test_a_caller_with_another_secret_is_not_admitted() -> None:
    caller, keeper = Caller(SECRET, 1), Keeper(SECRET, 1)
    heard(keeper.answer(heard(caller.hello())))
    with pytest.raises(BadFrame, match="secret"):
        keeper.admit((b"x" * 32,))


def test_a_proof_is_of_one_hello_alone() -> None:
    first, keeper = Caller(SECRET, 1), Keeper(SECRET, 1)
    proof = first.prove(heard(keeper.answer(heard(first.hello()))))
    again = Keeper(SECRET, 1)
    again.answer(heard(first.hello()))
    with pytest.raises(BadFrame, match="secret"):
        again.admit(heard(proof))


def test_a_shards_own_proof_opens_nothing() -> None:
    """Whoever sends back what they heard has not shown that they know anything."""
    keeper = Keeper(SECRET, 1)
    answer = heard(keeper.answer(frame := (MAGIC, VERSION, 1, NONCE)))
    assert frame
    with pytest.raises(BadFrame, match="secret"):
        keeper.admit((answer[2],))


def test_an_impostor_is_noticed() -> None:
    caller, impostor = Caller(SECRET, 1), Keeper(b"other" * 8, 1)
    with pytest.raises(BadFrame, match="not the shard"):
        caller.prove(heard(impostor.answer(heard(caller.hello()))))


@pytest.mark.parametrize(
    "frame",
    [
        (),
        (0,),
        (b"\x00" * 32,),
        ("http", VERSION, 1, NONCE),
        (MAGIC, VERSION, 2, NONCE),
        (MAGIC, VERSION, 1, b"short"),
        (MAGIC, VERSION, 1),
        (MAGIC, VERSION, 1, NONCE, 1),
        (MAGIC, "1", 1, NONCE),
        (VERSION, MAGIC, 1, NONCE),
    ],
)
def test_what_is_no_hello_to_this_shard_is_refused(frame: Frame) -> None:
    with pytest.raises(BadFrame):
        Keeper(SECRET, 1).answer(frame)


def test_nobody_is_admitted_who_has_not_said_hello() -> None:
    with pytest.raises(BadFrame):
        Keeper(SECRET, 1).admit((b"",))


def test_other_versions_hear_which_one_this_is() -> None:
    keeper = Keeper(SECRET, 1)
    assert heard(keeper.answer((MAGIC, VERSION + 1, "whatever", "it says"))) == (VERSION,)
    with pytest.raises(OtherVersion, match=f"version {VERSION + 1}"):
        Caller(SECRET, 1).prove((VERSION + 1, "and", "more"))


@pytest.mark.parametrize("frame", [(), (VERSION,), (VERSION, b"n", b"p"), (VERSION, NONCE, "p")])
def test_an_answer_that_proves_nothing_is_refused(frame: Frame) -> None:
    with pytest.raises(BadFrame):
        Caller(SECRET, 1).prove(frame)


def test_the_proof_of_another_shard_is_refused() -> None:
    caller, keeper = Caller(SECRET, 1), Keeper(SECRET, 2)
    hello = heard(caller.hello())
    with pytest.raises(BadFrame):
        keeper.answer(hello)
    as_if = heard(keeper.answer((MAGIC, VERSION, 2, hello[3])))
    with pytest.raises(BadFrame):
        caller.prove(as_if)


def test_frames_carry_the_proof() -> None:
    assert heard(frame_of(VERSION, NONCE, b"p" * 32)) == (VERSION, NONCE, b"p" * 32)
