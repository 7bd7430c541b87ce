"""Kafka in and out: a shard's own consumer and producer, and a gateway that writes to Kafka.

The shard's log stays where it is: what is read from Kafka goes through the same group commit as
what comes over HTTP, and the same transaction writes where to go on. ``docs/kafka.md`` says how to
use it.
"""
