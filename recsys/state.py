"""Everything an engine knows, put together from the settings, and its way into bytes and back."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TypeVar

import numpy as np

from recsys.at_once import AtOnce
from recsys.candidates.base import Source
from recsys.candidates.factors import Factors
from recsys.candidates.fresh import Fresh
from recsys.candidates.gather import Gather, columns_of
from recsys.candidates.pool import Pool
from recsys.candidates.popular import Popular
from recsys.candidates.popular_attributes import PopularAttributes
from recsys.candidates.recent_tastes import RecentTastes
from recsys.candidates.sessions import Sessions
from recsys.candidates.tastes import Tastes
from recsys.candidates.transitions import Transitions
from recsys.catalogue import Catalogue
from recsys.codec import pack, unpack
from recsys.counters import Counters
from recsys.drift.response import DriftWatch
from recsys.errors import IncompatibleState, NonFinite
from recsys.features.base import Choice, Example
from recsys.features.counts import ItemCounts
from recsys.features.encode import TextEncoder
from recsys.features.habits import ItemHabits
from recsys.features.table import FeatureTable, Windows
from recsys.features.windows import WindowCounts
from recsys.frozen import Frozen, made
from recsys.ids import feature_hash
from recsys.joiner import Joiner
from recsys.learners.base import Learner, PersonalModel
from recsys.learners.ftrl import FTRLRanker
from recsys.learners.listwise import ListwiseRanker
from recsys.learners.personal_bandit import PersonalBandit
from recsys.learners.user_model import UserModel
from recsys.learners.vw_bandit import VWBandit
from recsys.memory.forgetting import ForgettingMeter
from recsys.memory.replay import ReplayBuffer
from recsys.mixing.ledger import Ledger
from recsys.new_items import NewItems
from recsys.settings import EngineSettings, SourceName
from recsys.users import User, UserTable

__all__ = ["State"]

_LAYOUT = 6
"""Raised when parts change their meaning: older snapshots are then rebuilt from the log."""
SourceT = TypeVar("SourceT", bound=Source)
_VW_COLUMNS = ("mix", "likes", "click_lift_3d", "click_lift_30d", "taste", "taste_deviation")


class State:
    """The components of one engine.

    Parameters
    ----------
    load_user
        Returns a user's record as of the last snapshot.
    key
        Secret under which pickled estimators are sealed.

    Attributes
    ----------
    settings
        As given, less what they say of features that they switch off.
    void
        Partitions, and of how many, whose people were dropped after the last snapshot: what the
        store holds of them is no longer true. By them the sequence of the event that said so.
    remembered
        How many of a person's likes before are part of what a like teaches, at most.
    weights, popularity
        Of the sources' columns in the mix, and in that of the arms that rank by popularity, shape
        ``(n_columns,)``.
    at_once
        Makes lists by one call, where it can.
    """

    def __init__(
        self, settings: EngineSettings, load_user: Callable[[str], bytes | None], key: bytes
    ) -> None:
        self.counters = Counters()
        self.void = dict[tuple[int, int], int]()
        self.catalogue = Catalogue(settings.catalogue)
        self.counts = ItemCounts()
        self._grown_to = (-1, -1)
        self.users = UserTable(load_user, settings.users.in_memory)
        self.joiner = Joiner(settings.joiner)
        self.ledger = Ledger(settings.mix.lessons, 1000.0 * settings.mix.keep_s)
        self.habits = ItemHabits()
        windows_s = settings.features.windows_s
        crossings = WindowCounts((max(windows_s),))
        crossings.grow(settings.features.crossings)
        self.windows = Windows(WindowCounts(windows_s), WindowCounts(windows_s), crossings)
        self.personal_bandit = PersonalBandit(settings.learners.personal_bandit, self.catalogue)
        self.user_model = UserModel(settings.learners.user_model, self.catalogue, key)
        self.personal: tuple[PersonalModel, ...] = (self.user_model,)
        if settings.learners.personal_bandit.enabled:
            self.personal = (self.personal_bandit, self.user_model)
        self.sources = self._make_sources(settings)
        self.gather = Gather(self.sources, self.personal_bandit)
        self.weights = self.gather.weights
        self.pool = Pool(columns_of(self.sources))
        self.popularity = np.zeros_like(self.weights)
        if (popular := self.source(Popular)) is not None:
            self.popularity[self.pool.columns.index(popular.longest)] = 1.0
        self.features = FeatureTable(
            self.pool,
            self.catalogue,
            self.counts,
            self.habits,
            self.windows,
            self.personal,
            settings.features.without,
        )
        self.settings = _startable(settings, self.features.left_out)
        self._arm_names = sorted(settings.arms)
        self._learned_arms = {
            name for name, arm in settings.arms.items() if arm.ranker == "learner"
        }
        candidates = self.settings.candidates
        histories = (kernel.history for kernel in candidates.transitions.kernels.values())
        self.remembered = max(candidates.factors.history, *histories)
        self.learner = self._make_learner()
        self.drift = DriftWatch(settings.drift, self.personal_bandit, key)
        # Lessons of the kind that the learner learns from.
        self.examples = ReplayBuffer(Example, settings.memory, settings.seed)
        self.choices = ReplayBuffer(Choice, settings.memory, settings.seed)
        self.new_items = NewItems(settings.new_items, self.counts)
        self.meter = ForgettingMeter(settings.memory.meter, self.learner, settings.seed)
        self.at_once = AtOnce(self)

    def _make_sources(self, settings: EngineSettings) -> tuple[Source, ...]:
        candidates = settings.candidates
        makers: dict[SourceName, Callable[[], Source]] = {
            "transitions": lambda: Transitions(candidates.transitions),
            "sessions": lambda: Sessions(candidates.sessions),
            "factors": lambda: Factors(candidates.factors, settings.seed),
            "popular": lambda: Popular(candidates.popular, self.catalogue),
            "popular_attributes": lambda: PopularAttributes(
                candidates.popular_attributes, self.catalogue, self.counts
            ),
            "fresh": lambda: Fresh(candidates.fresh, self.catalogue, self.counts),
            "tastes": lambda: Tastes(
                candidates.tastes, self.personal_bandit, self.catalogue, self.counts
            ),
            "recent_tastes": lambda: RecentTastes(
                candidates.recent_tastes, self.catalogue, self.counts
            ),
        }
        return tuple(makers[name]() for name in settings.sources)

    def source(self, kind: type[SourceT]) -> SourceT | None:
        """Return the source of a kind, ``None`` when it is switched off."""
        return next((one for one in self.sources if isinstance(one, kind)), None)

    def _make_learner(self) -> Learner:
        learners = self.settings.learners
        columns = self.features.columns
        if learners.ranker == "listwise":
            shared = self.features.shared_columns
            return ListwiseRanker(learners.listwise, columns, shared, self.settings.seed)
        if learners.ranker == "ftrl":
            return FTRLRanker(learners.ftrl, self.catalogue, columns)
        relative = [f"{name}_relative" for name in self.pool.columns]
        used = [name for name in (*relative, *_VW_COLUMNS) if name in columns]
        return VWBandit(learners.vw, TextEncoder(self.catalogue, columns, used))

    def ranks_by_learning(self, arm: str) -> bool:
        """Return whether the scores of an arm are rewards that the learner expects."""
        return arm in self._learned_arms

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the numeric features of a candidate."""
        return self.features.columns

    @property
    def found_share(self) -> float:
        """Probability with which the learner is taught what somebody finds by themselves now.

        A function of the state, so that a log tells it of every event that it holds.
        """
        counters, settings = self.counters, self.settings.learners.listwise
        share = settings.found_share if counters.choices >= settings.found_first else 1.0
        return share * settings.found_beside / (settings.found_beside + counters.listed)

    def grow(self) -> None:
        """Give every component room for the catalogue's items."""
        n_items = len(self.catalogue)
        if self._grown_to == (size := (n_items, self.catalogue.n_tokens)):
            return
        self._grown_to = size
        self.personal_bandit.priors.refresh()
        self.counts.grow(n_items)
        self.habits.grow(n_items)
        self.features.grow()
        self.pool.grow(n_items)
        for source in self.sources:
            source.grow(n_items)

    def arm_of(self, user_id: str) -> str:
        """Return the arm that a user's hash falls into; arms in the order of their names."""
        names = self._arm_names
        if len(names) == 1:
            return names[0]
        lot = feature_hash(f"arm{self.settings.seed}", user_id) / 2**32
        for name in names[:-1]:
            lot -= self.settings.arms[name].share
            if lot < 0.0:
                return name
        return names[-1]

    def seal_user(self, user: User) -> bytes:
        """Return a user's record with their personal models in it.

        Raises
        ------
        NonFinite
            When something that was learned of them is not finite.
        """
        if not user.is_finite():
            message = "what was learned of a person is not finite"
            raise NonFinite(message)
        for model in self.personal:
            model.store(user)
        return pack(user)

    def parts(self) -> dict[str, bytes]:
        """Return all shared state, a record per part.

        Raises
        ------
        NonFinite
            When something in it is not finite.
        """
        return {name: part() for name, part in self.frozen()}

    def frozen(self) -> Iterator[tuple[str, Frozen]]:
        """Yield all shared state as it is now, part by part; nothing may be learned in between.

        Raises
        ------
        NonFinite
            When something in it is not finite; some parts find out when their bytes are made.
        """
        if not self.learner.is_finite():
            message = "the learner's answers are not finite"
            raise NonFinite(message)
        yield "counters", made(pack(self.counters))
        yield "catalogue", made(self.catalogue.snapshot())
        yield "counts", made(self.counts.snapshot())
        yield "joiner", self.joiner.freeze()
        yield "layout", made(pack(_LAYOUT))
        yield "habits", made(self.habits.snapshot())
        for name, windows in self.windows._asdict().items():
            yield f"windows.{name}", made(windows.snapshot())
        yield "examples", self.examples.freeze()
        yield "choices", self.choices.freeze()
        yield "meter", made(self.meter.snapshot())
        yield f"learner.{self.settings.learners.ranker}", made(self.learner.snapshot())
        yield "personal_bandit", made(self.personal_bandit.snapshot())
        yield "user_model", made(self.user_model.snapshot())
        yield "drift", made(self.drift.snapshot())
        yield "new_items", made(self.new_items.snapshot())
        for source in self.sources:
            yield f"source.{_name(source)}", source.freeze()
        if off := _switched_off(self.settings):
            # Snapshots of before anything could be switched off do not have it.
            yield "without", made(pack(off))
        if self.ledger.used:
            # Nor do those of shards that never mixed.
            yield "mixing", made(self.ledger.snapshot())

    def restore(self, parts: Mapping[str, bytes]) -> None:
        """Replace all shared state by what ``parts`` returned.

        Raises
        ------
        CorruptRecord
            When a part is damaged.
        IncompatibleState
            When a part was made under other settings or by another library version, or is missing
            because the version that wrote the snapshot did not have it.
        """
        # Parts of another layout may be missing or mean something else.
        if "layout" in parts and (layout := unpack(parts["layout"], int)) != _LAYOUT:
            message = f"the snapshot has layout {layout}, this version reads {_LAYOUT}"
            raise IncompatibleState(message)
        off = _switched_off(self.settings)
        former = unpack(parts["without"], list[str]) if "without" in parts else []
        if former != off:
            message = f"the snapshot was made without {former}, the settings switch {off} off"
            raise IncompatibleState(message)
        self.ledger.clear()
        if "mixing" in parts:
            self.ledger.restore(parts["mixing"])
        expected = self.parts().keys()
        if missing := sorted(expected - parts.keys()):
            message = f"the snapshot lacks the parts {missing}"
            raise IncompatibleState(message)
        if more := sorted(name for name in parts.keys() - expected if name.startswith("source.")):
            message = f"the snapshot has the parts {more}, which the settings switch off"
            raise IncompatibleState(message)
        self.counters = unpack(parts["counters"], Counters)
        self.catalogue.restore(parts["catalogue"])
        self.counts.restore(parts["counts"])
        self.joiner.restore(parts["joiner"])
        self.habits.restore(parts["habits"])
        for name, windows in self.windows._asdict().items():
            windows.restore(parts[f"windows.{name}"])
        wanted = self.settings.features.crossings
        if (found := self.windows.crossings.n_keys) != wanted:
            message = f"items were counted by context in {found} places, the settings say {wanted}"
            raise IncompatibleState(message)
        self.examples.restore(parts["examples"])
        self.choices.restore(parts["choices"])
        self.meter.restore(parts["meter"])
        self.learner.restore(parts[f"learner.{self.settings.learners.ranker}"])
        self.personal_bandit.restore(parts["personal_bandit"])
        self.user_model.restore(parts["user_model"])
        self.drift.restore(parts["drift"])
        self.new_items.restore(parts["new_items"])
        for source in self.sources:
            source.restore(parts[f"source.{_name(source)}"])
        self._grown_to = (-1, -1)
        self.grow()

    def fingerprint(self, users: Iterable[bytes]) -> str:
        """Return a digest of all shared state and of the records of the users, in their order."""
        digest = hashlib.blake2b(self.learner.fingerprint(), digest_size=16)
        for name, record in sorted(self.parts().items()):
            if not name.startswith("learner."):
                digest.update(record)
        for record in users:
            digest.update(record)
        return digest.hexdigest()


def _name(source: Source) -> str:
    return type(source).__name__.lower()


def _switched_off(settings: EngineSettings) -> list[str]:
    """Return what is learned of without having a part of its own, sorted."""
    off = {f"features.{name}" for name in settings.features.without}
    if not settings.learners.personal_bandit.enabled:
        off.add("learners.personal_bandit")
    return sorted(off)


def _startable(settings: EngineSettings, left_out: Iterable[str]) -> EngineSettings:
    """Return settings whose ranker does not start with features that are switched off.

    Parameters
    ----------
    left_out
        Names of the features that the table leaves out.
    """
    learners = settings.learners
    off = {*left_out}
    if not learners.personal_bandit.enabled:
        off.update(PersonalBandit.columns)
    start = {name: weight for name, weight in learners.listwise.start.items() if name not in off}
    listwise = learners.listwise.model_copy(update={"start": start})
    return settings.model_copy(
        update={"learners": learners.model_copy(update={"listwise": listwise})}
    )
