"""A server of which everything but the shards is killed, and the shards are held, loses nothing.

The short form of ``make nemesis``.
"""

import asyncio
from itertools import chain
from pathlib import Path
from typing import Final

import msgspec

from benchmarks.books import close_books
from benchmarks.crowd import fill
from benchmarks.haunted import Outcome
from benchmarks.history import History
from benchmarks.nemesis import decisions, haunt
from benchmarks.ordeals import Ordeal
from benchmarks.server import SHARDS
from recsys.client import Client, Item
from simulators.replay import learned
from tests.integration.cluster import Cluster
from tests.integration.doors import check_doors

SHELF = [Item(f"shelf-{number}", {"kind": f"k{number % 5}"}) for number in range(60)]

ORDEALS: Final = (
    Ordeal("supervisor"),
    Ordeal("quota", shard=0, lasts_s=2.0),
    Ordeal("gateway"),
    Ordeal("controller"),
    Ordeal("pause", shard=1, lasts_s=7.0),
    Ordeal("haproxy"),
    Ordeal("front"),
)


def test_a_server_that_is_haunted(cluster: Cluster, client: Client, tmp_path: Path) -> None:
    cluster.wait_until_ready()
    fill(client, SHELF)
    before = learned(client.stats())
    history = History()
    names = [item.item_id for item in SHELF]
    done = asyncio.run(haunt(cluster, ORDEALS, names, 1, history, after_s=0.5))
    heard = msgspec.structs.replace(done.heard, learned=done.heard.learned - before)
    folders = [cluster.copy_shard(shard, tmp_path) for shard in range(SHARDS)]
    # The other tests used these shards, too.
    books = close_books(done.sender, heard, folders, cluster.settings.engine, alone=False)
    findings = history.check(chain.from_iterable(map(decisions, folders)))
    # HAProxy and the gateway are others than at the start.
    check_doors(cluster)
    outcome = Outcome.of(done, books, findings, resumed=cluster.ready(), status=0)
    assert outcome.passed, f"{outcome} {books}"
    assert outcome.strikes == len(ORDEALS)
    assert outcome.acked > 100
    assert findings.logged > 100
    assert findings.sightings > 20
    assert outcome.outage_max_s["pause"] > 7.0
    # It is held a moment after its time has begun.
    assert outcome.silence_max_s["quota"] > 1.5
