"""Logs of a small simulated service, made by an engine that served its people."""

from itertools import islice
from typing import Final

from recsys.decision import Request
from recsys.engine import Engine
from recsys.events import Event, Feedback, ItemUpsert
from recsys.refit.judge import Verdict
from recsys.refit.lessons import LogReader
from recsys.refit.search import Refit
from recsys.refit.trainer import Trainer, Trial
from recsys.settings import EngineSettings, LearnerSettings, ListwiseSettings
from recsys.store.memory import MemoryStore
from simulators.worlds import World, WorldSettings
from tests.engines import KEY

__all__ = ["FIRST_MS", "SMALL", "based", "ranked", "served", "visit"]

FIRST_MS: Final = 1_700_000_000_000
SMALL: Final = WorldSettings(n_people=40, n_items=120)


def ranked(**listwise: object) -> EngineSettings:
    """Return settings with a small listwise ranker; what is named is changed."""
    settings = ListwiseSettings.model_validate({"hidden": 4, **listwise})
    return EngineSettings(learners=LearnerSettings(ranker="listwise", listwise=settings))


def served(settings: EngineSettings, visits: int, store: MemoryStore | None = None) -> Engine:
    """Return an engine after so many visits of the people of a small world."""
    world = World(SMALL)
    engine = Engine(store or MemoryStore(), settings, KEY)
    catalogue = zip(world.catalogue.ids, world.catalogue.attributes, strict=True)
    upserts: list[Event] = [
        ItemUpsert(event_id=f"item-{name}", ts_ms=FIRST_MS, item_id=name, attributes=attributes)
        for name, attributes in catalogue
    ]
    engine.apply(upserts)
    for number, (at_s, seat) in enumerate(islice(world.arrivals(), visits)):
        visit(engine, world, seat, f"d{number}", FIRST_MS + round(at_s * 1000))
    return engine


def visit(engine: Engine, world: World, seat: int, name: str, ts_ms: int) -> None:
    """Let one person look at their lists and click."""
    came = world.visit(seat)
    for turn in range(came.rounds):
        now_ms = ts_ms + 15_000 * turn
        request = Request(
            user_id=came.person.user_id, ts_ms=now_ms, decision_id=f"{name}-{turn}", n=8
        )
        decision = engine.recommend(request).decision
        events: list[Event] = [decision]
        for click in world.look(came.person, [slot.item_id for slot in decision.slots]):
            events.append(
                Feedback(
                    event_id=f"{name}-{turn}-{click.rank}",
                    user_id=came.person.user_id,
                    ts_ms=now_ms + 1000,
                    type="click",
                    item_id=click.item_id,
                    decision_id=decision.event_id,
                )
            )
        engine.apply(events)


def based(reader: LogReader) -> Refit:
    """Return a base made in one pass over what was read, without a search and a judgement."""
    trainer = Trainer(reader.settings, reader.columns)
    choices = [lesson.choice for lesson in reader.lessons]
    trial = Trial(learning_rate=1e-3, decay=1.0, replays=1, passes=1)
    return Refit(
        record=trainer.teach(trainer.fresh(), choices, trial, 0),
        version=reader.version + 1,
        choices=reader.choices,
        used=len(choices),
        clock_ms=reader.clock_ms,
        verdict=Verdict(200, 1.5, 2.0, 0.5, 0.125),
    )
