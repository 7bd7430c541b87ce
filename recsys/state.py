"""Everything an engine knows, put together from the settings, and its way into bytes and back."""

import hashlib
from collections.abc import Callable, Iterable, Mapping

import msgspec

from recsys.candidates.base import Source
from recsys.candidates.fresh import Fresh
from recsys.candidates.popular import Popular
from recsys.candidates.tastes import Tastes
from recsys.candidates.transitions import Transitions
from recsys.catalogue import Catalogue
from recsys.codec import pack, unpack
from recsys.errors import IncompatibleState
from recsys.features.counts import ItemCounts
from recsys.features.encode import TextEncoder
from recsys.ids import feature_hash
from recsys.joiner import Joiner
from recsys.learners.base import Learner, PersonalModel
from recsys.learners.personal_bandit import PersonalBandit
from recsys.learners.user_model import UserModel
from recsys.learners.vw_bandit import VWBandit
from recsys.memory.replay import ReplayBuffer
from recsys.settings import EngineSettings
from recsys.users import User, UserTable
from recsys.views import ArmStats

__all__ = ["Counters", "State"]

_ITEM_COLUMNS = ("mix", "liked", "click_rate")


class Counters(msgspec.Struct):
    """What the fold counts.

    Attributes
    ----------
    clock_ms
        The latest time that an event has named: the joiner's clock.
    """

    sequence: int = 0
    clock_ms: int = 0
    feedback: dict[str, int] = {}
    arms: dict[str, ArmStats] = {}
    examples: int = 0
    replayed: int = 0
    failed: int = 0


class State:
    """The components of one engine.

    Parameters
    ----------
    load_user
        Returns a user's record as of the last snapshot.
    key
        Secret under which pickled estimators are sealed.
    """

    def __init__(
        self, settings: EngineSettings, load_user: Callable[[str], bytes | None], key: bytes
    ) -> None:
        self.settings = settings
        candidates = settings.candidates
        self.counters = Counters()
        self.catalogue = Catalogue(settings.catalogue)
        self.counts = ItemCounts()
        self.users = UserTable(load_user, settings.users.in_memory)
        self.joiner = Joiner(settings.joiner)
        self.transitions = Transitions(candidates.transitions)
        self.popular = Popular(candidates.popular)
        fresh = Fresh(candidates.fresh, self.catalogue, self.counts)
        self.personal_bandit = PersonalBandit(settings.learners.personal_bandit, self.catalogue)
        tastes = Tastes(candidates.tastes, self.personal_bandit)
        self.sources: tuple[Source, ...] = (self.transitions, self.popular, fresh, tastes)
        self.source_weights: Mapping[str, float] = {
            self.transitions.name: candidates.transitions.weight,
            self.popular.name: candidates.popular.weight,
            fresh.name: candidates.fresh.weight,
            tastes.name: candidates.tastes.weight,
        }
        self.user_model = UserModel(settings.learners.user_model, self.catalogue, key)
        self.personal: tuple[PersonalModel, ...] = (self.personal_bandit, self.user_model)
        self.columns = (
            *(source.name for source in self.sources),
            *_ITEM_COLUMNS,
            *(column for model in self.personal for column in model.columns),
        )
        encoder = TextEncoder(self.catalogue, self.columns)
        self.learner: Learner = VWBandit(settings.learners.vw, encoder)
        self.replay = ReplayBuffer(settings.memory, settings.seed)

    def grow(self) -> None:
        """Give every component room for the catalogue's items."""
        n_items = len(self.catalogue)
        self.counts.grow(n_items)
        for source in self.sources:
            source.grow(n_items)

    def arm_of(self, user_id: str) -> str:
        """Return the arm that a user's hash falls into; arms in the order of their names."""
        lot = feature_hash(f"arm{self.settings.seed}", user_id) / 2**32
        names = sorted(self.settings.arms)
        for name in names:
            lot -= self.settings.arms[name].share
            if lot < 0.0:
                return name
        return names[-1]

    def seal_user(self, user: User) -> bytes:
        """Return a user's record with their personal models in it."""
        for model in self.personal:
            model.store(user)
        return pack(user)

    def parts(self) -> dict[str, bytes]:
        """Return all shared state, a record per part."""
        return {
            "counters": pack(self.counters),
            "catalogue": self.catalogue.snapshot(),
            "counts": self.counts.snapshot(),
            "joiner": self.joiner.snapshot(),
            "replay": self.replay.snapshot(),
            "learner": self.learner.snapshot(),
            "personal_bandit": self.personal_bandit.snapshot(),
            "user_model": self.user_model.snapshot(),
        } | {f"source.{source.name}": source.snapshot() for source in self.sources}

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
        expected = self.parts().keys()
        if missing := sorted(expected - parts.keys()):
            message = f"the snapshot lacks the parts {missing}"
            raise IncompatibleState(message)
        self.counters = unpack(parts["counters"], Counters)
        self.catalogue.restore(parts["catalogue"])
        self.counts.restore(parts["counts"])
        self.joiner.restore(parts["joiner"])
        self.replay.restore(parts["replay"])
        self.learner.restore(parts["learner"])
        self.personal_bandit.restore(parts["personal_bandit"])
        self.user_model.restore(parts["user_model"])
        for source in self.sources:
            source.restore(parts[f"source.{source.name}"])
        self.grow()

    def fingerprint(self, users: Iterable[bytes]) -> str:
        """Return a digest of all shared state and of the records of the users, in their order."""
        digest = hashlib.blake2b(self.learner.fingerprint(), digest_size=16)
        for name, record in sorted(self.parts().items()):
            if name != "learner":
                digest.update(record)
        for record in users:
            digest.update(record)
        return digest.hexdigest()
