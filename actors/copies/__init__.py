"""Generations of the shards' stores, kept off the machine."""
