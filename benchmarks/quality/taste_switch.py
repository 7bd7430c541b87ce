"""How soon the lists follow somebody who turns from crime to family drama.

An interaction is a list that this person looked at, with its clicks. Somebody whose favourite
is crime alone comes to an engine that knows the others (``WARM`` lists of a whole world) and looks
at ``SETTLED`` lists or more, to the end of a visit. When such a list holds nothing for them, they
find a crime item by themselves and click on that: even an engine that serves them badly has seen at
least one click per list. From the next visit on they like family drama alone, and find nothing by
themselves any more. Counted are the lists after that moment, until half of a list is family drama:
3 means that the fourth list had it, and that three were looked at for it. Lists are as served,
exploration included.

What keeps this from flattering:

- half of a list once may be luck: ``interactions_to_stay`` asks for half on average in that list
  and the ``STAY - 1`` after it;
- an item that is both crime and family drama does not count as family drama;
- who is still not served after ``MOST`` lists counts as ``MOST``;
- each of the ``PEOPLE`` meets a copy of the engine as the others left it. One engine for all would
  learn from the first few that crime is followed by family drama;
- an engine that never found out about crime has nothing to unlearn: ``old_share_before`` says how
  much of the last ``STAY`` lists before the switch was crime, ``old_clicks`` how many crime items
  the median person had clicked by then, and ``old_items_left`` how many they had left.

The median over people is reported for ``interactions``, ``interactions_to_stay`` and ``clicks``
(clicks after the switch until the same list); ``new_share_after_N`` is the mean share of family
drama in the list after N interactions.
"""

from statistics import mean, median
from typing import Final, NamedTuple, Protocol

import numpy as np

from benchmarks.figures import quantile
from benchmarks.quality.seeds import Figures, measured
from benchmarks.quality.service import LIST, Embedded, Service, play
from recsys.settings import EngineSettings
from simulators.audience import Person
from simulators.catalogue import GENRES
from simulators.timeline import looks_of
from simulators.worlds import World, WorldSettings

__all__ = ["Clickable", "Switch", "main", "measure", "switch"]

OLD: Final = GENRES.index("crime")
NEW: Final = GENRES.index("family_drama")
WARM: Final = 4000
PEOPLE: Final = 50
SETTLED: Final = 25
MOST: Final = 60
STAY: Final = 5
_AFTER: Final = (0, 3, 8, 20)
PAUSE_S: Final = 3600.0
"""Between the last of the others and the first list of somebody new."""


class Switch(NamedTuple):
    """One person's way.

    Attributes
    ----------
    old_shares
        Share of the old genre, of each list before the switch.
    new_shares
        Share of the new genre without the old one, of each list after it.
    clicks
        Clicks on each list after it.
    old_clicks, old_items_left
        Items of the old genre that were watched when the taste turned, and that were not.
    """

    old_shares: list[float]
    new_shares: list[float]
    clicks: list[int]
    old_clicks: int
    old_items_left: int

    @property
    def interactions(self) -> int:
        """Lists after the switch before the first one that is half of the new genre."""
        return _first(self.new_shares)

    @property
    def interactions_to_stay(self) -> int:
        """The same, with that list and the next ones half of the new genre on average."""
        shares = self.new_shares
        windows = [shares[place : place + STAY] for place in range(len(shares) - STAY + 1)]
        held = [min(window[0], mean(window)) for window in windows]
        return min(_first(held), len(shares)) if max(held) >= 0.5 else len(shares)


def _first(shares: list[float]) -> int:
    """Return the place of the first share of a half, the length when there is none."""
    return next((place for place, share in enumerate(shares) if share >= 0.5), len(shares))


class Clickable(Service, Protocol):
    """A service that also takes in what people find without its lists."""

    def click(self, person: Person, at_s: float, item: str) -> None:
        """Learn from a click that belongs to no list."""


def switch(service: Clickable, world: World, person: Person, from_s: float) -> Switch:
    """Let one person settle, turn, and go on."""
    has = world.catalogue.genres > 0.0
    old, new = has[:, OLD], has[:, NEW] & ~has[:, OLD]
    before, after, clicks = list[float](), list[float](), list[int]()
    watched = 0
    for at_s, begins in looks_of(world, person, from_s):
        if begins and not person.shifts and person.lists >= SETTLED:
            watched = sum(bool(old[row]) for row in person.watched)
            person.turn_to([NEW])
        shown = service.show(world, person, at_s)
        rows = world.rows(shown.items)
        if person.shifts:
            after.append(float(new[rows].sum()) / LIST)
            clicks.append(len(shown.clicks))
        else:
            before.append(float(old[rows].sum()) / LIST)
            found = None if shown.clicks else world.search(person)
            if found is not None:
                service.click(person, at_s, found)
        if len(after) == MOST:
            break
    return Switch(before, after, clicks, watched, int(old.sum()) - watched)


def measure(
    seed: int, settings: EngineSettings, *, warm: int = WARM, people: int = PEOPLE
) -> Figures:
    """Measure one world."""
    world = World(WorldSettings(seed=seed))
    service = Embedded.open(world.catalogue, settings)
    _, last_s = play(service, world, warm)
    ways = [
        switch(service.copy(), world, world.guest(number, [OLD]), last_s + PAUSE_S)
        for number in range(people)
    ]
    interactions = [float(way.interactions) for way in ways]
    shares = np.array([way.new_shares for way in ways]).mean(axis=0)
    return {
        "interactions": median(interactions),
        "interactions_p90": quantile(interactions, 0.9),
        "interactions_to_stay": median(way.interactions_to_stay for way in ways),
        "clicks": median(sum(way.clicks[: way.interactions]) for way in ways),
        "reached_share": mean(float(number < MOST) for number in interactions),
        "old_share_before": mean(mean(way.old_shares[-STAY:]) for way in ways),
        "old_clicks": median(way.old_clicks for way in ways),
        "old_items_left": median(way.old_items_left for way in ways),
        **{f"new_share_after_{number}": float(shares[number]) for number in _AFTER},
    }


def main() -> None:
    """Run as a command."""
    parameters = {"warm": WARM, "people": PEOPLE, "settled": SETTLED, "most": MOST, "stay": STAY}
    measured("taste_switch", "From crime to family drama", parameters, measure)


if __name__ == "__main__":
    main()
