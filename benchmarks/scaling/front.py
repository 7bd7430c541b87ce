"""Gateways before the shards: a core each, a bound on what is in flight, and a time limit."""

from array import array
from collections import Counter
from collections.abc import Callable

import numpy as np

from benchmarks.scaling.constants import Costs
from benchmarks.scaling.shard import Fate, Shard
from benchmarks.scaling.station import Station
from benchmarks.scaling.timeline import Timeline

__all__ = ["Book", "Gateway"]

_SWEEP_S = 0.1


class Book:
    """What became of the calls of one kind.

    Attributes
    ----------
    asked
        Calls that came.
    fates
        By fate.
    seconds
        Of each that was answered.
    """

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Begin anew."""
        self.asked = 0
        self.fates = Counter[str]()
        self.seconds = array("d")

    def share(self, fate: Fate) -> float:
        """Return the share of a fate among what is over."""
        return self.fates[fate] / max(self.fates.total(), 1)


class _Open:
    """A call that is under way."""

    __slots__ = ("begun_s", "book", "heard")

    def __init__(self, book: Book, begun_s: float, heard: Callable[[], None] | None) -> None:
        self.book = book
        self.begun_s = begun_s
        self.heard = heard


class Gateway:
    """Takes calls to shards and answers them.

    A call costs half of its work on its way in and half on its way out. What takes longer than the
    time limit is answered for, and its place is free.
    """

    def __init__(
        self, timeline: Timeline, core: Station, costs: Costs, chance: np.random.Generator
    ) -> None:
        self.core = core
        self._timeline = timeline
        self._half = costs["gateway_us"].drawer(chance, 0.5e-6)
        self._proxy_s = costs.seconds("proxy_us")
        self._hop_s = costs.seconds("hop_us")
        self._limit = round(costs.mean("gateway_in_flight"))
        self._timeout_s = costs.mean("shard_timeout_s")
        self._open: dict[int, _Open] = {}
        self._numbers = 0
        timeline.after(_SWEEP_S, self._sweep)

    @property
    def in_flight(self) -> int:
        """Calls that are under way."""
        return len(self._open)

    def ask(self, shard: Shard, book: Book, heard: Callable[[], None] | None = None) -> None:
        """Ask for a list; ``heard`` is called when the call is over."""
        self._pass(shard.ask, book, heard)

    def tell(self, shard: Shard, book: Book, heard: Callable[[], None] | None = None) -> None:
        """Send an event."""
        self._pass(shard.tell, book, heard)

    def _pass(
        self,
        to: Callable[[Callable[[Fate], None]], None],
        book: Book,
        heard: Callable[[], None] | None,
    ) -> None:
        book.asked += 1
        call = _Open(book, self._timeline.now_s, heard)
        if len(self._open) >= self._limit:
            self._over(call, "refused")
            return
        self._numbers += 1
        number = self._numbers
        self._open[number] = call

        def back(fate: Fate) -> None:
            self._timeline.after(self._hop_s, lambda: self.core.put(self._half(), out(fate)))

        def out(fate: Fate) -> Callable[[], None]:
            def end() -> None:
                if self._open.pop(number, None) is not None:
                    self._over(call, fate)

            return end

        self.core.put(self._half(), lambda: self._timeline.after(self._hop_s, lambda: to(back)))

    def _over(self, call: _Open, fate: Fate) -> None:
        call.book.fates[fate] += 1
        if fate == "answered":
            took_s = self._timeline.now_s - call.begun_s
            call.book.seconds.append(took_s + self._proxy_s)
        if call.heard is not None:
            call.heard()

    def _sweep(self) -> None:
        last_s = self._timeline.now_s - self._timeout_s
        # Calls are in the order in which they came.
        late = list[int]()
        for number, call in self._open.items():
            if call.begun_s > last_s:
                break
            late.append(number)
        for number in late:
            self._over(self._open.pop(number), "lost")
        self._timeline.after(_SWEEP_S, self._sweep)
