"""What a mixer says to a shard, and what the shard answers; payloads of the method ``mix``."""

import hashlib

import msgspec

from recsys.mixing.average import Ranking
from recsys.mixing.cut import Contribution

__all__ = [
    "Average",
    "Base",
    "Hear",
    "Learn",
    "MixCall",
    "Rebase",
    "See",
    "Seen",
    "TellBase",
    "mixing_name",
]


class Hear(msgspec.Struct, frozen=True, tag="hear"):
    """Asks how far a shard is, which mixes from here on -> ``Position``."""


class See(msgspec.Struct, frozen=True, tag="see"):
    """Asks what a shard's people have done since a sequence of its log -> ``Seen``.

    Attributes
    ----------
    share, stops
        See ``recsys.mixing.cut.Cut.seal``.
    ranker
        Whether to tell of the ranker as well.
    """

    after: int
    share: float
    ranker: bool
    stops: tuple[int, ...] = ()


class Learn(msgspec.Struct, frozen=True, tag="learn"):
    """Tells a shard what others have seen -> ``Position``, when it has learned it.

    Attributes
    ----------
    released
        Up to this sequence of its own log all others have its lessons.
    """

    lessons: tuple[Contribution, ...]
    released: int


class Average(msgspec.Struct, frozen=True, tag="average"):
    """Tells a shard what brings its ranker to the average, see ``Averaged`` -> nil."""

    version: int
    record: bytes
    examples: int


class TellBase(msgspec.Struct, frozen=True, tag="tell_base"):
    """Asks for a part of all that a shard knows of items, from 0 on -> ``Base``."""

    number: int


class Rebase(msgspec.Struct, frozen=True, tag="rebase"):
    """Tells a shard what another one knows of items -> ``Position``."""

    shard: str
    number: int
    last: bool
    record: bytes


MixCall = Hear | See | Learn | Average | TellBase | Rebase


class Seen(msgspec.Struct, frozen=True):
    """What a shard has to tell.

    Attributes
    ----------
    waiting
        How many lessons there were, whatever the share.
    """

    pieces: tuple[Contribution, ...] = ()
    ranking: Ranking | None = None
    waiting: int = 0


class Base(msgspec.Struct, frozen=True):
    """A part of what a shard knows of items, and how many there are."""

    record: bytes
    parts: int


def mixing_name(shard: int, key: bytes) -> str:
    """Return the name under which a shard mixes.

    Parameters
    ----------
    key
        Of its engine: a data directory that is made anew has another one, and another log.
    """
    return f"{shard}-{hashlib.blake2b(key, digest_size=4).hexdigest()}"
