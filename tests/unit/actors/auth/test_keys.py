"""What a key is, and the file of the keys."""

import math
import os
import re
import stat
import threading
from pathlib import Path

import pytest

from actors.auth.key_file import changing_keys, keys_path, read_keys
from actors.auth.keys import KeyRefused, digest_of, make_key, name_in
from actors.auth.startup import admin_key, prepare_keys
from actors.errors import StartupError
from actors.settings import HttpSettings, ServerSettings, ShardSettings


def test_a_key_is_kept_as_its_hash() -> None:
    text, key = make_key("shop", ["events", "recommend"], 5)
    assert re.fullmatch(r"rs_shop_[A-Za-z0-9_-]{43}", text)
    assert name_in(text) == "shop"
    assert key.digest == digest_of(text)
    assert text.removeprefix("rs_shop_") not in repr(key)
    assert key.scopes == ("recommend", "events")
    assert make_key("shop", ["events"], 5)[0] != text


@pytest.mark.parametrize("name", ["", "-a", "a-", "A", "a_b", "a b", "a" * 41, "é", "a\n"])
def test_names_that_no_key_has(name: str) -> None:
    with pytest.raises(KeyRefused, match="name is 1 to 40"):
        make_key(name, ["admin"], 0)


def test_a_key_is_good_for_something() -> None:
    with pytest.raises(KeyRefused, match="it opens nothing; a key's scopes are of recommend"):
        make_key("shop", [], 0)
    with pytest.raises(KeyRefused, match="there is no scope all;"):
        make_key("shop", ["all", "events"], 0)


@pytest.mark.parametrize("text", ["", "rs_", "rs_shop_x", "rs__" + "x" * 43, "x" * 9000, "rs_é_x"])
def test_what_has_not_the_form_of_a_key(text: str) -> None:
    assert name_in(text) == ""


@pytest.mark.parametrize("cap", [math.inf, math.nan, -1.0])
def test_caps_that_could_not_be_read_again(tmp_path: Path, cap: float) -> None:
    with pytest.raises(KeyRefused, match="a cap is a number from 0 on"):
        make_key("shop", ["events"], 0, requests_per_s=cap)


def test_scopes_and_time() -> None:
    _, key = make_key("shop", ["events"], 0, expires_ms=10)
    assert key.allows("events")
    assert not key.allows("admin")
    assert not key.expired(9)
    assert key.expired(10)
    _, everything = make_key("ops", ["admin"], 0)
    assert everything.allows("events")
    assert not everything.expired(10**15)


def test_the_file_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "new" / "keys.json"
    with pytest.raises(FileNotFoundError):
        read_keys(path)
    with changing_keys(path) as keys:
        _, keys["shop"] = make_key("shop", ["events"], 3)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    (key,) = read_keys(path)
    assert (key.name, key.made_ms) == ("shop", 3)


def test_a_change_that_fails_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"

    def change() -> None:
        with changing_keys(path) as keys:
            _, keys["shop"] = make_key("shop", ["events"], 3)
            make_key("?", ["events"], 3)

    with pytest.raises(KeyRefused):
        change()
    assert not path.exists()


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    shared = tmp_path / "shared" / "keys.json"
    with changing_keys(shared) as keys:
        _, keys["shop"] = make_key("shop", ["events"], 3)
    link = tmp_path / "keys.json"
    link.symlink_to(shared)
    with changing_keys(link) as keys:
        del keys["shop"]
    assert link.is_symlink()
    assert read_keys(shared) == ()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_what_root_changes_stays_its_owners(tmp_path: Path) -> None:
    """A server that runs as somebody else has to read what an administrator has changed."""
    folder = tmp_path / "data"
    folder.mkdir()
    os.chown(folder, 1234, 1234)
    path = folder / "keys.json"
    for name in ("first", "second"):
        with changing_keys(path) as keys:
            _, keys[name] = make_key(name, ["events"], 3)
        assert {one.stat().st_uid for one in folder.iterdir()} == {1234}


