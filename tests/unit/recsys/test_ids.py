"""Ids: what is an id, and the hashes under which ids are known elsewhere."""

import re
import subprocess
import sys

import pytest

from recsys.errors import InvalidEvent
from recsys.ids import MAX_ID_BYTES, check_id, dedupe_key, feature_hash, feature_hashes, new_id


@pytest.mark.parametrize(
    "value",
    [
        "a",
        " ",
        "a" * MAX_ID_BYTES,
        "é" * (MAX_ID_BYTES // 2),
        "\U0001f431" * (MAX_ID_BYTES // 4),
        'user|with:vw characters \'and "quotes" \\ / ~ % #',
        "../../etc/passwd",
        "\u202eright to left",
        "a\u0301 combining, \u200d joined, \u00a0 space",
        "\ufdd0\uffff",
    ],
)
def test_ids_are_any_text(value: str) -> None:
    check_id(value, "/user_id")


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("", "must not be empty"),
        ("a" * (MAX_ID_BYTES + 1), "has at most 256 bytes, got 257"),
        ("é" * (MAX_ID_BYTES // 2) + "a", "has at most 256 bytes, got 257"),
        ("\U0001f431" * 65, "has at most 256 bytes, got 260"),
        ("a\nb", "must not hold control characters"),
        ("a\rb", "must not hold control characters"),
        ("a\tb", "must not hold control characters"),
        ("\x00", "must not hold control characters"),
        ("\x1b[31m", "must not hold control characters"),
        ("\x7f", "must not hold control characters"),
        ("\x85", "must not hold control characters"),
        ("é\u2028", "must not hold control characters"),
        ("é\u2029", "must not hold control characters"),
        ("\ud800", "must be valid UTF-8, got a lone surrogate"),
        ("\ud800" * 300, "must be valid UTF-8, got a lone surrogate"),
    ],
)
def test_what_is_no_id(value: str, reason: str) -> None:
    with pytest.raises(InvalidEvent) as caught:
        check_id(value, "/user_id")
    assert (caught.value.pointer, caught.value.detail) == ("/user_id", reason)


def test_a_child_process_makes_ids_of_its_own() -> None:
    script = """
import os
from recsys.ids import new_id
new_id()
child = os.fork()
os.write(1, new_id()[12:].encode() + b" ")
if child:
    os.waitpid(child, 0)
"""
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True).stdout
    assert len(set(said.split())) == 2


def test_new_ids_are_unique_and_ordered_by_time() -> None:
    made = [new_id() for _ in range(1000)]
    assert len(set(made)) == 1000
    assert all(re.fullmatch("[0-9a-f]{32}", value) for value in made)
    times = [value[:12] for value in made]
    assert times == sorted(times)
    check_id(made[0], "/event_id")


def test_dedupe_keys_are_what_is_on_the_disks() -> None:
    assert dedupe_key("event-1").hex() == "ecff491f4762f725c4383b6eddbc9095"
    assert dedupe_key("é☂").hex() == "2d5aa28c1c51ce610cd7b98d6a2e50a2"


def test_feature_hashes_are_what_models_have_learned() -> None:
    assert feature_hash("item", "a") == 1743705524
    assert feature_hash("item", "é☂") == 2074422218
    assert feature_hash("", "") == 1364076727


def test_feature_hashes_tell_namespaces_apart() -> None:
    assert feature_hash("user", "a") != feature_hash("item", "a")
    assert feature_hash("ab", "c") != feature_hash("a", "bc")


def test_feature_hashes_of_many_namespaces_are_those_of_each() -> None:
    namespaces = ("user", "looked-at-0", "")
    for value in ("d1", "é", ""):
        assert feature_hashes(namespaces, value) == [feature_hash(one, value) for one in namespaces]


def test_feature_hashes_are_unsigned_32_bit_integers() -> None:
    hashes = [feature_hash("item", str(number)) for number in range(1000)]
    assert all(0 <= value < 2**32 for value in hashes)
    assert max(hashes) >= 2**31
    assert len(set(hashes)) == 1000
