"""Reads the files that people have: MovieLens in all its shapes, and any CSV of interactions."""

from recsys.datasets.interactions import (
    Columns,
    Interaction,
    fingerprint,
    read_interactions,
)
from recsys.datasets.items import read_items
from recsys.datasets.times import parse_time_ms

__all__ = [
    "Columns",
    "Interaction",
    "fingerprint",
    "parse_time_ms",
    "read_interactions",
    "read_items",
]
