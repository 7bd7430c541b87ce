"""Prints what is still compiled after a warm-up: ``python -m tests.warmed listwise``.

A process of its own, because in one that has run other tests everything is compiled already.
"""

import json
import sys
from types import ModuleType

import msgspec

from recsys.engine import Engine
from recsys.settings import ArmSettings, EngineSettings, UniformSettings
from recsys.store.memory import MemoryStore
from tests.engines import KEY, ask, asked, feedback, item, items, request

__all__ = ["compiled_since", "live", "main", "signatures"]

_ARMS = {
    "learner": ArmSettings(share=0.25),
    "mix": ArmSettings(share=0.25, ranker="mix"),
    "popularity": ArmSettings(share=0.25, ranker="popularity"),
    "random": ArmSettings(share=0.25, ranker="random", policy=UniformSettings()),
}


def live(settings: EngineSettings) -> None:
    """Do with an engine whatever can be done with one, and open it again."""
    store = MemoryStore()
    engine = Engine(store, settings, KEY)
    ask(engine, "nobody", "in-an-empty-world")
    many = [f"tag-{number}" for number in range(20)]
    begun = engine.mix.begin("a")
    assert begun is not None
    engine.apply([begun])
    engine.apply([*items(40), item(50, attributes={}), item(51, attributes={"tags": many})])
    for number in range(20):
        user, ts_ms = f"u{number % 4}", 5_000_000 - 1000 * (number % 7) + 50_000 * number
        decision = asked(engine, user, f"d{number}", ts_ms, n=5)
        shown = decision.slots[number % 5].item_id
        engine.apply(
            [
                feedback(user, shown, ts_ms, "purchase", decision_id=decision.event_id),
                feedback(user, f"i{number * number % 40}", ts_ms + 10),
                feedback(user, f"unheard-of-{number % 3}", ts_ms + 20, "rating", value=5.0),
                feedback(user, "i3", 7, "dislike"),
            ]
        )
        for arm in settings.arms:
            question = request(user, f"e{number}", ts_ms, n=60)
            engine.recommend(msgspec.structs.replace(question, arm=arm))
            engine.recommend(msgspec.structs.replace(question, arm=arm, candidates=("i1", "new")))
    engine.snapshot()
    engine = Engine(store.reopened(), settings, KEY)
    asked(engine, "u1", "after", 9_000_000)
    engine.apply([feedback("u1", "i5", 9_000_100)])
    cut = engine.mix.cut(0)
    assert cut is not None
    pieces = [msgspec.structs.replace(one, shard="b") for one in cut.seal(10)]
    engine.apply([engine.mix.mixed(one) for one in pieces])
    assert engine.mix.position.taken == len(pieces) > 0


def signatures() -> dict[str, set[str]]:
    """Return for what types each compiled function of the engine is compiled."""
    found = dict[str, set[str]]()
    for module in list(sys.modules.values()):
        if isinstance(module, ModuleType) and module.__name__.startswith("recsys."):
            for name, value in vars(module).items():
                if hasattr(value, "py_func"):
                    found[f"{module.__name__}.{name}"] = {str(one) for one in value.signatures}
    return found


def compiled_since(before: dict[str, set[str]]) -> list[str]:
    """Return what has been compiled since then."""
    return [
        f"{name} for {types}"
        for name, all_types in signatures().items()
        for types in sorted(all_types - before[name])
    ]


def main(document: str) -> None:
    """Warm up, then live, under the settings of a document."""
    settings = EngineSettings.model_validate(json.loads(document) | {"arms": _ARMS})
    Engine.warm_up(settings)
    before = signatures()
    live(settings)
    for line in compiled_since(before):
        sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    main(sys.argv[1])
