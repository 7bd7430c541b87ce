"""Shards that die at every named point, while people use them, lose nothing and double nothing.

The short form of ``make crash``.
"""

import asyncio
from pathlib import Path

import msgspec

from benchmarks.books import close_books
from benchmarks.crash import Outcome, hurt
from benchmarks.crowd import fill
from benchmarks.server import SHARDS
from benchmarks.strikes import IN_RECOVERY, plan
from recsys.client import Client, Item
from recsys.killpoints import POINTS
from simulators.replay import learned
from tests.integration.cluster import Cluster

KILLS = len(POINTS) + len(IN_RECOVERY)
SHELF = [Item(f"shelf-{number}", {"kind": f"k{number % 5}"}) for number in range(60)]


def test_shards_that_die_at_every_point(cluster: Cluster, client: Client, tmp_path: Path) -> None:
    cluster.wait_until_ready()
    fill(client, SHELF)
    before = learned(client.stats())
    done = asyncio.run(hurt(cluster, plan(KILLS, 1), [item.item_id for item in SHELF], seed=1))
    heard = msgspec.structs.replace(done.heard, learned=done.heard.learned - before)
    folders = [cluster.copy_shard(shard, tmp_path) for shard in range(SHARDS)]
    # The other tests used these shards, too.
    books = close_books(done.sender, heard, folders, cluster.settings.engine, alone=False)
    outcome = Outcome.of(done, books, status=0)
    assert outcome.passed, f"{outcome} {books}"
    assert outcome.acked > 100
    assert outcome.kills >= KILLS
    assert set(outcome.points) == {*POINTS, "random"}
    assert cluster.wait_until_ready() < 30
