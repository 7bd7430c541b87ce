"""One round of mixing among engines of one process: what whoever runs a mixer does, in order."""

from collections.abc import Mapping

from recsys.engine import Engine
from recsys.events import Event
from recsys.mixing.mixer import Mixer
from recsys.settings import MixSettings

__all__ = ["MOST", "mix_round"]

MOST = 64
"""Pieces that a shard is told of at a time."""
_WORTH_IT = 1000
"""Lessons for which it is worth an event to drop them."""


def mix_round(
    mixer: Mixer, engines: Mapping[str, Engine], settings: MixSettings, *, rankers: bool
) -> int:
    """Let all hear what all have seen; returns the bytes of the events that told them.

    Parameters
    ----------
    engines
        By the name under which they mix.
    rankers
        Whether rankers are averaged as well.
    """
    for name, engine in engines.items():
        begun = engine.mix.begin(name)
        if begun is not None:
            engine.apply([begun])
        mixer.hear(engine.mix.position)
    # Only then: what all of those have whom a mixer knows is dropped, and cut where they are.
    for name, engine in engines.items():
        ask = mixer.ask(name)
        cut = engine.mix.cut(ask.after)
        if cut is None:
            continue
        ranking = engine.mix.ranking() if rankers else None
        pieces = cut.seal(settings.slice, ask.share, ask.stops)
        mixer.take(name, pieces, ranking, len(cut) / settings.every_s)
    told = sum(_tell(mixer, name, engine, engines) for name, engine in engines.items())
    for name, answer in (mixer.rankers() if rankers else {}).items():
        engines[name].apply([engines[name].mix.averaged(answer)])
        told += len(answer.record)
    return told


def _tell(mixer: Mixer, name: str, engine: Engine, engines: Mapping[str, Engine]) -> int:
    donor = mixer.needs_base(name)
    if donor is not None:
        parts = engines[donor].mix.base()
        engine.apply(engine.mix.rebased(donor, parts))
        mixer.hear(engine.mix.position)
        return sum(map(len, parts))
    told = 0
    while (serving := mixer.serving(name, MOST)).lessons:
        events: list[Event] = [engine.mix.mixed(one, serving.released) for one in serving.lessons]
        engine.apply(events)
        mixer.told(name, serving.lessons)
        mixer.hear(engine.mix.position)
        told += sum(len(one.record) for one in serving.lessons)
    position = engine.mix.position
    if serving.released > position.released and position.waiting >= _WORTH_IT:
        engine.apply([engine.mix.release(serving.released)])
    return told
