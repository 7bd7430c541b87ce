"""A second process that wants to write a shard's log: ``python -m benchmarks.intruder LOG``.

It says what became of it, and its exit status is 0 if it was let in.
"""

import sys
from contextlib import closing
from pathlib import Path
from typing import Final

from recsys.errors import StoreLocked
from recsys.store.sqlite import SqliteStore

__all__ = ["REFUSED", "main"]

REFUSED: Final = 3


def main(log: Path) -> int:
    """Try, and return the exit status."""
    try:
        with closing(SqliteStore(log)) as store:
            print(f"let in, as owner of epoch {store.epoch}")
    except StoreLocked as error:
        print(error)
        return REFUSED
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
