"""Costs that stay what they are when those of the document are measured again."""

from benchmarks.scaling.constants import Costs

__all__ = ["COSTS"]

COSTS = Costs.read().having(
    recommend_us=900.0,
    decision_us=300.0,
    event_us=500.0,
    flush_us=4000.0,
    commit_us=350.0,
    capture_us=25_000.0,
    gateway_us=275.0,
    gateway_in_flight=768.0,
    proxy_us=250.0,
    hop_us=100.0,
    piece_us=390.0,
    lesson_us=24.0,
    piece_lessons=200.0,
    piece_bytes=230.0,
    lesson_bytes=15.0,
    mixer_pair_us=2.2,
    mixer_piece_us=2.2,
    recovery_s=2.5,
    two_cores_noop_us=545.0,
)
