"""How likely people look at the places of a list: at place r, from 1, with ``r ** -decay``."""

from functools import lru_cache

__all__ = ["looks", "looks_in_all"]


@lru_cache(maxsize=256)
def looks(places: int, decay: float) -> tuple[float, ...]:
    """Return the probability of looking at each place of a list, the first one first."""
    return tuple((place + 1.0) ** -decay for place in range(places))


@lru_cache(maxsize=256)
def looks_in_all(places: int, decay: float) -> float:
    """Return how many places of a list people look at, on average."""
    return sum(looks(places, decay), start=0.0)
