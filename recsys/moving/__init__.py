"""A partition goes from one shard to another: what is packed, and what its arrival changes."""
