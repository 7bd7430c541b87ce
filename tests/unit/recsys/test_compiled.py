"""Machine code on disk: found again, never older than what it is made from."""

import importlib
import sys
from collections.abc import Callable
from pathlib import Path

import numba
import pytest

MODULES = (
    "compiled_caller",
    "compiled_callee",
    "compiled_constant",
    "compiled_record",
    "compiled_reader",
)


@pytest.fixture
def workshop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder of modules whose machine code is kept in another one."""
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path / "kept"))
    folder = tmp_path / "modules"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    write(folder, "constant", "SHIFT = 100")
    write(
        folder,
        "callee",
        "from recsys.compiled import compiled",
        "@compiled",
        "def double(x): return 2 * x",
    )
    write(
        folder,
        "caller",
        "from compiled_callee import double",
        "from compiled_constant import SHIFT",
        "from recsys.compiled import compiled",
        "@compiled",
        "def answer(x): return double(x) + SHIFT",
    )
    return folder


def write(folder: Path, name: str, *lines: str) -> None:
    (folder / f"compiled_{name}.py").write_text("\n".join(lines))


def answer() -> Callable[[int], int]:
    """Return the function as a new process would find it."""
    for name in MODULES:
        sys.modules.pop(name, None)
    importlib.invalidate_caches()
    found: Callable[[int], int] = importlib.import_module("compiled_caller").answer
    return found


def hits(function: object) -> int:
    return sum(function.stats.cache_hits.values())  # type: ignore[attr-defined]


def test_what_was_compiled_is_found_again(workshop: Path) -> None:
    first = answer()
    assert (first(3), hits(first)) == (106, 0)
    again = answer()
    assert (again(3), hits(again)) == (106, 1)


@pytest.mark.parametrize(
    ("name", "old", "new", "expected"),
    [
        ("caller", "+ SHIFT", "- SHIFT", -94),
        ("callee", "2 * x", "3 * x", 109),
        ("constant", "100", "200", 206),
    ],
)
def test_what_it_is_made_from_may_change(
    workshop: Path, name: str, old: str, new: str, expected: int
) -> None:
    assert answer()(3) == 106
    path = workshop / f"compiled_{name}.py"
    path.write_text(path.read_text().replace(old, new))
    assert answer()(3) == expected


def test_where_nothing_can_be_kept_it_is_compiled_all_the_same(
    workshop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocked = tmp_path / "a file, no folder"
    blocked.touch()
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(blocked))
    monkeypatch.setenv("HOME", str(blocked))
    for _ in range(2):
        function = answer()
        assert (function(3), hits(function)) == (106, 0)


def test_the_users_cache_is_the_last_resort(
    workshop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocked = tmp_path / "a file, no folder"
    blocked.touch()
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(blocked))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for _ in range(2):
        function = answer()
        assert function(3) == 106
    assert hits(function) == 1
    assert (tmp_path / "home" / ".cache" / "recsys" / "compiled").is_dir()


def record(*fields: str) -> tuple[str, ...]:
    """Return the lines of a module with a record of two numbers, and its held form."""
    return (
        "from typing import NamedTuple",
        "from recsys.held import holder",
        "class Record(NamedTuple):",
        *(f"    {field}: int" for field in fields),
        "hold = holder(Record)",
    )


@pytest.mark.parametrize("held", [False, True])
def test_fields_that_have_changed_places_are_read_where_they_are(
    workshop: Path, *, held: bool
) -> None:
    """To numba a record is so many numbers: it would read the one for the other."""
    write(
        workshop,
        "reader",
        "from compiled_record import Record, hold",
        "from recsys.compiled import compiled",
        "@compiled",
        "def first(record: Record, n: int): return record.first + n",
    )
    for fields in (("first", "second"), ("second", "first")):
        write(workshop, "record", *record(*fields))
        answer()
        module = importlib.import_module("compiled_reader")
        made = module.Record(first=1, second=2)
        assert module.first(module.hold(made) if held else made, 10) == 11
