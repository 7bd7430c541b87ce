"""A process that is killed at any moment loses nothing that it had acknowledged."""

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from recsys.codec import unpack
from recsys.errors import StoreError
from recsys.store.sqlite import SqliteStore
from tests.stores import SqlitePlace, clicks, sequences

ROUNDS = 8

# Appends batches of 1 to 20 and takes a snapshot now and then, for ever, telling what it was told.
# Every fourth event repeats an earlier one, as a client does that saw no answer.
WRITER = """
import random, sys
from recsys.codec import pack
from recsys.events import Feedback
from recsys.store.base import Outcome
from recsys.store.sqlite import SqliteStore

path, seed = sys.argv[1], int(sys.argv[2])
chance = random.Random(seed)
store = SqliteStore(path, log_events=10**6)
number = 0
while True:
    batch = []
    for _ in range(chance.randint(1, 20)):
        number += 1
        again = chance.randint(1, number) if chance.random() < 0.25 else number
        batch.append(Feedback(
            event_id=f"{seed}-{again}", user_id="u", ts_ms=number, type="click", item_id="i"
        ))
    appends = store.append(batch)
    for event, append in zip(batch, appends):
        if append.outcome is Outcome.ACCEPTED:
            print(append.sequence, event.event_id)
    sys.stdout.flush()
    if chance.random() < 0.2:
        last = store.last_sequence
        users = {f"user-{n}": pack(last) for n in range(50)}
        store.commit_snapshot(last, {"one": pack(last), "two": pack([last] * 1000)}, users)
"""


def killed(path: Path, seed: int, lines: int) -> dict[int, str]:
    """Run the writer, kill it while it writes, and return what it had acknowledged by then."""
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path), str(seed)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        read = [process.stdout.readline() for _ in range(lines)]
        process.kill()
        read += process.stdout.readlines()
    # The last line may be torn; an acknowledgement that was not received does not count.
    words = [line.split() for line in read if line.endswith("\n")]
    assert len(words) >= lines
    return {int(sequence): event_id for sequence, event_id in words}


def test_acknowledged_is_a_subset_of_the_log(tmp_path: Path) -> None:
    chance = random.Random(1)
    path = tmp_path / "store.sqlite"
    acked: dict[int, str] = {}
    snapshot = 0
    for turn in range(ROUNDS):
        acked |= killed(path, turn, chance.randint(1, 400))
        store = SqliteStore(path, log_events=10**6)
        log = {sequence: event.event_id for sequence, event in store.read(after=0)}
        assert list(log) == list(range(1, store.last_sequence + 1))
        assert len(set(log.values())) == len(log)
        assert acked.items() <= log.items()
        assert store.epoch == 2 * turn + 2
        assert snapshot <= store.snapshot_sequence <= store.last_sequence
        snapshot = store.snapshot_sequence
        if snapshot:
            assert unpack(store.load()["one"], int) == snapshot
            assert unpack(store.load()["two"], list[int]) == [snapshot] * 1000
            users = [store.load_user(user_id) or b"" for user_id in store.user_ids()]
            assert [unpack(user, int) for user in users] == [snapshot] * 50
        store.close()
    assert snapshot > 0
    assert len(acked) > 100


def test_what_a_killed_process_left_is_flushed_again_before_anything_is_built_on_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with SqlitePlace(tmp_path) as place:
        place().append(clicks(1, 300))
        left = place.path.with_name("store.sqlite-wal").read_bytes()
        flushed = list[bytes]()

        def fsync(number: int) -> None:
            flushed.append(os.pread(number, os.fstat(number).st_size, 0))

        monkeypatch.setattr("recsys.store.sqlite_file.os.fsync", fsync)
        store = place()
        assert flushed[0] == left, "the mark and its folder come after it"
        assert sequences(store) == list(range(1, 301))

        def failing(_: int) -> None:
            raise OSError("Input/output error")

        monkeypatch.setattr("recsys.store.sqlite_file.os.fsync", failing)
        with pytest.raises(StoreError, match="cannot be written and flushed again"):
            place()
