"""Whether somebody who turns to another taste and back again is served as before.

An interaction is a list that this person looked at, with its clicks. Somebody whose favourite is
crime alone comes to an engine that knows the others (``WARM`` lists of a whole world) and looks at
``SETTLED`` lists or more, to the end of a visit; then they like family drama alone for as long, and
then crime again. While they settle, a list that holds nothing for them lets them find an item by
themselves; once they are back they find nothing.

``kept`` is their click rate in the first ``BACK`` lists after they are back, as a share of that of
the last ``BEFORE`` of the first time; ``kept_early`` the same for the first ``EARLY`` lists. Clicks
are expectations over the lists that were shown, exploration included, summed over ``PEOPLE``, each
of whom meets a copy of the engine as the others left it. ``kept_if_stayed`` is what they keep over
as many lists when they never turn: what is lost to the best of the catalogue being used up. It is
large enough that nobody runs out of crime: ``old_items_left`` is what they have left at the end,
and ``best_left`` how the best list has become worse by then.
"""

from statistics import mean
from typing import Final, NamedTuple

from benchmarks.quality.seeds import Figures, measured
from benchmarks.quality.service import Embedded, Shown, play
from benchmarks.quality.taste_switch import NEW, OLD, PAUSE_S, SETTLED, WARM, Clickable
from recsys.settings import EngineSettings
from simulators.audience import Person
from simulators.timeline import looks_of
from simulators.worlds import World, WorldSettings

__all__ = ["BACK", "BEFORE", "There", "main", "measure", "there_and_back"]

ITEMS: Final = 3000
PEOPLE: Final = 30
BEFORE: Final = 10
EARLY: Final = 10
BACK: Final = 100
_TURNING: Final = (OLD, NEW, OLD)
_STAYING: Final = (OLD, OLD, OLD)


class There(NamedTuple):
    """One person's lists of each of the three times, and the old items that they have not seen."""

    first: list[Shown]
    away: list[Shown]
    back: list[Shown]
    old_items_left: int


def there_and_back(
    service: Clickable,
    world: World,
    person: Person,
    from_s: float,
    tastes: tuple[int, int, int] = _TURNING,
) -> There:
    """Let one person settle, turn, settle, turn back, and go on."""
    times = list[list[Shown]]([[], [], []])
    now = 0
    for at_s, begins in looks_of(world, person, from_s):
        if begins and now < 2 and len(times[now]) >= SETTLED:
            now += 1
            person.turn_to([tastes[now]])
        shown = service.show(world, person, at_s)
        times[now].append(shown)
        found = world.search(person) if now < 2 and not shown.clicks else None
        if found is not None:
            service.click(person, at_s, found)
        if len(times[2]) == BACK:
            break
    old = world.catalogue.genres[:, OLD] > 0.0
    first, away, back = times
    return There(first, away, back, int(old.sum()) - sum(bool(old[row]) for row in person.watched))


def _rate(lists: list[list[Shown]]) -> float:
    """Return the clicks per list of all people."""
    return mean(shown.expected for own in lists for shown in own)


def measure(
    seed: int, settings: EngineSettings, *, warm: int = WARM, people: int = PEOPLE
) -> Figures:
    """Measure one world."""
    world = World(WorldSettings(seed=seed, n_items=ITEMS))
    service = Embedded.open(world.catalogue, settings)
    _, last_s = play(service, world, warm)
    ways, stays = (
        [
            there_and_back(
                service.copy(), world, world.guest(number, [OLD]), last_s + PAUSE_S, tastes
            )
            for number in range(people)
        ]
        for tastes in (_TURNING, _STAYING)
    )
    before = _rate([way.first[-BEFORE:] for way in ways])
    return {
        "kept": _rate([way.back for way in ways]) / before,
        "kept_if_stayed": _rate([way.back for way in stays])
        / _rate([way.first[-BEFORE:] for way in stays]),
        "kept_early": _rate([way.back[:EARLY] for way in ways]) / before,
        "before_of_best": before / mean(one.best for way in ways for one in way.first[-BEFORE:]),
        "away_of_best": _rate([way.away[-BEFORE:] for way in ways])
        / mean(one.best for way in ways for one in way.away[-BEFORE:]),
        "old_items_left": mean(way.old_items_left for way in ways),
        "best_left": mean(way.back[-1].best for way in ways)
        / mean(way.back[0].best for way in ways),
    }


def main() -> None:
    """Run as a command."""
    parameters = {
        "items": ITEMS,
        "warm": WARM,
        "people": PEOPLE,
        "settled": SETTLED,
        "before": BEFORE,
        "early": EARLY,
        "back": BACK,
    }
    measured("turn_back", "From crime to family drama and back", parameters, measure)


if __name__ == "__main__":
    main()
