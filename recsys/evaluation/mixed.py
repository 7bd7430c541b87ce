"""The prequential next-item protocol with several shards that learn of each other.

As ``recsys.evaluation.prequential``, with people dealt to shards as a server does. An event is
ranked and learned by the shard of its person. Items are told to all shards when anybody first names
them, as a server's items are, so that all rank the same candidates. After every so many events of
all shards together (what they learn between two mixes) they mix.
"""

import time
from collections.abc import Callable, Sequence

import msgspec

from recsys.datasets import Interaction, act_of
from recsys.engine import Engine
from recsys.evaluation.asking import ask, place, settings_of_protocol
from recsys.evaluation.metrics import RankMetrics
from recsys.events import Attributes, Feedback, ItemUpsert
from recsys.mixing.mixer import Mixer
from recsys.mixing.round import mix_round
from recsys.partition import shard_of
from recsys.settings import EngineSettings

__all__ = ["MixReport", "evaluate_mixed"]


class MixReport(msgspec.Struct, frozen=True, kw_only=True):
    """Result with one number of shards.

    Attributes
    ----------
    mixes
        How often they mixed.
    bytes_per_mix
        Told to all shards together, on average: what is written to their logs.
    mix_ms
        A mix of all shards in one process took so long, on average.
    refused, thinned
        See ``recsys.mixing.ledger.Ledger``, of all shards together.
    """

    shards: int
    events: int
    ranked: int
    metrics: dict[str, float]
    mixes: int
    bytes_per_mix: float
    mix_ms: float
    refused: int
    thinned: int
    seconds: float


def evaluate_mixed(
    interactions: Sequence[Interaction],
    settings: EngineSettings,
    shards: int,
    *,
    mix_every: int,
    items: dict[str, Attributes] | None = None,
    partitions: int = 64,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> MixReport:
    """Run the protocol.

    Parameters
    ----------
    interactions
        In time order; what is no click (five stars) is left out.
    mix_every
        Events of all shards together between two mixes; 0 never mixes.
    items
        Attributes.
    partitions
        People are dealt by.
    progress
        Called with (done, total) now and then.
    """
    clicks = [one for one in interactions if act_of(one, 5.0).type == "click"]
    n_items = len({one.item for one in clicks})
    settings = settings_of_protocol(settings, n_items, repeats=False, ranker="learner")
    engines = {f"shard-{number}": Engine.open(None, settings) for number in range(shards)}
    fleet = [*engines.values()]
    mix = settings.mix
    mixer = Mixer(mix.backlog_bytes, mix.per_s)
    rankers_every = max(round(mix.ranker_every_s / mix.every_s), 1)
    known, seen = set[str](), set[str]()
    metrics = RankMetrics()
    told = mixes = 0
    mixing_s, started = 0.0, time.perf_counter()
    for number, event in enumerate(clicks):
        event_id = str(number)
        engine = fleet[shard_of(event.user, partitions, shards)]
        if event.user in known and event.item in seen:
            slots = ask(engine, event, event.ts_ms, event_id)
            metrics.add(place(engine, event, slots))
        if event.item not in seen:
            upsert = ItemUpsert(
                event_id=f"item-{event_id}",
                ts_ms=event.ts_ms,
                item_id=event.item,
                attributes=(items or {}).get(event.item, {}),
            )
            for one in fleet:
                one.apply([upsert])
        engine.apply(
            [
                Feedback(
                    event_id=event_id,
                    user_id=event.user,
                    ts_ms=event.ts_ms,
                    type="click",
                    item_id=event.item,
                )
            ]
        )
        known.add(event.user)
        seen.add(event.item)
        if shards > 1 and mix_every and (number + 1) % mix_every == 0:
            mixes += 1
            before = time.perf_counter()
            told += mix_round(mixer, engines, mix, rankers=mixes % rankers_every == 0)
            mixing_s += time.perf_counter() - before
        progress(number + 1, len(clicks))
    positions = [one.mix.position for one in fleet]
    return MixReport(
        shards=shards,
        events=len(clicks),
        ranked=metrics.ranked,
        metrics=metrics.summary(),
        mixes=mixes,
        bytes_per_mix=told / mixes if mixes else 0.0,
        mix_ms=1000.0 * mixing_s / mixes if mixes else 0.0,
        refused=sum(one.refused for one in positions),
        thinned=sum(one.thinned for one in positions),
        seconds=time.perf_counter() - started,
    )
