"""One River estimator per user, named by its dotted path in the settings.

A classifier learns whether an item earned a positive reward, a regressor the reward itself, from
the item's attribute tokens (each 1.0), hashed into a bounded number of features: what somebody has
ever liked must not let their model grow for ever. The answer is a feature of the shared learner,
which decides what it is worth.

An estimator that draws lots and is given no ``seed`` gets one, so that folding the log again
repeats it. Some (naive Bayes, nearest neighbours, Hoeffding classifiers) hold generators that
nobody can seed and that no answer uses: a state folded again answers the same, but the records of
such models do not have the same bytes.
"""

import importlib
import importlib.metadata
import inspect
import math
from collections.abc import Callable
from typing import ClassVar

import msgspec
import numpy as np
from numpy.typing import NDArray
from river import base
from typing_extensions import override

from recsys.catalogue import Catalogue
from recsys.codec import pack, unpack
from recsys.errors import IncompatibleState, InvalidSettings
from recsys.learners.base import PersonalModel
from recsys.learners.envelope import key_mark, open_envelope, seal_envelope
from recsys.settings import UserModelSettings
from recsys.users import User

__all__ = ["UserModel"]

_RIVER = importlib.metadata.version("river")

_SEED = 1
_LARGEST = float(np.finfo(np.float16).max)
"""Answers are features, and features travel as float16."""

Estimator = base.Classifier | base.Regressor
Inputs = dict[base.typing.FeatureName, object]
Answer = Callable[[Inputs], float]


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
        self._catalogue = catalogue
        self._key = key
        self._live = dict[str, Estimator]()
        self._class = _find(settings.estimator)
        self._parameters = dict(settings.parameters)
        if "seed" in inspect.signature(self._class).parameters:
            self._parameters.setdefault("seed", _SEED)
        made_of = (settings.estimator, settings.parameters, settings.features)
        self._version = f"river {_RIVER} {made_of}"
        self.resets = 0
        self._try_out()

    def _make(self) -> Estimator:
        return self._class(**self._parameters)

    def _try_out(self) -> None:
        """Find out at the start, not at somebody's first click, that the settings do not work."""
        try:
            model = self._make()
            for reward in (1.0, 0.0):
                _teach(model, {1: 1.0}, reward)
            _answer_of(model)({1: 1.0})
            self._open(self._seal(model))
        except Exception as error:
            # Whatever foreign code raises here, it would raise at every event.
            message = (
                f"learners.user_model.parameters {self._settings.parameters} give no "
                f"{self._settings.estimator} that learns, answers and can be stored: {error}"
            )
            raise InvalidSettings(message) from error

    @override
    def features(self, user: User, items: NDArray[np.int32]) -> NDArray[np.float32]:
        values = np.zeros((len(items), 1), np.float32)
        model = self._model(user) if self._settings.enabled else None
        if model is None:
            return values
        answer = _answer_of(model)
        for row, item in enumerate(items.tolist()):
            if item >= 0:
                values[row, 0] = _predict(answer, self._inputs(item))
        return values

    @override
    def learn(self, user: User, item: int, reward: float, *, shown: bool) -> None:
        if not self._settings.enabled:
            return
        model = self._model(user)
        if model is None:
            self.resets += bool(user.model)
            model = self._live[user.user_id] = self._make()
        if not self._survives(model, self._inputs(item), reward):
            # A model that answers NaN once answers it for ever: begin anew.
            self._live[user.user_id] = self._make()
            self.resets += 1

    @staticmethod
    def _survives(model: Estimator, inputs: Inputs, reward: float) -> bool:
        """Teach, and return whether the model still answers a finite number."""
        try:
            _teach(model, inputs, reward)
            return math.isfinite(_answer_of(model)(inputs))
        except ArithmeticError:
            return False

    def _inputs(self, item: int) -> Inputs:
        # Numbers, not texts: a pickle spells an equal text out or refers to the one before, as they
        # are one object or two, and then the same model has other bytes after a restart.
        hashes = self._catalogue.token_hashes
        features = self._settings.features
        return {hashes[token] % features: 1.0 for token in self._catalogue[item].tokens}

    def _model(self, user: User) -> Estimator | None:
        model = self._live.get(user.user_id)
        if model is None and user.model:
            model = self._open(user.model)
            if model is not None:
                self._live[user.user_id] = model
        return model

    def _open(self, record: bytes) -> Estimator | None:
        try:
            value = open_envelope(
                record,
                key=self._key,
                version=self._version,
                roots=("river", self._settings.estimator.split(".", 1)[0]),
            )
        except IncompatibleState:
            # Another River or another estimator: the person's model starts again at its next
            # lesson, where it is counted; asking counts nothing.
            return None
        return value if isinstance(value, base.Classifier | base.Regressor) else None

    @override
    def store(self, user: User) -> None:
        model = self._live.get(user.user_id)
        if model is not None:
            user.model = self._seal(model)

    def _seal(self, model: Estimator) -> bytes:
        return seal_envelope(model, key=self._key, version=self._version)

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


def _find(path: str) -> type[Estimator]:
    module_name, _, class_name = path.rpartition(".")
    try:
        found: object = getattr(importlib.import_module(module_name), class_name)
    except (ImportError, AttributeError, ValueError) as error:
        message = f"learners.user_model.estimator: cannot import {path!r} ({error})"
        raise InvalidSettings(message) from error
    if not inspect.isclass(found) or not issubclass(found, base.Classifier | base.Regressor):
        message = f"learners.user_model.estimator: {path!r} is no River classifier or regressor"
        raise InvalidSettings(message)
    return found


def _teach(model: Estimator, inputs: Inputs, reward: float) -> None:
    if isinstance(model, base.Classifier):
        model.learn_one(inputs, reward > 0.0)
    else:
        model.learn_one(inputs, reward)


def _answer_of(model: Estimator) -> Answer:
    """Return what the model answers, to be called with inputs."""
    if isinstance(model, base.Classifier):
        chances = model.predict_proba_one
        return lambda inputs: float(chances(inputs).get(True, 0.0))
    predict = model.predict_one
    return lambda inputs: float(predict(inputs) or 0.0)


def _predict(answer: Answer, inputs: Inputs) -> float:
    try:
        value = answer(inputs)
    except ArithmeticError:
        return 0.0
    return min(max(value, -_LARGEST), _LARGEST) if math.isfinite(value) else 0.0
