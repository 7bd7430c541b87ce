"""Shards and nodes that fail, for years: whose lists are lost, and how many at a time.

Processes die independently of each other, nodes too; a node takes its shards with it until their
stores are restored elsewhere, which somebody has to do. Whoever is down gets 503.
"""

import math

import msgspec
import numpy as np
from numpy.typing import NDArray

from benchmarks.scaling.constants import Costs

__all__ = ["Years", "expected_loss", "live"]

_YEAR_S = 365 * 86_400.0


class Years(msgspec.Struct, frozen=True, kw_only=True):
    """What failed.

    Attributes
    ----------
    lost
        Share of all lists.
    lost_to_nodes
        Of these, the share that nodes have lost.
    somebody_down
        Share of the time in which at least one shard is down.
    most_down
        Shards that were down at a time, at most.
    """

    shards: int
    nodes: int
    years: float
    kills: int
    node_failures: int
    lost: float
    lost_to_nodes: float
    somebody_down: float
    most_down: int


def expected_loss(costs: Costs) -> float:
    """Return the share of lists that is lost, by arithmetic; the same for any number of shards."""
    kills_s = costs.mean("kills_per_shard_year") * costs.mean("recovery_s")
    nodes_s = costs.mean("node_failures_year") * costs.mean("node_recovery_s")
    return (kills_s + nodes_s) / _YEAR_S


def live(costs: Costs, shards: int, nodes: int, years: float, seed: int) -> Years:
    """Draw failures; shards lie on nodes in turns, and overlapping failures are counted once."""
    chance = np.random.default_rng([seed, shards])
    span_s = years * _YEAR_S
    kills = chance.poisson(shards * costs.mean("kills_per_shard_year") * years)
    recover = costs["recovery_s"].drawer(chance)
    died_s = chance.uniform(0.0, span_s, kills)
    whose = chance.integers(0, shards, kills)
    back_s = died_s + np.array([recover() for _ in range(kills)])
    failures = chance.poisson(nodes * costs.mean("node_failures_year") * years)
    failed_s = chance.uniform(0.0, span_s, failures)
    where = chance.integers(0, nodes, failures)
    for at_s, node in zip(failed_s.tolist(), where.tolist(), strict=True):
        gone = np.arange(node, shards, nodes)
        died_s = np.append(died_s, np.full(len(gone), at_s))
        back_s = np.append(back_s, np.full(len(gone), at_s + costs.mean("node_recovery_s")))
        whose = np.append(whose, gone)
    alone_s = sum(
        _covered(died_s[:kills][whose[:kills] == one], back_s[:kills][whose[:kills] == one])
        for one in range(shards)
    )
    down_s = sum(_covered(died_s[whose == one], back_s[whose == one]) for one in range(shards))
    return Years(
        shards=shards,
        nodes=nodes,
        years=years,
        kills=kills,
        node_failures=failures,
        lost=down_s / (shards * span_s),
        lost_to_nodes=1.0 - alone_s / down_s if down_s else 0.0,
        somebody_down=_covered(died_s, back_s) / span_s,
        most_down=_deepest(died_s, back_s),
    )


def _covered(begin_s: NDArray[np.float64], end_s: NDArray[np.float64]) -> float:
    """Return how long at least one interval lasts."""
    total, until = 0.0, -math.inf
    for place in np.argsort(begin_s, kind="stable").tolist():
        begin, end = float(begin_s[place]), float(end_s[place])
        total += max(0.0, end - max(begin, until))
        until = max(until, end)
    return total


def _deepest(begin_s: NDArray[np.float64], end_s: NDArray[np.float64]) -> int:
    """Return how many intervals there are at a time, at most."""
    moments = np.concatenate([begin_s, end_s])
    steps = np.concatenate([np.ones(len(begin_s)), -np.ones(len(end_s))])
    order = np.lexsort((steps, moments))
    return int(np.cumsum(steps[order]).max(initial=0.0))
