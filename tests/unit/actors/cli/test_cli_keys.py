"""``recsys keys``: making, showing and ending them."""

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from actors.auth.key_file import read_keys
from actors.auth.ring import KeyRing
from actors.cli.main import app


def keys(folder: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["keys", *arguments, "--data-dir", str(folder)])


def test_a_key_from_its_making_to_its_end(tmp_path: Path) -> None:
    made = keys(tmp_path, "new", "shop", "--scope", "events,recommend", "--scope", "read")
    assert made.exit_code == 0, made.output
    # Nothing else on standard output: it goes into a file or a variable.
    text = made.stdout.removesuffix("\n")
    path = tmp_path / "keys.json"
    found = KeyRing(path).find(text)
    assert found is not None
    assert (found.name, found.scopes, found.expires_ms) == (
        "shop",
        ("recommend", "events", "read"),
        0,
    )
    assert text not in path.read_text()

    again = keys(tmp_path, "new", "shop", "--scope", "admin")
    assert again.exit_code == 1
    assert "there is a key shop already; `recsys keys revoke shop` ends it" in again.stderr

    ended = keys(tmp_path, "revoke", "shop")
    assert (ended.exit_code, ended.stdout) == (0, "shop opens nothing any more\n")
    assert KeyRing(path).find(text) is None
    missing = keys(tmp_path, "revoke", "shop")
    assert missing.exit_code == 1
    assert f"there is no key shop in {path}" in missing.stderr


def test_what_is_shown_of_them(tmp_path: Path) -> None:
    none = keys(tmp_path, "list")
    assert none.exit_code == 1
    assert "there are no keys yet; `recsys keys new` makes one" in none.stderr
    caps = ("--days", "30", "--requests-per-s", "50", "--events-per-s", "2.5")
    text = keys(tmp_path, "new", "shop", "--scope", "events", *caps).stdout.strip()
    keys(tmp_path, "new", "ops", "--scope", "admin")
    shown = keys(tmp_path, "list")
    assert shown.exit_code == 0
    rows = [line.split("│") for line in shown.stdout.splitlines() if "│" in line]
    cells = [[cell.strip() for cell in row[1:-1]] for row in rows]
    assert [cell[0] for cell in cells] == ["shop", "ops"]
    assert cells[0][1::3] == ["events", "50"]
    assert cells[0][5] == "2.5"
    assert cells[1][3:] == ["never", "any", "any"]
    shop, _ = read_keys(tmp_path / "keys.json")
    assert shop.expires_ms - shop.made_ms == 30 * 86_400_000
    assert text not in shown.stdout
    assert shop.digest not in shown.stdout


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("new", "Shop", "--scope", "events"), "a key's name is 1 to 40 of a-z, 0-9 and -"),
        (("new", "shop"), "Missing option '--scope'"),
        (
            ("new", "shop", "--scope", "everything"),
            "there is no scope everything; a key's scopes are of recommend",
        ),
        (("new", "shop", "--scope", "events", "--days", "-1"), "--days"),
    ],
)
def test_what_is_refused(tmp_path: Path, arguments: tuple[str, ...], complaint: str) -> None:
    refused = keys(tmp_path, *arguments)
    assert refused.exit_code in {1, 2}
    assert complaint in " ".join(refused.stderr.replace("│", " ").split())
    assert not (tmp_path / "keys.json").exists()


def test_a_damaged_file_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    path.write_text("{}")
    for arguments in (("list",), ("new", "shop", "--scope", "events"), ("revoke", "shop")):
        refused = keys(tmp_path, *arguments)
        assert refused.exit_code == 1
        assert "are damaged" in refused.stderr
    assert path.read_text() == "{}"


def test_the_settings_say_where_they_are(tmp_path: Path) -> None:
    config = tmp_path / "server.yaml"
    path = tmp_path / "own.json"
    config.write_text(f"http: {{auth: {{keys: {path}}}}}\n")
    made = CliRunner().invoke(
        app, ["keys", "new", "shop", "--scope", "read", "--config", str(config)]
    )
    assert made.exit_code == 0, made.output
    assert [key.name for key in read_keys(path)] == ["shop"]
