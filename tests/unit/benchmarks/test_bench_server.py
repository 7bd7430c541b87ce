"""What needs no server; the rest is what the benchmarks themselves run."""

import os
from pathlib import Path

from actors.host.processes import find
from benchmarks.server import holder


def test_the_process_that_has_a_file_open_is_found(tmp_path: Path) -> None:
    path = tmp_path / "log.sqlite"
    path.touch()
    assert holder(path) is None
    with path.open():
        assert holder(path) == find(os.getpid())
