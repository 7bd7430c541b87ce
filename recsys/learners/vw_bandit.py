"""The shared learner: Vowpal Wabbit's contextual bandit with action-dependent features.

VW runs ``--cb_explore_adf --softmax --lambda 1``: its answer is then proportional to
``exp(expected reward)``, whose logarithm is the score that ``recsys.policies`` explores with. So
one model serves every policy, and the probabilities that are logged are our own.

An example is taught as the chosen line alone (``learners.vw.weighting``): with probability 1
("unweighted", lower variance) or with its logged propensity ("propensity", unbiased for the policy
class). ``--cb_type dr`` is not offered: a model of it does not go on from its own file as it would
have without (vowpalwabbit 9.11.9). Reference: Bietti, Agarwal & Langford, A Contextual Bandit
Bake-off, JMLR 2021.
"""

import hashlib
from collections.abc import Sequence
from typing import ClassVar

import msgspec
import numpy as np
import vowpalwabbit
from numpy.typing import NDArray
from typing_extensions import override

from recsys.codec import pack, unpack
from recsys.errors import CorruptRecord, IncompatibleState
from recsys.features.base import Candidates, Example
from recsys.features.encode import TextEncoder
from recsys.learners.base import ExampleLearner
from recsys.learners.vw_raw import RawWorkspace, merged
from recsys.settings import VWSettings

__all__ = ["VWBandit", "VWRecord", "merged_record"]

_MERGEABLE = 18
"""Bits: what vowpalwabbit 9.11.9 makes of models of others says that it has so many all the same,
and cannot be read."""
_TINY = 1e-30
"""Stands in for a probability that underflowed in VW's float32."""


class VWRecord(msgspec.Struct):
    """A model, and by what it was learned."""

    arguments: str
    version: str
    model: bytes


class VWBandit(ExampleLearner):
    """Wraps one workspace.

    Parameters
    ----------
    encoder
        Writes candidates and examples as VW text.
    """

    merged: ClassVar[bool] = True

    def __init__(self, settings: VWSettings, encoder: TextEncoder) -> None:
        self._settings = settings
        self._encoder = encoder
        self._arguments = (
            f"--cb_explore_adf --softmax --lambda 1 --cb_type {settings.cb_type} "
            f"-b {settings.bits} -l {settings.learning_rate} -q ua -q ca --noconstant"
        )
        self._vw = RawWorkspace(self._arguments)
        self._header = len(self._vw.save())

    @override
    def score(self, candidates: Candidates) -> NDArray[np.float64]:
        probabilities = np.array(self._vw.predict(self._encoder.candidates(candidates)))
        if len(probabilities) != len(candidates.items):
            message = f"{len(candidates.items)} candidates went in, {len(probabilities)} came out"
            raise CorruptRecord(message)
        scores: NDArray[np.float64] = np.log(np.maximum(probabilities, _TINY))
        return scores

    @override
    def learn(self, example: Example) -> None:
        probability = 1.0
        if self._settings.weighting == "propensity":
            probability = max(example.propensity, self._settings.propensity_floor)
        self._vw.learn(self._encoder.example(example, -example.reward, probability))

    @override
    def is_finite(self) -> bool:
        # Nothing shows the weights; but one that is not finite spreads to the bias of every answer.
        return bool(np.isfinite(self._vw.predict(self._encoder.probe())).all())

    @override
    def snapshot(self) -> bytes:
        return pack(VWRecord(self._arguments, vowpalwabbit.__version__, self._vw.save()))

    @override
    def restore(self, record: bytes) -> None:
        state = unpack(record, VWRecord)
        made = (state.arguments, state.version)
        if made != (self._arguments, vowpalwabbit.__version__):
            message = (
                f"the model was learned by Vowpal Wabbit {made[1]} with {made[0]!r}, this is "
                f"{vowpalwabbit.__version__} with {self._arguments!r}"
            )
            raise IncompatibleState(message)
        self._vw.close()
        self._vw = RawWorkspace(self._arguments, state.model)

    @override
    def report(self) -> bytes | None:
        return self.snapshot() if self._settings.bits == _MERGEABLE else None

    @override
    def shift(self, record: bytes) -> None:
        self.restore(record)

    @override
    def fingerprint(self) -> bytes:
        # The head of the file counts predictions as well; the weights behind it do not move by
        # being asked, and decide all that follows.
        return hashlib.blake2b(self._vw.save()[self._header :], digest_size=16).digest()


def merged_record(base: bytes | None, records: Sequence[bytes]) -> bytes:
    """Return one record of several that ``VWBandit.snapshot`` returned.

    Parameters
    ----------
    base
        What all of them go on from, ``None`` when that is not known.

    Raises
    ------
    CorruptRecord
        When one is damaged.
    IncompatibleState
        When they were not all learned in the same way.
    """
    states = [unpack(record, VWRecord) for record in records]
    first = states[0]
    if any((one.arguments, one.version) != (first.arguments, first.version) for one in states):
        message = "the shards' models were learned by different versions or with other arguments"
        raise IncompatibleState(message)
    if len(records) == 1:
        return records[0]
    common = None if base is None else unpack(base, VWRecord).model
    model = merged(first.arguments, common, [one.model for one in states])
    return pack(VWRecord(first.arguments, first.version, model))
