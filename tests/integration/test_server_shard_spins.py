"""A shard whose event loop is busy for ever is ended and comes back; the other does not notice."""

import os
import time
from pathlib import Path
from typing import Final

from actors.host.processes import Process, alive
from benchmarks.people import shard_of
from benchmarks.server import SHARDS
from recsys.client import Client
from tests.integration.cluster import Cluster, wait_until
from tests.integration.writer import PEOPLE, Writer, clicks_of_people, learned

SPUN: Final = 0
BUSY_S: Final = 1.0
TICKS: Final = os.sysconf("SC_CLK_TCK")
"""Of processor time in a second."""


def processor_s(process: Process) -> float:
    """Return for how long a process has worked, not waited."""
    fields = (Path("/proc") / str(process.pid) / "stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def test_a_shard_whose_loop_spins_is_ended_and_comes_back(cluster: Cluster, client: Client) -> None:
    cluster.wait_until_ready()
    before = learned(client), clicks_of_people(client)
    stuck_s = cluster.settings.shards.stuck_s
    homes = [[one for one in PEOPLE if shard_of(one) == shard] for shard in range(SHARDS)]
    other = homes[1 - SPUN]
    process = cluster.find_shard(SPUN)
    assert process is not None
    slowest_s = 0.0

    with Writer(cluster.url, homes[SPUN]) as hurt, Writer(cluster.url, other) as well:
        hurt.wait_for(30)
        well.wait_for(30)
        worked_s = processor_s(process)
        cluster.spin(SPUN)
        started = time.monotonic()
        wait_until("it spins", lambda: processor_s(process) - worked_s > BUSY_S, stuck_s / 2)
        stood, went = len(hurt.acknowledged), len(well.acknowledged)

        def it_is_ended_while_the_other_serves() -> bool:
            nonlocal slowest_s
            asked = time.monotonic()
            assert client.recommend(other[0], n=3).decision_id
            slowest_s = max(slowest_s, time.monotonic() - asked)
            return not alive(process)

        wait_until("its process is ended", it_is_ended_while_the_other_serves, stuck_s + 10)
        ended_s = time.monotonic() - started
        assert len(hurt.acknowledged) == stood, "nobody acknowledges what nobody holds"
        assert len(well.acknowledged) - went > 50
        cluster.wait_until_ready()
        hurt.wait_for(30)
        well.wait_for(30)

    # The last sign of life was up to a second before, and the last question takes a second.
    assert stuck_s - 2 < ended_s < stuck_s + 3
    assert slowest_s < cluster.settings.http.shard_timeout_s / 2
    assert hurt.attempts > len(hurt.acknowledged), "nothing was hurt"
    written = len(hurt.acknowledged) + len(well.acknowledged)
    assert (learned(client), clicks_of_people(client)) == tuple(n + written for n in before)
    notices = cluster.notices()
    assert f"shard {SPUN} was silent for {stuck_s:.0f} s; ending its process" in notices
    assert any(f"shard {SPUN} is back" in notice for notice in notices)
