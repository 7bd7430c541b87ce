"""People who have had most of what they like are still served what is left of it."""

import pytest

from recsys.events import Event, Feedback
from recsys.policies.settings import GreedySettings
from recsys.settings import ArmSettings, EngineSettings
from tests.engines import ask, engine_with, item

N_ITEMS, N_LIKED, N_HAD = 600, 200, 180
MIX = EngineSettings(arms={"mix": ArmSettings(ranker="mix", policy=GreedySettings())})
ALONE = ("tastes", "recent_tastes")


def goods() -> list[Event]:
    """Return items, the first third of one kind."""
    genres = ("crime" if n < N_LIKED else f"other {n % 20}" for n in range(N_ITEMS))
    return [item(n, attributes={"genre": genre}) for n, genre in enumerate(genres)]


def found(n: int) -> list[Event]:
    """Return clicks of one person on the first items."""
    return [
        Feedback(
            event_id=f"click-{number}",
            user_id="ann",
            ts_ms=1_000_000 + 1000 * number,
            type="click",
            item_id=f"i{number}",
        )
        for number in range(n)
    ]


def left(settings: EngineSettings) -> set[str]:
    """Return what of a list is of the liked kind."""
    engine = engine_with([*goods(), *found(N_HAD)], settings)
    shown = {slot.item_id for slot in ask(engine, "ann", "d", 10_000_000).slots}
    assert len(shown) == 10
    return shown & {f"i{number}" for number in range(N_HAD, N_LIKED)}


def test_the_mix_of_all_sources_finds_what_is_left() -> None:
    assert len(left(MIX)) == 10


@pytest.mark.parametrize("alone", ALONE)
def test_each_source_that_knows_the_taste_finds_what_is_left(alone: str) -> None:
    others = {"transitions", "sessions", "factors", "popular", "popular_attributes", *ALONE}
    document = MIX.model_dump(mode="json")
    document["candidates"]["without"] = sorted(others - {alone})
    assert len(left(EngineSettings.model_validate(document))) == 10
