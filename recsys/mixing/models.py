"""Brings the rankers of Vowpal Wabbit together: from a common base, by its own merging.

From round to round all shards go on from one model. What each has learned since is what it is more
than that base, and Vowpal Wabbit adds the differences up, by how much each of them learned
(``merge_models``). A shard that takes a merged model in learns again what it was taught since it
reported, from its newest examples.

Only models of 18 bits, the default, can be merged (vowpalwabbit 9.11.9): what it makes of others
says that it has 18 all the same, and cannot be read. Those stay their shards' own.
"""

from recsys.codec import unpack
from recsys.learners.vw_bandit import VWRecord, merged_record
from recsys.mixing.average import Answer, Ranking

__all__ = ["Merger"]


class Merger:
    """Keeps the last model of each shard, and the base."""

    def __init__(self) -> None:
        self._known: dict[str, Ranking] = {}
        self._sent: dict[str, int] = {}
        self._base: bytes | None = None

    def take(self, shard: str, ranking: Ranking) -> None:
        """Take in a model.

        Raises
        ------
        CorruptRecord
            When its record is damaged.
        """
        unpack(ranking.record, VWRecord)
        self._known[shard] = ranking

    def forget(self, shard: str) -> None:
        """Go on without a shard."""
        self._known.pop(shard, None)
        self._sent.pop(shard, None)

    def round(self) -> dict[str, Answer]:
        """Return, by shard, the merged model.

        Only shards that reported since the last round get it, and of them only those teach it that
        had taken in the base.
        """
        known, self._known = self._known, {}
        base = self._base
        if base is None:
            taught = sorted(known)
        else:
            taught = sorted(name for name in known if self._sent.get(name) == known[name].version)
        if not taught:
            taught, base = sorted(known), None
        if not taught:
            return {}
        self._base = merged_record(base, [known[name].record for name in taught])
        self._sent = {name: one.version + 1 for name, one in known.items()}
        return {
            name: Answer(one.version + 1, self._base, one.examples) for name, one in known.items()
        }
