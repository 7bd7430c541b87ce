"""River's estimators behind one face: made from settings, taught, asked without teaching, stored.

A classifier learns whether something earned a positive reward and answers the chance of it, a
regressor or a ranker the reward itself. What they are told is a ``Lesson``: features for most,
a user and an item for the rankers of ``river.reco`` and for what wraps one.

Several estimators grow when they are merely asked: those of ``river.reco`` and ``river.facto`` make
weights for whoever is looked up, and draw lots for them. Which do is found out at the start, and
they are asked through a view (``recsys.learners.river_view``) or as a copy, so that asking never
teaches.

Some (naive Bayes, nearest neighbours, Hoeffding classifiers) hold generators that nobody can seed
and that no answer uses: a state folded again answers the same, but the records of such models do
not have the same bytes.
"""

import copy
import importlib.metadata
import math
import pickle
from collections.abc import Callable
from typing import Final, NamedTuple, Protocol, cast

from river import base

from recsys.errors import IncompatibleState, InvalidSettings
from recsys.learners.envelope import open_envelope, seal_envelope
from recsys.learners.river_build import Blueprint
from recsys.learners.river_view import view
from recsys.parameters import Parameters

__all__ = ["Ask", "Inputs", "Lesson", "RiverKind", "RiverModel"]

_RIVER: Final = importlib.metadata.version("river")

Inputs = dict[base.typing.FeatureName, object]


class Lesson(NamedTuple):
    """What an estimator is taught or asked about.

    Attributes
    ----------
    inputs
        Features.
    user, item
        For rankers; others do not see them.
    """

    inputs: Inputs
    user: str = ""
    item: str = ""


Ask = Callable[[Lesson], float]
"""Answers a finite number, or NaN where the estimator has none."""
Look = Callable[[base.Estimator], base.Estimator]
"""Returns what is asked in place of an estimator: itself, a view or a copy."""

_TRIAL: Final = (
    (Lesson({1: 1.0, 2: 1.0}, "u", "i"), 1.0),
    (Lesson({1: 1.0, 3: 1.0}, "u", "j"), 0.0),
    (Lesson({2: 1.0, 4: 1.0}, "v", "i"), 1.0),
)
_STRANGE: Final = (
    Lesson({1: 1.0, 5: 1.0}, "u", "k"),
    Lesson({6: 1.0, 7: 1.0}, "w", "i"),
    Lesson({8: 1.0}, "x", "l"),
)


class _Rater(Protocol):
    """A ranker, or what wraps one and hands on what it does not know."""

    def learn_one(self, *, x: Inputs, y: float, user: str, item: str) -> None: ...

    def predict_one(self, *, x: Inputs, user: str, item: str) -> float: ...


class RiverModel:
    """One estimator; ``RiverKind`` makes and opens it.

    Attributes
    ----------
    estimator
        River's own object.
    """

    __slots__ = ("_look", "_pairs", "estimator")

    def __init__(
        self,
        estimator: base.Estimator,
        look: Look,
        *,
        pairs: bool,
    ) -> None:
        self.estimator = estimator
        self._look = look
        self._pairs = pairs

    def teach(self, lesson: Lesson, reward: float) -> bool:
        """Learn that something earned ``reward``.

        Returns
        -------
        Whether the estimator still has an answer to this very question. One that has not will
        hardly ever have one again.
        """
        try:
            _teach(self.estimator, lesson, reward, pairs=self._pairs)
        except ArithmeticError:
            return False
        return math.isfinite(self._ask(self.estimator)(lesson))

    def asking(self) -> Ask:
        """Return what answers questions; it is good until the next lesson."""
        return self._ask(self._look(self.estimator))

    def _ask(self, estimator: base.Estimator) -> Ask:
        answer = _answer_of(estimator, pairs=self._pairs)

        def ask(lesson: Lesson) -> float:
            try:
                value = answer(lesson)
            except ArithmeticError:
                return math.nan
            return value if math.isfinite(value) else math.nan

        return ask


def _teach(estimator: base.Estimator, lesson: Lesson, reward: float, *, pairs: bool) -> None:
    if isinstance(estimator, base.Classifier):
        estimator.learn_one(lesson.inputs, reward > 0.0)
    elif isinstance(estimator, base.Regressor) and not pairs:
        estimator.learn_one(lesson.inputs, reward)
    else:
        rater = cast("_Rater", estimator)
        rater.learn_one(x=lesson.inputs, y=reward, user=lesson.user, item=lesson.item)


