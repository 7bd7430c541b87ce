"""Vowpal Wabbit's binding at its fastest: raw parse, predict, learn and finish on text bytes.

Everything underscored of the binding is here and nowhere else. The public ``Workspace.predict``
costs four times as much for 50 actions. Each parsed example is finished exactly once: never leaves
22 KB per line behind, twice aborts the process.
"""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import pylibvw
import vowpalwabbit

from recsys.errors import StoreError

__all__ = ["RawWorkspace", "merged"]


class RawWorkspace:
    """One VW model that predicts and learns from text.

    Parameters
    ----------
    arguments
        VW's command line.
    model
        Bytes of ``save``, to go on from.
    """

    def __init__(self, arguments: str, model: bytes | None = None) -> None:
        if model is None:
            self._vw = vowpalwabbit.Workspace(f"{arguments} --quiet")
            return
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model"
            path.write_bytes(model)
            self._vw = vowpalwabbit.Workspace(f"{arguments} --quiet -i {path}")

    @classmethod
    def of(cls, workspace: vowpalwabbit.Workspace) -> Self:
        """Return what drives a workspace that is there already."""
        made = cls.__new__(cls)
        made._vw = workspace
        return made

    @property
    def workspace(self) -> vowpalwabbit.Workspace:
        """What it drives."""
        return self._vw

    def predict(self, text: bytes) -> list[float]:
        """Return the probability of each action line, in the order of the lines."""
        examples = pylibvw.vw._parse(self._vw, text)
        try:
            pylibvw.vw.predict_multi(self._vw, examples)
            return pylibvw.example.get_action_scores(examples[0])
        finally:
            pylibvw.vw._finish_example_multi_ex(self._vw, examples)

    def learn(self, text: bytes) -> None:
        """Learn one multi-line example with a label on one of its lines."""
        examples = pylibvw.vw._parse(self._vw, text)
        try:
            pylibvw.vw.learn_multi(self._vw, examples)
        finally:
            pylibvw.vw._finish_example_multi_ex(self._vw, examples)

    def save(self) -> bytes:
        """Return the model's bytes; learning may go on.

        Raises
        ------
        StoreError
            When the folder for temporary files cannot take them.
        """
        try:
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "model"
                self._vw.save(str(path))
                return path.read_bytes()
        except (OSError, RuntimeError) as error:
            detail = f"cannot write a model below {tempfile.gettempdir()}: {error}"
            raise StoreError(detail) from error

    def close(self) -> None:
        """Free the model's memory."""
        self._vw.finish()


def merged(arguments: str, base: bytes | None, models: Sequence[bytes]) -> bytes:
    """Return one model of several.

    Parameters
    ----------
    base
        What all of them go on from, ``None`` when that is not known.

    Raises
    ------
    StoreError
        When the folder for temporary files cannot take them.
    """
    opened = [RawWorkspace(arguments, model) for model in models]
    common = None if base is None else RawWorkspace(arguments, base)
    result = RawWorkspace.of(
        vowpalwabbit.merge_models(
            None if common is None else common.workspace, [one.workspace for one in opened]
        )
    )
    try:
        return result.save()
    finally:
        for one in (*opened, result, *([] if common is None else [common])):
            one.close()
