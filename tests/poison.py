"""Learners that lose their mind over some items, and people who choose them."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import msgspec
import numpy as np
import pytest

from recsys.engine import Engine
from recsys.features.base import Choice
from recsys.features.counts import ItemCounts
from recsys.learners.listwise import ListwiseRanker
from tests.engines import asked, feedback, request

__all__ = ["POISON", "breaking", "choose", "faulty", "live"]

POISON = "i13"
"""Whoever chooses it drives the faulty learner mad."""


@contextmanager
def faulty(*, items_too: Sequence[int] = (13,)) -> Iterator[None]:
    """Let the ranker lose its mind over a choice of one of some items."""
    choose = ListwiseRanker.choose

    def mad(
        self: ListwiseRanker, choice: Choice, old: Sequence[Choice], *, haste: float = 1.0
    ) -> float | None:
        loss = choose(self, choice, old, haste=haste)
        if choice.item in items_too:
            self._weights[:] = np.nan
        return loss

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ListwiseRanker, "choose", mad)
        yield


@contextmanager
def breaking() -> Iterator[None]:
    """Let the likes of the poisonous item break all counts half way, so that none can be counted.

    What is broken is part of snapshots, and finite.
    """
    like = ItemCounts.like

    def mad(self: ItemCounts, item: int, times: int = 1) -> None:
        if self.liked[0] < 0.0:
            message = "the counts are broken"
            raise RuntimeError(message)
        if item == int(POISON[1:]):
            self.liked[0] = -0.5
            message = "half way"
            raise RuntimeError(message)
        like(self, item, times)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ItemCounts, "like", mad)
        yield


def live(engine: Engine, rounds: int, start: int = 1, *, poison_at: int | None = None) -> None:
    """Let four people ask and click; at one round one of them finds the poisonous item."""
    for number in range(start, start + rounds):
        for place in range(4):
            user, now = f"u{place}", 1_000_000 * number + 1000 * place
            decision = asked(engine, user, f"d-{user}-{number}", now, n=4)
            good = [slot.item_id for slot in decision.slots if slot.item_id not in {"i13", "i14"}]
            clicked = good[number % len(good)]
            engine.apply([feedback(user, clicked, now + 300, decision_id=decision.event_id)])
            if number == poison_at and place == 2:
                choose(engine, user, POISON, now + 600)


def choose(engine: Engine, user: str, item_id: str, now: int) -> None:
    """Let somebody be shown two items and buy the first one."""
    given = msgspec.structs.replace(request(user, f"g{now}", now, n=2), candidates=(item_id, "i5"))
    decision = engine.recommend(given).decision
    engine.apply(
        [decision, feedback(user, item_id, now, "purchase", decision_id=decision.event_id)]
    )
