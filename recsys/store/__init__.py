"""Durable state of one shard: log, dedupe set, snapshot, users."""
