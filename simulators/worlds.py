"""A world: an OTT service and its people, all of it made from one seed.

The same settings give the same items, the same people and, as long as they are shown the same
lists, the same clicks. Nothing here knows a server: a driver asks who comes, shows them lists, and
hands back what they did.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulators.audience import EVERY_GENRE, Person, activity
from simulators.catalogue import Catalogue
from simulators.click_models import REPEAT, examined, liked

__all__ = ["Click", "Visit", "World", "WorldSettings"]

_DWELL_S = 40.0
_DWELL_SPREAD = 0.5


@dataclass(frozen=True)
class WorldSettings:
    """Everything a world is made from.

    Attributes
    ----------
    shift_probability
        Chance, per visit, that a person turns to another favourite genre.
    stay_lists
        After so many lists a person leaves for good and someone new takes the seat, so that a long
        run does not end with people who have seen everything. Lists, not watched items: those who
        are served well must not leave sooner than the others. ``None``: nobody leaves.
    mean_rounds
        Lists looked at per visit, geometric.
    think_s
        Mean time between two lists of a visit, exponential, seconds of the world.
    visits_per_hour
        Per seat, on average; arrivals are a Poisson process.
    among
        Indices of the genres that people's favourites are chosen from.
    """

    seed: int = 1
    n_people: int = 300
    n_items: int = 1000
    shift_probability: float = 0.02
    stay_lists: int | None = 40
    mean_rounds: float = 4.0
    think_s: float = 15.0
    visits_per_hour: float = 6.0
    among: tuple[int, ...] = EVERY_GENRE


@dataclass(frozen=True)
class Visit:
    """One person comes and looks at so many lists."""

    person: Person
    rounds: int


@dataclass(frozen=True)
class Click:
    """A clicked item, its rank from 1, and the seconds then spent on its page."""

    item_id: str
    rank: int
    dwell_s: float


class World:
    """The service as it is now.

    Parameters
    ----------
    settings
        Only they decide what this world is.
    catalogue
        Another world's, whose items this world's people look at, too; made when ``None``.

    Attributes
    ----------
    shares
        Share of all visits by seat, shape ``(n_people,)``.
    people
        Who sits where now, by seat.
    """

    def __init__(self, settings: WorldSettings, catalogue: Catalogue | None = None) -> None:
        self.settings = settings
        rng = np.random.default_rng([settings.seed, 0])
        self.catalogue = catalogue or Catalogue.make(settings.n_items, rng)
        self.shares = activity(settings.n_people, rng)
        self.people = [self._person(seat, 0) for seat in range(settings.n_people)]
        self._index = {item_id: row for row, item_id in enumerate(self.catalogue.ids)}
        self._seats = {person.user_id: person.seat for person in self.people}

    def arrivals(self, stream: int = 0) -> Iterator[tuple[float, int]]:
        """Yield, without end, when (seconds of the world, rising) someone comes to which seat.

        Parameters
        ----------
        stream
            Another number gives other arrivals of the same people.
        """
        rng = np.random.default_rng([self.settings.seed, 3, stream])
        gap_s = 3600.0 / (self.settings.visits_per_hour * self.settings.n_people)
        at_s = 0.0
        while True:
            gaps = rng.exponential(gap_s, 1024)
            seats = rng.choice(self.settings.n_people, 1024, p=self.shares)
            for gap, seat in zip(gaps.tolist(), seats.tolist(), strict=True):
                at_s += gap
                yield at_s, seat

    def visit(self, seat: int) -> Visit:
        """Let the person of a seat come: perhaps someone new, perhaps with another taste."""
        person = self.people[seat]
        if self.settings.stay_lists is not None and person.lists >= self.settings.stay_lists:
            person = self.renew(seat)
        if person.rng.random() < self.settings.shift_probability:
            person.shift()
        return Visit(person, int(person.rng.geometric(1.0 / self.settings.mean_rounds)))

    def renew(self, seat: int) -> Person:
        """Let the person of a seat leave for good, and return the newcomer who takes it."""
        former = self.people[seat]
        del self._seats[former.user_id]
        newcomer = self._person(seat, former.generation + 1)
        self.people[seat] = newcomer
        self._seats[newcomer.user_id] = seat
        return newcomer

    def guest(self, number: int, among: Sequence[int] | None = None) -> Person:
        """Return someone who has no seat and comes when the caller says so.

        Parameters
        ----------
        number
            From 0; the same number is the same person, as they are before their first list.
        among
            Genres that the favourites are chosen from, the world's when ``None``.
        """
        among = self.settings.among if among is None else among
        return Person(self.settings.seed, self.settings.n_people + number, 0, among)

    def _person(self, seat: int, generation: int) -> Person:
        return Person(self.settings.seed, seat, generation, self.settings.among)

    def think_s(self, person: Person) -> float:
        """Draw the time until the person's next list, in seconds of the world."""
        return float(person.rng.exponential(self.settings.think_s))

    def look(self, person: Person, item_ids: Sequence[str]) -> list[Click]:
        """Show a list and return the clicks, in the order of the ranks; they count as watched.

        Items that this world does not have are not clicked.
        """
        # One draw per slot, clicked or not: what comes later depends on the length alone.
        chances = person.rng.random(len(item_ids))
        spreads = person.rng.normal(0.0, _DWELL_SPREAD, len(item_ids))
        wanted = self.wanted(person)
        looked = examined(len(item_ids), person.eta)
        clicks = []
        for place, item_id in enumerate(item_ids):
            row = self._index.get(item_id)
            if row is None or chances[place] >= looked[place] * wanted[row]:
                continue
            dwell_s = _DWELL_S * (0.5 + self.catalogue.quality[row]) * np.exp(spreads[place])
            clicks.append(Click(item_id, place + 1, round(float(dwell_s), 1)))
        person.lists += 1
        person.watched.update(self._index[click.item_id] for click in clicks)
        return clicks

    def search(self, person: Person) -> str | None:
        """Return what a person finds without any list; it counts as watched.

        An item with their favourite genre that they have not watched, drawn by how much they want
        it; ``None`` when there is none left.
        """
        wanted = self.wanted(person) * (self.catalogue.genres[:, person.favourite] > 0.0)
        wanted[list(person.watched)] = 0.0
        if not wanted.any():
            return None
        row = int(person.rng.choice(len(wanted), p=wanted / wanted.sum()))
        person.watched.add(row)
        return self.catalogue.ids[row]

    def rows(self, item_ids: Sequence[str]) -> list[int]:
        """Return the indices of items in the catalogue.

        Raises
        ------
        KeyError
            When the world has no such item.
        """
        return [self._index[item_id] for item_id in item_ids]

    def wanted(self, person: Person) -> NDArray[np.float64]:
        """Return the probability of a click on each item once examined, shape ``(n_items,)``."""
        rows = liked(self.catalogue, person.tastes[None], np.array([person.mainstream]))
        rows[0, list(person.watched)] *= REPEAT
        return rows.reshape(-1)

    def expected_click(self, user_id: str, item_id: str, position: int) -> float:
        """Return the true probability of a click now.

        Parameters
        ----------
        position
            Rank in the list, from 1.

        Raises
        ------
        KeyError
            When the world has no such person (any more) or no such item.
        """
        person = self.people[self._seats[user_id]]
        row = self._index[item_id]
        return float(examined(position, person.eta)[-1] * self.wanted(person)[row])

    def switch(self) -> None:
        """Turn everybody to another favourite genre at once."""
        for person in self.people:
            person.shift()
