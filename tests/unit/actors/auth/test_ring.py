"""Which key a text is, and how soon a change of the file is known."""

import logging
from hmac import compare_digest
from pathlib import Path

import pytest

from actors.auth.key_file import changing_keys
from actors.auth.keys import Key, digest_of, make_key
from actors.auth.ring import KeyRing


class Time:
    """Goes on when it is told to."""

    def __init__(self) -> None:
        self.s = 0.0

    def __call__(self) -> float:
        return self.s

    def ms(self) -> int:
        return round(self.s * 1000)


class Setting:
    """A ring over a file, and the time that both live in."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "keys.json"
        self.time = Time()
        self.ring = KeyRing(self.path, clock=self.time, now=self.time.ms)

    def add(self, name: str, expires_ms: int = 0) -> str:
        with changing_keys(self.path) as keys:
            text, keys[name] = make_key(name, ["events"], 0, expires_ms=expires_ms)
        return text


@pytest.fixture
def setting(tmp_path: Path) -> Setting:
    return Setting(tmp_path)


def test_only_the_whole_key_is_the_key(setting: Setting) -> None:
    text = setting.add("shop")
    other = setting.add("shop-2")
    found = setting.ring.find(text)
    assert isinstance(found, Key)
    assert found.name == "shop"
    last = "A" if text[-1] != "A" else "B"
    for wrong in (
        "",
        text[:-1],
        text[:-1] + last,
        text + "x",
        text.upper(),
        "rs_shop_" + other.removeprefix("rs_shop-2_"),
        text.replace("rs_shop", "rs_nobody"),
        "é",
        "rs_shop_" + "\udc80" * 43,
    ):
        assert setting.ring.find(wrong) is None, wrong


def test_a_change_is_known_within_a_second(setting: Setting) -> None:
    first = setting.add("first")
    assert setting.ring.find(first) is not None
    second = setting.add("second")
    assert setting.ring.find(second) is None
    setting.time.s = 1.0
    assert setting.ring.find(second) is not None
    with changing_keys(setting.path) as keys:
        del keys["first"]
    setting.time.s = 2.0
    assert setting.ring.find(first) is None
    assert setting.ring.find(second) is not None


def test_a_key_expires(setting: Setting) -> None:
    text = setting.add("shop", expires_ms=5000)
    setting.time.s = 4.999
    assert setting.ring.find(text) is not None
    setting.time.s = 5.0
    assert setting.ring.find(text) is None


def test_a_damaged_file_leaves_the_keys_for_a_minute_and_is_told(
    setting: Setting, caplog: pytest.LogCaptureFixture
) -> None:
    text = setting.add("shop")
    assert setting.ring.find(text) is not None
    whole = setting.path.read_bytes()
    setting.path.write_bytes(whole[:-9])
    for second in range(1, 61):
        setting.time.s = float(second)
        assert setting.ring.find(text) is not None
    assert caplog.text.count("the keys stay as they were for 60 s") == 1
    setting.time.s = 61.0
    assert setting.ring.find(text) is None
    assert caplog.text.count("nobody gets in") == 1
    setting.path.write_bytes(whole)
    setting.time.s = 62.0
    assert setting.ring.find(text) is not None
    setting.path.write_bytes(whole[:-9])
    setting.time.s = 63.0
    assert setting.ring.find(text) is not None


def test_without_a_file_nobody_gets_in(setting: Setting, caplog: pytest.LogCaptureFixture) -> None:
    assert setting.ring.find("") is None
    assert "nobody gets in" in caplog.text
    text = setting.add("shop")
    setting.time.s = 1.0
    assert setting.ring.find(text) is not None
    setting.path.unlink()
    setting.time.s = 2.0
    assert setting.ring.find(text) is None
    said = len([one for one in caplog.records if one.levelno == logging.ERROR])
    setting.time.s = 3.0
    assert setting.ring.find(text) is None
    assert len([one for one in caplog.records if one.levelno == logging.ERROR]) == said


def test_the_same_is_done_for_every_wrong_key(
    setting: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No path through ``find`` is shorter, whichever half of a key somebody has guessed."""
    text = setting.add("shop", expires_ms=1)
    setting.ring.find(text)
    done = list[str]()

    def hashed(of: str) -> str:
        done.append("hash")
        return digest_of(of)

    def compared(a: str, b: str) -> bool:
        done.append(f"compare {len(a)} {len(b)}")
        return compare_digest(a, b)

    monkeypatch.setattr("actors.auth.ring.digest_of", hashed)
    monkeypatch.setattr("actors.auth.ring.compare_digest", compared)
    setting.time.s = 0.5
    for wrong in ("", "nonsense", text, text[:-1] + "!", text.replace("shop", "nobody")):
        done.clear()
        assert setting.ring.find(wrong) is None
        assert done == ["hash", "compare 64 64"], wrong
