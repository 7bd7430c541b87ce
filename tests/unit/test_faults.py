"""The table of faults is whole, and names tests that exist."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
TABLE = (ROOT / "docs" / "faults.md").read_text()
NAMED = re.compile(r"`(tests/[\w/]+\.py)?(?:::(?:(\w+)::)?(test_\w+))?`")


def test_every_fault_has_a_row() -> None:
    rows = [int(number) for number in re.findall(r"^\| (\d+) \|", TABLE, re.MULTILINE)]
    assert rows == list(range(1, 72))


def test_every_test_that_is_named_exists() -> None:
    found, path = 0, ""
    for named in NAMED.finditer(TABLE):
        path = named[1] or path
        if not (named[1] or named[3]):
            continue
        content = (ROOT / path).read_text()
        if named[2]:
            assert f"class {named[2]}" in content, named[0]
        if named[3]:
            assert re.search(rf"def {named[3]}\(", content), f"{path} {named[0]}"
        found += 1
    assert found > 80
