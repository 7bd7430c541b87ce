"""Makes River's objects from settings: a dotted path and parameters, which may be such objects too.

::

    estimator: river.preprocessing.PredClipper
    parameters:
      regressor:
        class: river.reco.BiasedMF
        parameters: {n_factors: 10, bias_optimizer: {class: river.optim.SGD, parameters: {lr: 0.1}}}
      y_min: 1
      y_max: 5

The estimator may be anybody's, as long as it derives from River's; a parameter may only be a class
of River itself, and none of those that read files or the network. Nothing else is ever imported.

What draws lots and is given no ``seed`` gets one, so that folding the log again repeats it.
"""

import importlib
import inspect
import sys
from collections.abc import Callable, Mapping
from typing import Final, TypeGuard

from river import base

from recsys.errors import InvalidSettings
from recsys.learners.envelope import FORBIDDEN
from recsys.parameters import Parameters, PartSettings

__all__ = ["Blueprint"]

_SEED: Final = 1


class Blueprint:
    """How to make one estimator, again and again.

    Parameters
    ----------
    name
        Where the settings stand (``learners.user_model``), for complaints.
    estimator
        Dotted path.
    parameters
        For its constructor.

    Raises
    ------
    InvalidSettings
        When a path names no class that may stand there.

    Attributes
    ----------
    rates_pairs
        Whether it, or what it wraps, is one of ``river.reco``: it takes a user and an item where
        others take features.
    """

    def __init__(self, name: str, estimator: str, parameters: Parameters) -> None:
        self._name = name
        self._classes = dict[str, type]()
        found = _import(f"{name}.estimator", estimator)
        self._class = _learner(f"{name}.estimator", estimator, found)
        self._parameters = parameters
        self._find_parts(f"{name}.parameters", parameters)
        self.rates_pairs = any(map(_is_ranker, (self._class, *self._classes.values())))

    def make(self) -> base.Estimator:
        """Return a new estimator that shares nothing with the others.

        Raises
        ------
        InvalidSettings
            Naming the part that cannot be made. What the estimator's own constructor raises comes
            as it is.
        """
        parameters = self._made(f"{self._name}.parameters", self._parameters)
        make: Callable[..., base.Estimator] = self._class
        return make(**_seeded(self._class, parameters))

    def _find_parts(self, place: str, parameters: Parameters) -> None:
        for key, value in parameters.items():
            if isinstance(value, PartSettings):
                self._classes[f"{place}.{key}"] = _find_part(f"{place}.{key}", value.path)
                self._find_parts(f"{place}.{key}.parameters", value.parameters)

    def _made(self, place: str, parameters: Parameters) -> dict[str, object]:
        return {
            key: self._part(f"{place}.{key}", value) if isinstance(value, PartSettings) else value
            for key, value in parameters.items()
        }

    def _part(self, place: str, settings: PartSettings) -> object:
        wanted = self._classes[place]
        parameters = self._made(f"{place}.parameters", settings.parameters)
        try:
            made: object = wanted(**_seeded(wanted, parameters))
        except Exception as error:
            # Whatever foreign code raises, it is about these parameters.
            message = f"{place}: {settings.path} cannot be made of {settings.parameters}: {error}"
            raise InvalidSettings(message) from error
        return made


def _seeded(wanted: type, parameters: Mapping[str, object]) -> dict[str, object]:
    draws = "seed" in inspect.signature(wanted).parameters
    return {"seed": _SEED, **parameters} if draws else dict(parameters)


def _import(place: str, path: str) -> object:
    module_name, _, class_name = path.rpartition(".")
    try:
        found: object = getattr(importlib.import_module(module_name), class_name)
    except (ImportError, AttributeError, ValueError) as error:
        message = f"{place}: cannot import {path!r} ({error})"
        raise InvalidSettings(message) from error
    return found


def _learner(place: str, path: str, found: object) -> type[base.Estimator]:
    if inspect.isclass(found) and (
        issubclass(found, base.Classifier | base.Regressor) or _is_ranker(found)
    ):
        return found
    message = f"{place}: {path!r} is no River classifier, regressor or ranker"
    raise InvalidSettings(message)


def _is_ranker(found: type) -> TypeGuard[type[base.Estimator]]:
    # What nobody has imported, nothing derives from; and half of SciPy comes with it.
    module = sys.modules.get("river.reco.base")
    return module is not None and issubclass(found, module.Ranker)


def _find_part(place: str, path: str) -> type:
    """Return a class of River that holds no more than numbers and other parts."""
    if not _is_rivers(path):
        message = f"{place}.class: {path!r} is not allowed; a parameter may be a class of River"
        raise InvalidSettings(message)
    found = _import(f"{place}.class", path)
    # A module holds what it imports as well: only what was made there counts.
    if not inspect.isclass(found) or not _is_rivers(found.__module__):
        message = f"{place}.class: {path!r} is no class of River"
        raise InvalidSettings(message)
    if not issubclass(found, base.Base) or inspect.isabstract(found):
        message = f"{place}.class: {path!r} is nothing that an estimator is made of"
        raise InvalidSettings(message)
    return found


def _is_rivers(path: str) -> bool:
    parts = path.split(".")
    return parts[0] == "river" and FORBIDDEN.isdisjoint(parts)
