"""How likely people look at the places of a list: at place r, from 1, with ``r ** -decay``."""

from functools import lru_cache

__all__ = ["looks"]


@lru_cache(maxsize=256)
def looks(places: int, decay: float) -> tuple[float, ...]:
    """Return the probability of looking at each place of a list, the first one first."""
    return tuple((place + 1.0) ** -decay for place in range(places))
