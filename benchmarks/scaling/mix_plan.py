"""What mixing costs, by arithmetic: bytes, pieces and processor time a second.

As ``recsys.mixing`` does it, every round each shard tells its lessons in pieces of at most
``slice`` of them, at least one piece if it has any; each is told every piece of every other. So a
shard learns at most ``per_s`` lessons a second, but opens ``n - 1`` pieces a round, and one mixer
hands on ``n (n - 1)`` of them. The mixer's book-keeping (``Mixer.hear``) takes time that grows with
the pairs of shards, too.

Not built: a tree (``groups``), where a mixer per group of shards tells a root one packed piece of
what its group has learned, and its group one piece per other group.
"""

import math

import msgspec

from benchmarks.scaling.constants import Costs
from benchmarks.scaling.demand import Demand

__all__ = ["MixLayout", "MixPlan", "largest", "mix_plan"]


class MixLayout(msgspec.Struct, frozen=True, kw_only=True):
    """How shards mix.

    Attributes
    ----------
    every_s, per_s
        See ``mix`` in ``config/default.yaml``.
    groups
        Mixers below a root, 1 for one mixer that has all shards; 0: the square root of the shards.
    """

    every_s: float = 1.0
    per_s: float = 2000.0
    groups: int = 1

    def groups_of(self, shards: int) -> int:
        """Return how many groups there are."""
        return min(max(1, round(math.sqrt(shards))) if self.groups == 0 else self.groups, shards)


class MixPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What it takes, of the busiest of each kind.

    Attributes
    ----------
    share
        Of the lessons that anybody hears of.
    lessons_per_s, pieces_per_round
        That a shard is told.
    piece_s
        Work of the shard that is told a piece.
    shard_share
        Of a shard's core that mixing takes.
    in_bytes_per_s, out_bytes_per_s
        Of a shard.
    mixer_bytes_per_s
        Through the busiest mixer, in and out.
    round_s
        Processor time of a round of the busiest mixer; beyond ``every_s`` rounds get longer.
    root_s
        Of the root of a tree, 0 without one.
    """

    share: float
    lessons_per_s: float
    pieces_per_round: float
    piece_s: float
    shard_share: float
    in_bytes_per_s: float
    out_bytes_per_s: float
    mixer_bytes_per_s: float
    round_s: float
    root_s: float

    def mixer_share(self, layout: MixLayout) -> float:
        """Return the share of its core that the busiest mixer takes; 1 and more: it is full."""
        return max(self.round_s, self.root_s) / layout.every_s


def mix_plan(costs: Costs, demand: Demand, shards: int, layout: MixLayout) -> MixPlan:
    """Work it out for as many shards as share the demand equally."""
    made = demand.lessons_per_s
    share = min(1.0, layout.per_s / made) if made else 1.0
    groups = layout.groups_of(shards)
    members = math.ceil(shards / groups)
    own = _pieces(costs, made / shards, share, layout)
    packed = _pieces(costs, made * members / shards, share, layout)
    pieces = (members - 1) * own + (groups - 1) * packed
    lessons = made * share * (shards - 1) / shards
    hears = 1 + math.ceil(pieces / costs.mean("pieces_at_once"))
    position = costs.mean("position_bytes") * (members + groups - 1)
    # One round: its own lessons sealed, its ranker told and moved; those of the others opened.
    sealed_s = own * costs.seconds("seal_piece_us")
    sealed_s += made * share / shards * layout.every_s * costs.seconds("seal_lesson_us")
    opened_s = pieces * costs.seconds("piece_us")
    opened_s += lessons * layout.every_s * costs.seconds("lesson_us")
    work_s = sealed_s + opened_s + costs.seconds("ranker_us")
    into = pieces * costs.mean("piece_bytes") + costs.mean("ranker_down_bytes")
    into += lessons * layout.every_s * costs.mean("lesson_bytes")
    out = own * costs.mean("piece_bytes") + costs.mean("ranker_up_bytes") + hears * position
    out += made * share / shards * layout.every_s * costs.mean("lesson_bytes")
    leaf_s = _round_s(costs, members, groups - 1, members * pieces, layout)
    leaf_s += members * (into + out) * costs.seconds("mixer_byte_us")
    root_s = 0.0
    if groups > 1:
        root_s = _round_s(costs, groups, 0, groups * (groups - 1) * packed, layout)
        root_s += groups * (into + out) * costs.seconds("mixer_byte_us")
        # The leaf opens its group's lessons and packs them anew.
        per_lesson = costs.seconds("open_lesson_us") + costs.seconds("seal_lesson_us")
        leaf_s += made * share * members / shards * layout.every_s * per_lesson
        leaf_s += members * own * costs.seconds("open_piece_us")
        leaf_s += packed * costs.seconds("seal_piece_us")
    return MixPlan(
        share=share,
        lessons_per_s=lessons,
        pieces_per_round=pieces,
        piece_s=opened_s / pieces if pieces else 0.0,
        shard_share=work_s / layout.every_s,
        in_bytes_per_s=into / layout.every_s,
        out_bytes_per_s=out / layout.every_s,
        mixer_bytes_per_s=members * (into + out) / layout.every_s,
        round_s=leaf_s,
        root_s=root_s,
    )


def largest(costs: Costs, demand_each: Demand, layout: MixLayout) -> int:
    """Return with how many shards, each of so many people, the busiest mixer is just not full."""
    low, high = 1, 2
    while high <= 1 << 20 and _share(costs, demand_each, high, layout) < 1.0:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        if _share(costs, demand_each, middle, layout) < 1.0:
            low = middle
        else:
            high = middle
    return low


def _share(costs: Costs, demand_each: Demand, shards: int, layout: MixLayout) -> float:
    return mix_plan(costs, demand_each.times(shards), shards, layout).mixer_share(layout)


def _pieces(costs: Costs, made_per_s: float, share: float, layout: MixLayout) -> float:
    """Return how many pieces hold the lessons of a round, on average."""
    made = made_per_s * layout.every_s
    some = -math.expm1(-made)
    return max(some, made * share / costs.mean("piece_lessons"))


def _round_s(costs: Costs, members: int, others: int, pieces: float, layout: MixLayout) -> float:
    lines = members + others
    heard_s = lines**2 * costs.seconds("mixer_pair_us")
    rankers_s = members * costs.seconds("mixer_ranker_us")
    return heard_s + pieces * costs.seconds("mixer_piece_us") + rankers_s
