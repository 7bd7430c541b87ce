"""Folds a shard's log anew, without a crash, and holds the outcome against what the shard learned.

Whatever was lost, applied twice or applied in another order would leave other bytes.
"""

import shutil
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Final

import msgspec

from recsys.engine import Engine
from recsys.events import Event
from recsys.settings import EngineSettings
from recsys.store.base import Store

__all__ = ["Rebuilt", "rebuild"]

_BATCH: Final = 1000
_LEARNER: Final = "learner"
"""The one part whose bytes differ from save to save; it has a fingerprint instead."""


class Rebuilt(msgspec.Struct, frozen=True):
    """What was compared.

    Attributes
    ----------
    parts, people
        Records of the shared state, and of people.
    different
        Names of the parts and user ids whose records are not the same.
    """

    parts: int
    people: int
    different: list[str]


def rebuild(folder: Path, settings: EngineSettings) -> Rebuilt:
    """Compare, record by record.

    Parameters
    ----------
    folder
        A shard's, complete from its first event on, with a last snapshot, and used by nobody.
    settings
        Those it ran with.
    """
    with tempfile.TemporaryDirectory() as fresh:
        # The same secret, or what it seals would differ.
        shutil.copy(folder / "key", fresh)
        with (
            closing(Engine.open(folder, settings)) as lived,
            closing(Engine.open(fresh, settings)) as folded,
        ):
            _fold(lived.store, folded)
            mine, theirs = lived.store.load(), folded.store.load()
            people = {*lived.store.user_ids(), *folded.store.user_ids()}
            different = [
                name
                for name in sorted({*mine, *theirs} - {_LEARNER})
                if mine.get(name) != theirs.get(name)
            ]
            if lived.state.learner.fingerprint() != folded.state.learner.fingerprint():
                different.append(_LEARNER)
            different += [
                user_id
                for user_id in sorted(people)
                if lived.store.load_user(user_id) != folded.store.load_user(user_id)
            ]
            return Rebuilt(len({*mine, *theirs}), len(people), different)


def _fold(log: Store, engine: Engine) -> None:
    batch: list[Event] = []
    for _, event in log.read(after=0):
        batch.append(event)
        if len(batch) == _BATCH:
            engine.apply(batch)
            batch.clear()
    engine.apply(batch)
    engine.snapshot()
