"""River's change detectors, in a form that a snapshot can hold.

A shard has a handful of ADWIN detectors (Bifet & Gavaldà 2007), which live in compiled code and are
stored as sealed pickles. A person has a Page-Hinkley test (Page 1954): five numbers in their record
that go on as those of River's would, of which no object is made for each list.

Both find any change; an alarm is a change for the worse, because for the better nothing needs to be
done.
"""

import importlib.metadata
import math
from typing import Final, Literal

from recsys.errors import CorruptRecord
from recsys.learners.envelope import open_envelope, seal_envelope
from recsys.light_river import ADWIN
from recsys.settings import UserDriftSettings
from recsys.users import Unrest

__all__ = ["ShardDetector", "clicks_fell"]

_RIVER: Final = importlib.metadata.version("river")
_LEAST_MEAN: Final = 0.1
"""Clicks per list: below this, a few lists without a click say nothing."""
_FADING: Final = 1 - 0.0001
"""What is left of the sum one list later: River's default."""


class ShardDetector:
    """ADWIN over one signal of a shard.

    Parameters
    ----------
    worse
        In which direction the signal gets worse.
    delta
        See ``river.drift.ADWIN``: the smaller, the rarer are false alarms.
    key
        Under which the snapshot is sealed.
    """

    def __init__(self, worse: Literal["up", "down"], delta: float, key: bytes) -> None:
        self._sign = 1.0 if worse == "up" else -1.0
        self._key = key
        self._version = f"river {_RIVER} ADWIN {delta!r}"
        self._adwin = ADWIN(delta=delta)  # type: ignore[no-untyped-call]

    def update(self, value: float) -> bool:
        """Take in the next value, of about 0 to 1; returns whether it is an alarm."""
        before = self._adwin.estimation
        self._adwin.update(value)  # type: ignore[no-untyped-call]
        rise = self._adwin.estimation - before
        return bool(self._adwin.drift_detected and self._sign * rise > 0.0)

    def snapshot(self) -> bytes:
        """Return the detector as a sealed record."""
        return seal_envelope(self._adwin, key=self._key, version=self._version)

    def restore(self, record: bytes) -> None:
        """Replace the detector by one that ``snapshot`` returned.

        Raises
        ------
        CorruptRecord
            When the record is damaged or was not written by this installation.
        IncompatibleState
            When it was made with another ``delta`` or version of River.
        """
        found = open_envelope(record, key=self._key, version=self._version, roots=("river",))
        if not isinstance(found, ADWIN):
            detail = f"a stored drift detector is a {type(found).__name__}"
            raise CorruptRecord(detail)
        self._adwin = found


def clicks_fell(unrest: Unrest, clicks: int, ts_ms: int, settings: UserDriftSettings) -> bool:
    """Take in the clicks of one list of a person; returns whether it is an alarm.

    Parameters
    ----------
    ts_ms
        When the list was judged.
    """
    # What is rare varies by the root of its mean: who clicks more varies more.
    deviation = math.sqrt(max(unrest.mean, _LEAST_MEAN))
    first = not unrest.lists
    unrest.lists += 1
    unrest.mean += (1.0 / unrest.lists) * (clicks - unrest.mean)
    unrest.fall = _FADING * unrest.fall + (clicks - unrest.mean) + settings.slack * deviation
    if first or unrest.fall > unrest.top:
        unrest.top, unrest.top_ms = unrest.fall, ts_ms
    fell = unrest.top - unrest.fall > settings.threshold * deviation
    return fell and unrest.lists >= settings.lists
