"""River without ``scipy.stats``, which takes .7 s of each start and 40 MiB of each process.

``river.drift`` and ``river.proba``, which ``river.linear_model`` imports, name functions of it that
only a KSWIN or a Gaussian calls. While they are imported a stand-in has its name: what they take
from there turns to the true module when it is used. Nobody else sees anything of that.
"""

import importlib
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import cast

from typing_extensions import override

__all__ = ["ADWIN"]


class _Named:
    """A function or an object of a module, imported when it is used."""

    def __init__(self, module: str, name: str) -> None:
        self._place = module, name

    def _found(self) -> object:
        module, name = self._place
        return getattr(importlib.import_module(module), name)

    def __getattr__(self, name: str) -> object:
        return getattr(self._found(), name)

    def __call__(self, *arguments: object, **named: object) -> object:
        return cast("Callable[..., object]", self._found())(*arguments, **named)


class _StandIn(ModuleType):
    """Has the name of a module, and says of nothing that it is not there."""

    @override
    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):
            raise AttributeError(name)
        return _Named(self.__name__, name)


@contextmanager
def _left_for_later(name: str) -> Iterator[None]:
    if name in sys.modules:
        yield
        return
    sys.modules[name] = _StandIn(name)
    try:
        yield
    finally:
        del sys.modules[name]


with _left_for_later("scipy.stats"):
    importlib.import_module("river.proba")
    from river.drift import ADWIN
