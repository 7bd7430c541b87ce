"""The Ray runtime: shards, supervisor and gateway, thin shells over ``recsys``."""
