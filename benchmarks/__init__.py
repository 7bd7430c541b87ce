"""Measures a whole server as its users meet it; each command is ``python -m benchmarks.NAME``."""
