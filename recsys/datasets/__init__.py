"""Reads the files that people have: MovieLens in all its shapes, any CSV of interactions, MIND."""

from recsys.datasets.impressions import Impression, read_impressions, read_news
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
    "Impression",
    "Interaction",
    "fingerprint",
    "parse_time_ms",
    "read_impressions",
    "read_interactions",
    "read_items",
    "read_news",
]
