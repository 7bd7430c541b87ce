"""One River estimator per user, named by its dotted path in the settings.

It learns whether an item earned a positive reward, or the reward itself, from the item's attribute
tokens (each 1.0), hashed into a bounded number of features: what somebody has ever liked must not
let their model grow for ever. The answer is a feature of the shared learner, which decides what it
is worth. ``recsys.learners.river_model`` has the rest.
"""

import math
from collections.abc import Sequence
from typing import ClassVar

import msgspec
import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from recsys.catalogue import Catalogue
from recsys.codec import pack, unpack
from recsys.errors import IncompatibleState, InvalidSettings
from recsys.learners.base import PersonalModel
from recsys.learners.envelope import key_mark
from recsys.learners.river_model import Lesson, RiverKind, RiverModel
from recsys.settings import UserModelSettings
from recsys.users import User

__all__ = ["UserModel"]

_NAME = "learners.user_model"
_LARGEST = float(np.finfo(np.float16).max)
"""Answers are features, and features travel as float16."""


class _State(msgspec.Struct):
    resets: int
    key_mark: bytes


class UserModel(PersonalModel):
    """Makes, teaches and stores the estimators.

    Parameters
    ----------
    key
        Secret under which stored estimators are sealed.

    Raises
    ------
    InvalidSettings
        When the dotted path names no River classifier or regressor, or the parameters do not make
        one that learns, answers and can be stored.

    Attributes
    ----------
    resets
        Models that were begun anew: they answered no finite number any more, or had been stored by
        another River or for another estimator.
    """

    columns: ClassVar[tuple[str, ...]] = ("user_model",)

    def __init__(self, settings: UserModelSettings, catalogue: Catalogue, key: bytes) -> None:
        self._settings = settings
        self.silent = not settings.enabled
        self._catalogue = catalogue
        self._key = key
        self._live = dict[str, RiverModel]()
        self._kind = RiverKind(
            _NAME, settings.estimator, settings.parameters, key=key, made_of=settings.features
        )
        if self._kind.rates_pairs:
            message = (
                f"{_NAME}.estimator: {settings.estimator!r} rates pairs of a user and an item; the "
                "model of one user needs one that learns from features"
            )
            raise InvalidSettings(message)
        self.resets = 0

    @override
    def features(self, user: User, items: NDArray[np.int32]) -> NDArray[np.float32]:
        values = np.zeros((len(items), 1), np.float32)
        model = self._model(user) if self._settings.enabled else None
        if model is None:
            return values
        ask = model.asking()
        for row, item in enumerate(items.tolist()):
            if item >= 0:
                values[row, 0] = _bounded(ask(self._lesson(item)))
        return values

    @override
    def learn(self, user: User, item: int, reward: float, *, shown: bool) -> None:
        if not self._settings.enabled:
            return
        model = self._model(user)
        if model is None:
            self.resets += bool(user.model)
            model = self._live[user.user_id] = self._kind.make()
        if not model.teach(self._lesson(item), reward):
            # A model that answers NaN once answers it for ever: begin anew.
            self._live[user.user_id] = self._kind.make()
            self.resets += 1

    @override
    def learn_list(
        self, user: User, items: Sequence[int], rewards: Sequence[float], *, shown: bool
    ) -> None:
        if self._settings.enabled:
            super().learn_list(user, items, rewards, shown=shown)

    def _lesson(self, item: int) -> Lesson:
        # Numbers, not texts: a pickle spells an equal text out or refers to the one before, as they
        # are one object or two, and then the same model has other bytes after a restart.
        hashes = self._catalogue.token_hashes
        features = self._settings.features
        return Lesson({hashes[token] % features: 1.0 for token in self._catalogue[item].tokens})

    def _model(self, user: User) -> RiverModel | None:
        model = self._live.get(user.user_id)
        if model is None and user.model:
            # Another River or another estimator: the person's model starts again at its next
            # lesson, where it is counted; asking counts nothing.
            model = self._kind.open(user.model)
            if model is not None:
                self._live[user.user_id] = model
        return model

    @override
    def store(self, user: User) -> None:
        model = self._live.get(user.user_id)
        if model is not None:
            user.model = self._kind.seal(model)

    @override
    def forget(self, user: User) -> None:
        self._live.pop(user.user_id, None)

    @override
    def snapshot(self) -> bytes:
        return pack(_State(self.resets, key_mark(self._key)))

    @override
    def restore(self, record: bytes) -> None:
        state = unpack(record, _State)
        if state.key_mark != key_mark(self._key):
            message = "the stored models were sealed under another key"
            raise IncompatibleState(message)
        self.resets = state.resets


def _bounded(value: float) -> float:
    """Return what a feature can hold of an answer; 0 where there is none."""
    return 0.0 if math.isnan(value) else min(max(value, -_LARGEST), _LARGEST)
