"""Reads the files that people have: MovieLens in all its shapes, any CSV, any Parquet, MIND."""

from recsys.datasets.columns import Columns
from recsys.datasets.history import Act, act_of, event_id_of, feedback_of, with_items
from recsys.datasets.impressions import Impression, read_impressions, read_news
from recsys.datasets.interactions import (
    Interaction,
    fingerprint,
    read_interactions,
)
from recsys.datasets.items import GENRES_AND_DECADE, items_file, read_items
from recsys.datasets.times import parse_time_ms

__all__ = [
    "GENRES_AND_DECADE",
    "Act",
    "Columns",
    "Impression",
    "Interaction",
    "act_of",
    "event_id_of",
    "feedback_of",
    "fingerprint",
    "items_file",
    "parse_time_ms",
    "read_impressions",
    "read_interactions",
    "read_items",
    "read_news",
    "with_items",
]
