"""When the client asks again, and which events of a batch it sends again.

Repeating is safe because every event carries its id (``recsys.client.schema.NewFeedback`` makes
one), so that a repetition is a duplicate; all other calls read, or set a thing to a value.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

import msgspec

from recsys.client.calls import Call, send_events
from recsys.client.schema import EventResult, EventResults, NewFeedback
from recsys.errors import ApiError

__all__ = ["Delivery", "Retry"]


@dataclass(frozen=True)
class Retry:
    """How often to ask, and how long to wait in between.

    The wait after attempt ``k``, counted from 0, is uniform in ``[0, first_s * 2**k]`` and at most
    ``longest_s``, so that many clients do not come back together; never less than the server asked.

    Attributes
    ----------
    attempts
        Requests in total; 1 never repeats. Twelve wait a quarter of a minute on average, twice
        what HAProxy takes to come back.
    longest_s
        Also the longest ``Retry-After`` that is obeyed; a longer one ends the attempts.
    """

    attempts: int = 12
    first_s: float = 0.1
    longest_s: float = 5.0

    def wait_s(self, attempt: int, asked_s: float | None, rng: Random) -> float | None:
        """Return the seconds to wait after a failed attempt, ``None`` to give up."""
        least_s = asked_s or 0.0
        if attempt + 1 >= self.attempts or least_s > self.longest_s:
            return None
        return max(least_s, rng.random() * min(self.first_s * 2.0**attempt, self.longest_s))


class Delivery:
    """A batch of events on its way: what must be sent again and when, and what became of each.

    Parameters
    ----------
    events
        In the order in which the server shall learn them.

    Attributes
    ----------
    open
        Whether there is something to send.
    wait_s
        Seconds to wait before sending it.
    """

    def __init__(self, events: Sequence[NewFeedback], retry: Retry, rng: Random) -> None:
        self.open = bool(events)
        self.wait_s = 0.0
        self._events = list(events)
        self._retry = retry
        self._rng = rng
        self._attempt = 0
        self._results: dict[int, EventResult] = {}
        self._unsent = list(range(len(self._events)))

    def call(self) -> Call[EventResults]:
        """Return the request that sends the events without a final result."""
        return send_events([self._events[place] for place in self._unsent])

    def settle(self, answer: EventResults) -> None:
        """Take in the answer to ``call()``.

        Raises
        ------
        ApiError
            When there is not one result per event.
        """
        if len(answer.results) != len(self._unsent):
            sent, came = len(self._unsent), len(answer.results)
            detail = f"{sent} events were sent, {came} results came back"
            raise ApiError(202, detail)
        unavailable = []
        for place, result in zip(self._unsent, answer.results, strict=True):
            self._results[place] = msgspec.structs.replace(result, index=place)
            if result.status == "unavailable":
                unavailable.append(place)
        self._unsent = unavailable
        wait_s = self._retry.wait_s(self._attempt, None, self._rng) if unavailable else None
        self._attempt += 1
        self.open = wait_s is not None
        self.wait_s = wait_s or 0.0

    def results(self) -> EventResults:
        """Return the last result of each event, counted anew."""
        results = tuple(self._results[place] for place in range(len(self._events)))
        accepted = sum(result.status == "accepted" for result in results)
        duplicates = sum(result.status == "duplicate" for result in results)
        return EventResults(
            accepted=accepted,
            duplicates=duplicates,
            failed=len(results) - accepted - duplicates,
            results=results,
        )
