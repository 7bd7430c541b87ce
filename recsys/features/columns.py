"""The names of all features, in their order, and the family that each belongs to.

A family is what ``features.without`` leaves out:

- **scores**: what each source says of a candidate, beside their mix, and the place in the mix;
- **counts**: how often and since when there is an item, and how often the person was shown it;
- **habits**: after which pauses and how deep into a history an item is usually liked;
- **windows**: what is lately shown and clicked, of items and of attributes;
- **context**: what is clicked on this surface;
- **request**: all that the candidates of a request share.

The mix belongs to none: without it nobody knows what to begin with. Nor do the columns of the
personal models, which are there as long as their model is.
"""

from collections.abc import Collection, Sequence
from typing import Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Column", "Family", "Kept", "keep", "of_candidates", "of_requests"]

Family = Literal["scores", "counts", "habits", "windows", "context", "request"]


class Column(NamedTuple):
    """One feature; ``family`` is ``None`` when it is always there."""

    name: str
    family: Family | None


_ITEM: Final = (
    Column("mix", None),
    Column("rank", "scores"),
    Column("likes", "counts"),
    Column("age", "counts"),
    Column("like_recency", "habits"),
    Column("usual_pause", "habits"),
    Column("usual_depth", "habits"),
    Column("pause_difference", "habits"),
    Column("shown_before", "counts"),
)
_WINDOWED: Final = ("click_lift", "shown", "attribute_lift")
_REQUEST: Final = (
    "pause",
    "same_moment",
    "within_a_minute",
    "session_size",
    "history_size",
    "last_likes",
    "last_five_span",
    "pool_size",
    "own_click_rate",
    "own_shown",
    "list_size",
    "hour_sine",
    "hour_cosine",
)


def of_candidates(sources: Sequence[str], spans: Sequence[str]) -> tuple[Column, ...]:
    """Return the features of a candidate, but for those of the personal models.

    Parameters
    ----------
    sources
        Columns of the sources.
    spans
        Names of the windows.
    """
    return (
        *(Column(f"{name}_relative", "scores") for name in sources),
        *(Column(f"{name}_log", "scores") for name in sources),
        *_ITEM,
        *(Column(f"{name}_{span}", "windows") for name in _WINDOWED for span in spans),
        Column("context_lift", "context"),
    )


def of_requests(sources: Sequence[str]) -> tuple[Column, ...]:
    """Return the features of a request."""
    names = (*_REQUEST, *(f"{name}_largest" for name in sources))
    return tuple(Column(name, "request") for name in names)


class Kept(NamedTuple):
    """The features that are left when some families are out.

    Attributes
    ----------
    places
        Where they are among all, shape ``(n_kept,)``.
    left_out
        Names of the others.
    """

    names: tuple[str, ...]
    places: NDArray[np.intp]
    left_out: tuple[str, ...]


def keep(columns: Sequence[Column], without: Collection[Family]) -> Kept:
    """Leave the features of some families out."""
    places = [place for place, column in enumerate(columns) if column.family not in without]
    return Kept(
        tuple(columns[place].name for place in places),
        np.array(places, np.intp),
        tuple(column.name for column in columns if column.family in without),
    )
