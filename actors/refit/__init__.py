"""Learning a shard's log again: beside the running shard as a task, or on its folder without it."""

__all__: list[str] = []
