"""Moves partitions of a running server to and fro, until its input ends: one of many that hurt it.

A process of its own, for it is a visitor in the server's Ray. The last line is JSON.
"""

import importlib
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Final

import msgspec

from actors.errors import MoveFailed, StartupError
from actors.giving import Moved
from actors.host.environment import prepare_guest
from actors.host.run_folder import Cluster, cluster_on
from actors.layout import layout_of
from benchmarks.figures import quantile
from benchmarks.server import SHARDS
from recsys.errors import RecsysError

__all__ = ["Moves", "movable", "moving"]

_PAUSE_S: Final = 0.3
_END_S: Final = 60.0


class Moves(msgspec.Struct, frozen=True):
    """What came of it.

    Attributes
    ----------
    moved, failed
        How often.
    held_p50_s, held_max_s
        So long nobody of a partition was served, where the move went without a fault.
    """

    moved: int
    failed: int
    held_p50_s: float | None
    held_max_s: float | None


def movable(data_dir: Path, staying: Sequence[str], most: int = 8) -> list[int]:
    """Return some partitions, of all shards in turn, to which none of these people belong."""
    shard_map = layout_of(data_dir).shard_map
    stay = {shard_map.partition_of(name) for name in staying}
    return [one for one in range(shard_map.partitions) if one not in stay][:most]


@contextmanager
def moving(data_dir: Path, partitions: Sequence[int], seed: int) -> Iterator[list[Moves]]:
    """Have partitions move in another process; the list has what came of it in the end."""
    command = [sys.executable, "-m", "benchmarks.mover", str(data_dir), str(seed)]
    came = list[Moves]()
    with subprocess.Popen(
        [*command, *map(str, partitions)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield came
            said, _ = process.communicate(timeout=_END_S)
        finally:
            process.kill()
    if process.returncode != 0:
        message = f"the mover ended with status {process.returncode}"
        raise RuntimeError(message)
    came.append(msgspec.json.decode(said.splitlines()[-1], type=Moves))


def _move(cluster: Cluster, partitions: Sequence[int], seed: int, end: threading.Event) -> Moves:
    """Move until the end; whatever is killed meanwhile, the next move comes."""
    prepare_guest()
    # Not at the top: Ray reads its environment when it is imported.
    guest = importlib.import_module("actors.guest")
    rng = random.Random(seed)
    held = list[float]()
    moved = failed = 0
    home = layout_of(Path(cluster.data_dir)).owners
    with guest.visiting(cluster.address):
        while not end.wait(_PAUSE_S * 2 * rng.random()):
            partition = rng.choice(partitions)
            owner = layout_of(Path(cluster.data_dir)).owners[partition]
            other = rng.choice([shard for shard in range(SHARDS) if shard != owner])
            try:
                one: Moved = guest.move_partition(partition, other)
            except RecsysError as error:
                failed += 1
                print(error, file=sys.stderr, flush=True)
                continue
            moved += 1
            if one.given is not None:
                held.append(one.given.held_s)
        for partition in partitions:
            _send_home(guest, partition, home[partition])
    return Moves(moved, failed, quantile(held, 0.5) if held else None, max(held) if held else None)


def _send_home(guest: ModuleType, partition: int, owner: int) -> None:
    """Leave all as it was found, however long that takes."""
    while True:
        try:
            guest.move_partition(partition, owner)
        except MoveFailed as error:
            if error.reason.endswith("owns it"):
                return
            time.sleep(_PAUSE_S)
        else:
            return


def main() -> None:
    """Move until the input ends."""
    data_dir, seed = Path(sys.argv[1]), int(sys.argv[2])
    cluster = cluster_on(data_dir)
    if cluster is None:
        message = f"no server uses {data_dir}"
        raise StartupError(message)
    end = threading.Event()

    def wait() -> None:
        sys.stdin.read()
        end.set()

    threading.Thread(target=wait, daemon=True).start()
    moves = _move(cluster, [int(text) for text in sys.argv[3:]], seed, end)
    print(msgspec.json.encode(moves).decode(), flush=True)


if __name__ == "__main__":
    main()
