"""Whose turn it is to look at a list, on the world's own clock."""

from collections.abc import Iterator
from heapq import heappop, heappush
from itertools import count

from simulators.audience import Person
from simulators.worlds import World

__all__ = ["looks", "looks_of"]


def looks(world: World, stream: int = 0) -> Iterator[tuple[float, Person]]:
    """Yield, without end, when (seconds of the world, rising) which person looks at a list.

    Visits overlap; nobody comes twice at a time, so whoever arrives at a taken seat turns away. The
    list is to be shown (``World.look``) before the next turn is asked for.

    Parameters
    ----------
    stream
        See ``World.arrivals``.
    """
    arrivals = world.arrivals(stream)
    at_s, seat = next(arrivals)
    # Ties of time are broken by the order of entry: people cannot be compared.
    entries = count()
    waiting: list[tuple[float, int, int, Person]] = []
    while True:
        while not waiting or at_s <= waiting[0][0]:
            if all(person.seat != seat for *_, person in waiting):
                visit = world.visit(seat)
                heappush(waiting, (at_s, next(entries), visit.rounds, visit.person))
            at_s, seat = next(arrivals)
        now_s, _, rounds, person = heappop(waiting)
        yield now_s, person
        if rounds > 1:
            again_s = now_s + world.think_s(person)
            heappush(waiting, (again_s, next(entries), rounds - 1, person))


def looks_of(world: World, person: Person, from_s: float) -> Iterator[tuple[float, bool]]:
    """Yield, without end, when one person alone looks at a list, and whether a visit begins.

    For guests, who come as often as an average seat is visited and stay as long.
    """
    settings = world.settings
    at_s = from_s
    while True:
        rounds = int(person.rng.geometric(1.0 / settings.mean_rounds))
        for place in range(rounds):
            yield at_s, place == 0
            at_s += world.think_s(person)
        at_s += float(person.rng.exponential(3600.0 / settings.visits_per_hour))
