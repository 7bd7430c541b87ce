"""Shards that mix, in one process: what people do, who crashes, and what everybody should know."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from recsys.candidates.decayed import DecayedCounts, fade
from recsys.candidates.popular import Popular
from recsys.candidates.transitions import Transitions
from recsys.decision import Request
from recsys.engine import Engine
from recsys.events import Event, Feedback, ItemUpsert
from recsys.mixing.mixer import Mixer
from recsys.mixing.round import mix_round
from recsys.partition import shard_of
from recsys.settings import (
    CandidateSettings,
    EngineSettings,
    FactorSettings,
    FeatureSettings,
    JoinerSettings,
    MixSettings,
)
from recsys.state import State
from recsys.store.memory import MemoryStore

__all__ = ["SETTINGS", "Fleet", "items_of", "known_of", "live", "without"]

SETTINGS = EngineSettings(
    joiner=JoinerSettings(reward_window_s=1e6),
    candidates=CandidateSettings(
        factors=FactorSettings(dimensions=4, history=6, negatives=4, latest=50, lessons=20)
    ),
    features=FeatureSettings(crossings=64),
    mix=MixSettings(slice=5),
)
KEY = b"k" * 32
N_ITEMS = 12


def items_of(number: int) -> list[Event]:
    """Return the catalogue in an order of the shard's own, so that indices differ."""
    order = [(7 * n + 5 * number) % N_ITEMS for n in range(N_ITEMS)]
    return [
        ItemUpsert(
            event_id=f"item-{n}", ts_ms=n, item_id=f"i{n}", attributes={"genre": f"g{n % 3}"}
        )
        for n in order
    ]


class Fleet:
    """Shards, their mixer, and one engine that sees everything.

    Parameters
    ----------
    mixing
        Whether they mix from the start on; if not, they do with the first ``mix``.
    """

    def __init__(
        self, shards: int, settings: EngineSettings = SETTINGS, *, mixing: bool = True
    ) -> None:
        self.settings = settings
        self.stores = {f"s{number}": MemoryStore() for number in range(shards)}
        self.engines = {name: self._open(name) for name in self.stores}
        for number, engine in enumerate(self.engines.values()):
            engine.apply(items_of(number))
        self.whole = Engine(MemoryStore(), settings, KEY)
        self.whole.apply(items_of(0))
        self.mixer = self.new_mixer()
        self.steps = 0
        self.last = dict[str, tuple[str, tuple[str, ...]]]()
        for name, engine in self.engines.items() if mixing else ():
            begun = engine.mix.begin(name)
            assert begun is not None
            engine.apply([begun])

    def _open(self, name: str) -> Engine:
        return Engine(self.stores[name], self.settings, KEY)

    def new_mixer(self) -> Mixer:
        return Mixer(self.settings.mix.backlog_bytes, self.settings.mix.per_s)

    def crash(self, name: str) -> None:
        self.stores[name] = self.stores[name].reopened()
        self.engines[name] = self._open(name)

    def owner(self, user_id: str) -> str:
        return f"s{shard_of(user_id, 16, len(self.engines))}"

    def do(self, user_id: str, event: Event) -> None:
        self.engines[self.owner(user_id)].apply([event])
        self.whole.apply([event])

    def find(self, user_id: str, item: int, type_: str = "click") -> None:
        """Let a person find an item by themselves."""
        self.do(user_id, self._feedback(user_id, f"i{item}", type_))

    def ask(self, user_id: str) -> None:
        self.steps += 1
        engine = self.engines[self.owner(user_id)]
        request = Request(
            user_id=user_id,
            ts_ms=1000 * self.steps,
            decision_id=f"d{self.steps}",
            n=3,
            context={"page": "home"},
        )
        decision = engine.recommend(request).decision
        self.do(user_id, decision)
        self.last[user_id] = (decision.event_id, tuple(slot.item_id for slot in decision.slots))

    def click(self, user_id: str, place: int) -> None:
        """Let a person click on their last list, if there is one."""
        decision_id, shown = self.last.get(user_id, ("", ()))
        if shown:
            item_id = shown[place % len(shown)]
            self.do(user_id, self._feedback(user_id, item_id, "click", decision_id))

    def _feedback(
        self, user_id: str, item_id: str, type_: str, decision_id: str | None = None
    ) -> Feedback:
        self.steps += 1
        return Feedback(
            event_id=f"e{self.steps}",
            user_id=user_id,
            ts_ms=1000 * self.steps,
            type=type_,
            item_id=item_id,
            decision_id=decision_id,
        )

    def mix(self, *, rankers: bool = False) -> int:
        return mix_round(self.mixer, self.engines, self.settings.mix, rankers=rankers)

    def now_ms(self) -> int:
        return 1000 * self.steps + 1