def test_two_who_change_it_at_once_wait_for_each_other(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"

    def add(name: str) -> None:
        with changing_keys(path) as keys:
            _, keys[name] = make_key(name, ["events"], 0)

    names = [f"key-{number}" for number in range(20)]
    threads = [threading.Thread(target=add, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=20)
    assert sorted(key.name for key in read_keys(path)) == sorted(names)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "are damaged"),
        (b"{", "are damaged"),
        (b'{"format": 1, "keys": [{"name": "a"}]}', "are damaged"),
        (b'{"format": 2, "keys": []}', "has format 2, this version reads 1"),
        (
            b'{"format":1,"keys":[{"name":"a","digest":"","scopes":["read"],"made_ms":0},'
            b'{"name":"a","digest":"","scopes":["read"],"made_ms":0}]}',
            "a name is there twice",
        ),
        (b'{"format":1,"keys":[{"name":"a","digest":"","scopes":["x"],"made_ms":0}]}', "damaged"),
    ],
)
def test_a_damaged_file_is_named(tmp_path: Path, content: bytes, complaint: str) -> None:
    path = tmp_path / "keys.json"
    path.write_bytes(content)
    with pytest.raises(StartupError, match=complaint):
        read_keys(path)
    with pytest.raises(StartupError, match=complaint), changing_keys(path):
        pass
    assert path.read_bytes() == content


def asking(folder: Path, **auth: object) -> ServerSettings:
    http = HttpSettings.model_validate({"auth": {"always": True, **auth}})
    return ServerSettings(http=http, shards=ShardSettings(data_dir=folder))


def test_a_server_that_asks_for_keys_makes_the_first(tmp_path: Path) -> None:
    settings = asking(tmp_path / "data")
    prepare_keys(settings)
    text_path = admin_key(settings)
    assert text_path is not None
    assert stat.S_IMODE(text_path.stat().st_mode) == 0o600
    text = text_path.read_text().strip()
    (key,) = read_keys(tmp_path / "data" / "keys.json")
    assert (key.name, key.scopes, key.digest) == ("admin", ("admin",), digest_of(text))
    prepare_keys(settings)
    assert text_path.read_text().strip() == text
    with changing_keys(tmp_path / "data" / "keys.json") as keys:
        del keys["admin"]
    assert admin_key(settings) is None, "it opens nothing any more"


def test_keys_that_are_there_are_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "own.json"
    settings = asking(tmp_path / "data", keys=path)
    with changing_keys(path) as keys:
        _, keys["shop"] = make_key("shop", ["events"], 3)
    prepare_keys(settings)
    assert [key.name for key in read_keys(path)] == ["shop"]
    assert admin_key(settings) is None
    path.write_text("nonsense")
    with pytest.raises(StartupError, match="are damaged"):
        prepare_keys(settings)


def test_where_nobody_is_asked_there_are_no_keys(tmp_path: Path) -> None:
    prepare_keys(ServerSettings(shards=ShardSettings(data_dir=tmp_path / "data")))
    assert not (tmp_path / "data").exists()


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StartupError, match="cannot be read: Not a directory"):
        prepare_keys(asking(tmp_path / "file" / "data"))
    with (
        pytest.raises(StartupError, match="cannot be written: "),
        changing_keys(tmp_path / "file" / "keys.json"),
    ):
        pass


@pytest.mark.parametrize(
    ("host", "asks"),
    [
        ("127.0.0.1", False),
        ("127.0.0.7", False),
        ("::1", False),
        ("localhost", False),
        ("0.0.0.0", True),
        ("::", True),
        ("10.0.0.7", True),
        ("recsys.example", True),
        ("localhost.example", True),
        ("", True),
    ],
)
def test_on_addresses_that_others_reach_keys_are_asked_for(host: str, asks: bool) -> None:
    assert HttpSettings(host=host).asks_for_keys is asks


def test_where_the_keys_are(tmp_path: Path) -> None:
    assert keys_path(None, tmp_path) == tmp_path / "keys.json"
    assert keys_path(tmp_path / "own", tmp_path) == tmp_path / "own"
    assert keys_path(Path("own"), tmp_path).is_absolute()
