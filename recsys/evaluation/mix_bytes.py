"""How many bytes a mix takes, by the size of the catalogue: made-up people who like items.

Items are liked with probability proportional to 1 / rank (Zipf 1935), in sittings of about ten
likes of a person, which is what the pasts of likes cost most on.
"""

from collections.abc import Sequence

import numpy as np

from recsys.catalogue import Catalogue
from recsys.mixing.cut import Cut
from recsys.mixing.lessons import Like, TasteSums
from recsys.settings import CatalogueSettings

__all__ = ["bytes_by_catalogue"]

_HISTORY = 20
_SITTING = 10
_PAUSE_MS = 20_000


def bytes_by_catalogue(
    sizes: Sequence[int], *, likes: int = 1000, shards: int = 2, piece: int = 100, seed: int = 1
) -> dict[str, int]:
    """Return the bytes of lessons of a mix, told to all shards together, by number of items.

    Parameters
    ----------
    likes
        Of all shards together, since the mix before.
    piece
        See ``mix.slice`` in ``config/default.yaml``.
    """
    return {str(n): _bytes(n, likes, shards, piece, seed) for n in sizes}


def _bytes(n_items: int, likes: int, shards: int, piece: int, seed: int) -> int:
    catalogue = Catalogue(CatalogueSettings(max_items=n_items))
    for number in range(n_items):
        catalogue.mention(f"item-{number}", 0)
    total = 0
    for shard in range(shards):
        lessons = _sittings(np.random.default_rng([seed, shard]), n_items, likes // shards)
        cut = Cut((f"shard-{shard}", 0, likes), (lessons, [], []), TasteSums(), catalogue, _HISTORY)
        total += (shards - 1) * sum(len(one.record) for one in cut.seal(piece))
    return total


def _sittings(chance: np.random.Generator, n_items: int, n: int) -> list[Like]:
    """Return likes of people of whom each is somewhere in their sitting, in turns."""
    odds = 1.0 / np.arange(1, n_items + 1)
    people = max(n // _SITTING, 1)
    drawn = chance.choice(n_items, (people, _HISTORY + _SITTING + 1), p=odds / odds.sum()).tolist()
    pauses = chance.exponential(_PAUSE_MS, (people, _HISTORY + _SITTING + 1)).cumsum(axis=1)
    times = (1_700_000_000_000 + pauses).astype(np.int64).tolist()
    out = list[Like]()
    for number in range(n):
        step, person = divmod(number, people)
        end = _HISTORY + step
        out.append(
            Like(
                number + 1,
                person,
                drawn[person][end],
                times[person][end],
                1.0,
                end,
                tuple(drawn[person][step:end]),
                tuple(times[person][step:end]),
            )
        )
    return out
