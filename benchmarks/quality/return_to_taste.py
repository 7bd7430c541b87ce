"""What is left of A after a long while of B, with the replay buffer and without it.

A and B are two crowds who look at the same items. The favourites of A are among every second genre,
those of B among the others, so that what earns clicks from one crowd earns none from the other.
A is served for ``A_LISTS`` lists, then B alone for ``B_LISTS``, twice as many, then A again. An
interaction is a list of one person with its clicks; counted are the first ``WINDOW`` of the whole
crowd after its return, a list or a few per person. ``kept`` is A's click rate in them as a share of
what it was before.

What is forgotten here is what everybody shares, for nobody of A was there while B was, and nobody's
taste has turned (that is ``benchmarks.quality.turn_back``): the history of a person is as they left
it. It cannot carry the figure alone, because half of those who return are newcomers
(``kept_new``; the others are ``kept_known``). A newcomer has found one item by themselves before
their first list, as who comes by a search or a link does: to remember A is of use only where
something tells A from B. What becomes of newcomers who show nothing is told apart: ``kept_silent``
is the share that such a crowd keeps, ``kept_new_silent`` that of its newcomers.

Before and after are the same moment for the world: the same people, known and new, come in the same
order to a copy of the engine, once as A left it and once as B left it. So the figure holds nothing
but the engine, and ``CROWDS`` such returns, each with other newcomers and arrivals, make it steady.
Clicks are expectations over the lists that were shown.

An engine that learned nothing of B, or had not learned A, would keep all of it. So it is said what
share of the clicks of the best lists A got before and after (``before_of_best``, ``after_of_best``)
and B at last, in the last tenth of its lists (``b_of_best``).

Replay guards what a ranker can forget, so there are two of them, each as it is by default and with
``memory.replays`` 0: the engine's own, which knows items by how they fare, and Vowpal Wabbit
(``vw_...``), which has a weight for every attribute.
"""

import copy
from collections.abc import Container, Sequence
from dataclasses import replace
from statistics import mean
from typing import Final, NamedTuple

import numpy as np

from benchmarks.quality.seeds import Figures, measured
from benchmarks.quality.service import Embedded, Shown, play
from recsys.settings import EngineSettings
from simulators.audience import EVERY_GENRE, Person
from simulators.worlds import World, WorldSettings

__all__ = ["Looks", "Plan", "kept", "main", "measure", "returns"]

SEATS: Final = 80
A_LISTS: Final = 2000
B_LISTS: Final = 4000
WINDOW: Final = 100
CROWDS: Final = 6
_OTHERS: Final = 100_000
"""Added to the seed of crowd A for that of B: their people have other names."""
_STREAM: Final = 6


class Plan(NamedTuple):
    """How many lists and returns."""

    a_lists: int = A_LISTS
    b_lists: int = B_LISTS
    window: int = WINDOW
    crowds: int = CROWDS


_PLAN: Final = Plan()

Looks = Sequence[tuple[Person, Shown]]


class _Finders:
    """Lets whoever comes for the first time click on an item of theirs before they ask."""

    def __init__(self, service: Embedded) -> None:
        self._service = service

    def show(self, world: World, person: Person, at_s: float) -> Shown:
        found = None if person.lists else world.search(person)
        if found is not None:
            self._service.click(person, at_s, found)
        return self._service.show(world, person, at_s)


def returns(
    service: Embedded, world: World, plan: Plan, from_s: float, *, silent: bool
) -> list[Looks]:
    """Let a crowd come, half of it new, several times, to copies of the engine and of the world.

    Parameters
    ----------
    silent
        Whether newcomers show nothing of themselves before their first list.
    """
    found = list[Looks]()
    for number in range(plan.crowds):
        crowd = copy.deepcopy(world)
        rng = np.random.default_rng([world.settings.seed, _STREAM, number])
        for seat in rng.permutation(len(crowd.people))[: len(crowd.people) // 2].tolist():
            crowd.renew(seat)
        own = service.copy()
        asked = own if silent else _Finders(own)
        seen, _ = play(asked, crowd, plan.window, from_s=from_s, stream=number + 1)
        found.append(seen)
    return found


class _Returned(NamedTuple):
    """The same returns with newcomers who find something first and with those who show nothing."""

    finders: list[Looks]
    silent: list[Looks]


def kept(before: Sequence[Looks], after: Sequence[Looks], among: Container[str]) -> float:
    """Return the click rate after as a share of the one before, of the people with these ids."""
    then, now = (
        mean(shown.expected for seen in times for person, shown in seen if person.user_id in among)
        for times in (before, after)
    )
    return now / then


def _people(times: Sequence[Looks]) -> set[str]:
    return {person.user_id for seen in times for person, _ in seen}


def _of_best(looks: Looks) -> float:
    """Return the share of the possible clicks."""
    return sum(one.expected for _, one in looks) / sum(one.best for _, one in looks)


def _there_and_back(seed: int, settings: EngineSettings, plan: Plan) -> Figures:
    kind = WorldSettings(seed=seed, n_people=SEATS, shift_probability=0.0)
    a = World(replace(kind, among=EVERY_GENRE[0::2]))
    b = World(replace(kind, seed=seed + _OTHERS, among=EVERY_GENRE[1::2]), a.catalogue)
    service = Embedded.open(a.catalogue, settings)
    _, left_s = play(service, a, plan.a_lists)
    known = {person.user_id for person in a.people}
    left = _returned(service, a, plan, left_s)
    meanwhile, back_s = play(service, b, plan.b_lists, from_s=left_s)
    back = _returned(service, a, plan, back_s)
    everybody, silent = _people(left.finders), _people(left.silent)
    return {
        "kept": kept(left.finders, back.finders, everybody),
        "kept_known": kept(left.finders, back.finders, everybody & known),
        "kept_new": kept(left.finders, back.finders, everybody - known),
        "kept_silent": kept(left.silent, back.silent, silent),
        "kept_new_silent": kept(left.silent, back.silent, silent - known),
        "before_of_best": mean(map(_of_best, left.finders)),
        "after_of_best": mean(map(_of_best, back.finders)),
        "b_of_best": _of_best(meanwhile[-(plan.b_lists // 10) :]),
    }


def _returned(service: Embedded, world: World, plan: Plan, from_s: float) -> _Returned:
    return _Returned(
        returns(service, world, plan, from_s, silent=False),
        returns(service, world, plan, from_s, silent=True),
    )


def measure(seed: int, settings: EngineSettings, plan: Plan = _PLAN) -> Figures:
    """Measure one world, with replay and without, both rankers."""
    memory = settings.memory.model_copy(update={"replays": 0})
    learners = settings.learners.model_copy(update={"ranker": "vw"})
    found = Figures()
    for ranker, own in (
        ("", settings),
        ("vw_", settings.model_copy(update={"learners": learners})),
    ):
        variants = {"with": own, "without": own.model_copy(update={"memory": memory})}
        for name, variant in variants.items():
            for key, value in _there_and_back(seed, variant, plan).items():
                found[f"{ranker}{key}_{name}_replay"] = value
    gains = {
        f"{ranker}gain": found[f"{ranker}kept_with_replay"] - found[f"{ranker}kept_without_replay"]
        for ranker in ("", "vw_")
    }
    return gains | found


def main() -> None:
    """Run as a command."""
    parameters = {"seats": SEATS, **_PLAN._asdict()}
    measured("return_to_taste", "A, then B for long, then A again", parameters, measure)


if __name__ == "__main__":
    main()
