"""``recsys bench``: measures the engine, a module per protocol."""