def live(fleet: Fleet, steps: int, seed: int) -> None:
    """Let people ask, click and find items."""
    chance = np.random.default_rng(seed)
    for _ in range(steps):
        user = f"u{chance.integers(9)}"
        match chance.integers(3):
            case 0:
                fleet.ask(user)
            case 1:
                fleet.click(user, int(chance.integers(3)))
            case _:
                fleet.find(user, int(chance.integers(12)))


def without(fleet: Fleet, gone: str, rounds: int) -> None:
    """Let people live and the others mix, and give up the one that is gone."""
    engines = dict(fleet.engines)
    dead = fleet.engines.pop(gone)
    fleet.mixer.forget(gone)
    for seed in range(rounds):
        fleet.engines = dict(engines)
        live(fleet, 20, seed)
        del fleet.engines[gone]
        fleet.mix()
        for name, engine in fleet.engines.items():
            engine.apply([engine.mix.release(fleet.mixer.serving(name, 1).released)])
    fleet.engines = {**engines, gone: dead}


def faded(counts: DecayedCounts, ts_ms: int) -> NDArray[np.float64]:
    """Return by what counts are multiplied to be as of a moment, ``(n_windows,)``."""
    windows = zip(counts.origin_ms.tolist(), counts.half_lives_ms.tolist(), strict=True)
    return np.array([fade(origin_ms, half_life_ms, ts_ms) for origin_ms, half_life_ms in windows])


def known_of(state: State, ts_ms: int) -> Mapping[str, NDArray[np.float64]]:
    """Return all that is a sum, in the order of the items' ids."""
    catalogue = state.catalogue
    names = sorted(catalogue[item].item_id for item in range(len(catalogue)))
    order = np.array([catalogue.index(name) for name in names], np.int32)
    tokens = sorted(catalogue.token(token) for token in range(catalogue.n_tokens))
    places = np.array([catalogue.token_index(token) for token in tokens], np.int32)
    popular, transitions = state.source(Popular), state.source(Transitions)
    assert popular is not None
    assert transitions is not None
    table = transitions._table  # noqa: SLF001
    liked = popular._liked  # noqa: SLF001
    width = table.weights.shape[1]
    bonds = np.zeros((len(names), len(names), width))
    back = np.empty(len(names), np.int64)
    back[order] = np.arange(len(names))
    for item in order.tolist():
        for at in range(table.used[item]):
            bonds[back[item], back[table.neighbours[item, at]]] = table.weights[item, :, at]
    priors = state.personal_bandit.priors.sums()
    return {
        "liked": state.counts.liked[order],
        "log_liked": state.counts.log_liked[order],
        "shown": state.counts.shown[order],
        "clicked": state.counts.clicked[order],
        "base_rate": np.array([state.counts.base_rate]),
        "items": state.windows.items.read(order, ts_ms).astype(np.float64),
        "attributes": state.windows.attributes.read(places, ts_ms).astype(np.float64),
        "popular": liked.counts[order] * faded(liked, ts_ms),
        "bonds": bonds,
        "bond_likes": table.likes[order],
        "mass": table.mass[order].astype(np.float64),
        "habits": state.habits.likes[order].astype(np.float64),
        "rewarded": np.array([priors.rewards, float(priors.count)]),
    }
