"""People, as lists and events a second."""

import msgspec

__all__ = ["Demand"]

_DAY_S = 86_400.0


class Demand(msgspec.Struct, frozen=True, kw_only=True):
    """What people do.

    Attributes
    ----------
    active
        Share of all users who come on a day.
    lists, events
        Of each of them on that day.
    peak
        The busiest hour over the mean.
    lessons_per_list, lessons_per_event
        What a shard writes down for the others (``recsys.mixing.lessons``): a list is a ``Show``, a
        click on a list a ``Like`` and a ``Click``, one without a list only a ``Like``.
    """

    users: float = 1e6
    active: float = 0.2
    lists: float = 20.0
    events: float = 20.0
    peak: float = 3.0
    lessons_per_list: float = 1.0
    lessons_per_event: float = 2.0

    @property
    def lists_per_s(self) -> float:
        """At the peak."""
        return self.users * self.active * self.lists * self.peak / _DAY_S

    @property
    def events_per_s(self) -> float:
        """At the peak."""
        return self.users * self.active * self.events * self.peak / _DAY_S

    @property
    def lessons_per_s(self) -> float:
        """At the peak."""
        return self.lists_per_s * self.lessons_per_list + self.events_per_s * self.lessons_per_event

    def times(self, factor: float) -> "Demand":
        """Return the same of more or fewer people."""
        return msgspec.structs.replace(self, users=self.users * factor)