def _answer_of(estimator: base.Estimator, *, pairs: bool) -> Ask:
    if isinstance(estimator, base.Classifier):
        chances = estimator.predict_proba_one
        return lambda lesson: float(chances(lesson.inputs).get(True, 0.0))
    if isinstance(estimator, base.Regressor) and not pairs:
        predict = estimator.predict_one
        return lambda lesson: float(predict(lesson.inputs) or 0.0)
    rate = cast("_Rater", estimator).predict_one
    return lambda lesson: float(rate(x=lesson.inputs, user=lesson.user, item=lesson.item))


def _itself(estimator: base.Estimator) -> base.Estimator:
    return estimator


class RiverKind:
    """All models of one kind: what their settings say, and how they are stored.

    Parameters
    ----------
    name
        Where the settings stand (``learners.user_model``), for complaints.
    estimator, parameters
        As ``recsys.learners.river_build`` reads them.
    key
        Secret under which stored models are sealed.
    made_of
        What else must be the same for a stored model to be of use: what its inputs mean.

    Raises
    ------
    InvalidSettings
        When there is no such estimator, or the parameters do not make one that learns, answers and
        can be stored.
    """

    def __init__(
        self, name: str, estimator: str, parameters: Parameters, *, key: bytes, made_of: object = ()
    ) -> None:
        self._blueprint = Blueprint(name, estimator, parameters)
        self._roots = ("river", estimator.split(".", 1)[0])
        self._key = key
        self._version = f"river {_RIVER} {(estimator, parameters, made_of)}"
        self._look: Look = _itself
        try:
            self._look = self._find_look()
        except InvalidSettings:
            raise
        except Exception as error:
            # Whatever foreign code raises here, it would raise at every event.
            message = (
                f"{name}.parameters {parameters} give no {estimator} that learns, answers and can "
                f"be stored: {error}"
            )
            raise InvalidSettings(message) from error

    @property
    def rates_pairs(self) -> bool:
        """Whether models are asked about a user and an item instead of features."""
        return self._blueprint.rates_pairs

    def make(self) -> RiverModel:
        """Return a new model that has learned nothing."""
        return self._model(self._blueprint.make())

    def seal(self, model: RiverModel) -> bytes:
        """Return the record of a model."""
        return seal_envelope(model.estimator, key=self._key, version=self._version)

    def open(self, record: bytes) -> RiverModel | None:
        """Return the model of a record, ``None`` when another kind or another River wrote it.

        Raises
        ------
        CorruptRecord
            When it was not written under this key, or is damaged.
        """
        try:
            value = open_envelope(record, key=self._key, version=self._version, roots=self._roots)
        except IncompatibleState:
            return None
        return self._model(value) if isinstance(value, base.Estimator) else None

    def _model(self, estimator: base.Estimator) -> RiverModel:
        return RiverModel(estimator, self._look, pairs=self._blueprint.rates_pairs)

    def _find_look(self) -> Look:
        """Find out at the start, not at somebody's first click, that the settings do not work.

        Returns
        -------
        How to look at an estimator so that asking does not change it.
        """
        model = self.make()
        for lesson, reward in _TRIAL:
            model.teach(lesson, reward)
        self.open(self.seal(model))
        looks: list[Look] = [_itself]
        # A copy is right for all of them, but a ranker knows everybody.
        looks += [view] if self.rates_pairs else []
        return next((look for look in looks if self._is_pure(model, look)), copy.deepcopy)

    def _is_pure(self, model: RiverModel, look: Look) -> bool:
        """Return whether asking so leaves a model as it was, and answers what a copy answers."""
        before = pickle.dumps(model.estimator)
        questions = (*_STRANGE, *(lesson for lesson, _ in _TRIAL))
        expected, found = (
            # As texts, because one NaN does not equal another.
            [str(ask(question)) for question in questions]
            for ask in (self._asking(model, copy.deepcopy), self._asking(model, look))
        )
        return found == expected and pickle.dumps(model.estimator) == before

    def _asking(self, model: RiverModel, look: Look) -> Ask:
        return RiverModel(model.estimator, look, pairs=self.rates_pairs).asking()
