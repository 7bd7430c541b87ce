"""What a shard has seen that teaches about items, one struct per kind.

Items are dense indices of the shard that wrote them down, or, in ``Lessons`` that travel, places
in their list of ids. ``weight`` is how often a lesson counts: above 1 where others of its kind were
left out by lot, so that sums stay right on average.
"""

import msgspec

__all__ = ["Click", "Lessons", "Like", "Show", "TasteSums"]


class Like(msgspec.Struct, array_like=True, gc=False):
    """A like after a past: what ``recsys.candidates.base.Source.learn`` is told.

    Attributes
    ----------
    sequence
        Its place in the shard's log.
    person
        Hash of the user id; it never travels.
    depth
        Likes of the person before, as far as they are remembered; -1 where it says more of an act
        that was told before.
    items, times_ms
        The newest of the person's likes before, oldest first.
    """

    sequence: int
    person: int
    item: int
    ts_ms: int
    strength: float
    depth: int
    items: tuple[int, ...]
    times_ms: tuple[int, ...]
    weight: float = 1.0


class Show(msgspec.Struct, array_like=True, gc=False):
    """Items that a list has shown."""

    sequence: int
    person: int
    ts_ms: int
    items: tuple[int, ...]
    weight: float = 1.0


class Click(msgspec.Struct, array_like=True, gc=False):
    """A click on a list.

    Attributes
    ----------
    items, shares
        Of the list, and the probability that a click falls on their place.
    tokens
        What ``recsys.features.table.surface`` says of the list.
    """

    sequence: int
    person: int
    item: int
    ts_ms: int
    items: tuple[int, ...]
    shares: tuple[float, ...]
    tokens: tuple[int, ...]
    weight: float = 1.0


class TasteSums(msgspec.Struct, array_like=True, frozen=True):
    """What ``recsys.learners.taste_priors`` sums up, from a shard's own people.

    Attributes
    ----------
    fields
        By name of an attribute: squares of the means, and shares of the prior that were gone.
    """

    rewards: float = 0.0
    count: int = 0
    noise: float = 0.0
    fields: dict[str, tuple[float, float]] = {}


class Lessons(msgspec.Struct):
    """Some of what a shard has seen, in the order of its log.

    Attributes
    ----------
    ids
        What their items are called.
    tastes
        Not of these lessons but since the shard's log began.
    """

    ids: list[str]
    likes: list[Like]
    shows: list[Show]
    clicks: list[Click]
    tastes: TasteSums
