"""What is vendored is what its table says."""

import hashlib
import re
from pathlib import Path

import pytest

VENDOR = Path(__file__).parents[3] / "actors" / "console" / "static" / "vendor"
ROW = re.compile(
    r"^\| `(?P<file>[^`]+)` \| (?P<size>[\d,]+) \| `(?P<digest>[0-9a-f]{64})` \|$", re.MULTILINE
)
TABLE = {row["file"]: row for row in ROW.finditer((VENDOR / "VENDORED.md").read_text())}


def test_every_file_is_in_the_table() -> None:
    files = {path.relative_to(VENDOR).as_posix() for path in VENDOR.rglob("*") if path.is_file()}
    assert files - {"VENDORED.md"} == set(TABLE)


@pytest.mark.parametrize("file", TABLE)
def test_the_file_is_unchanged(file: str) -> None:
    content = (VENDOR / file).read_bytes()
    assert len(content) == int(TABLE[file]["size"].replace(",", ""))
    assert hashlib.sha256(content).hexdigest() == TABLE[file]["digest"]
    assert b"sourceMappingURL" not in content
