"""What an alarm does: it explores more, doubts more and remembers less, for a while.

All of it is state: ``recommend`` reads how restless a person and the shard are, and the policy that
it asks is changed by that before the list is drawn, so that the logged propensities are true.

Restlessness is 1 at the alarm and halves with every so many lists, of the person or of the shard,
and a person's with each of their clicks: who clicks again has been found again.
The exploration of a policy is multiplied by ``1 + (exploration - 1) * restlessness``.
"""

import logging
from typing import Final, Literal

import msgspec

from recsys.codec import pack, unpack
from recsys.drift.detectors import ShardDetector, clicks_fell
from recsys.ids import feature_hash
from recsys.learners.personal_bandit import PersonalBandit
from recsys.settings import DriftSettings
from recsys.users import Unrest, User
from recsys.views import DriftStats

__all__ = ["DriftWatch"]

_log = logging.getLogger(__name__)

_CALM: Final = 0.01
"""Less restlessness is none."""
_Signal = Literal["clicks", "loss"]


class _State(msgspec.Struct):
    stats: DriftStats
    restlessness: float
    alarms: int
    hurried: int
    clicks: bytes
    loss: bytes


class DriftWatch:
    """A shard's detectors and what its alarms have left behind.

    Parameters
    ----------
    bandit
        Whose posteriors are widened.
    key
        Under which the detectors are sealed.

    Attributes
    ----------
    stats
        Alarms so far.
    """

    def __init__(self, settings: DriftSettings, bandit: PersonalBandit, key: bytes) -> None:
        self._settings = settings
        self._bandit = bandit
        self._detectors = {
            "clicks": ShardDetector("down", settings.shard.delta, key),
            "loss": ShardDetector("up", settings.shard.delta, key),
        }
        self.stats = DriftStats()
        self._restlessness = 0.0
        self._alarms = 0
        self._hurried = 0

    def exploration(self, user: User) -> float:
        """Return by how much more than usual is explored for a person, at least 1."""
        own, shared = user.unrest.restlessness, self._restlessness
        if own == shared == 0.0:
            return 1.0
        settings = self._settings
        return max(
            1.0 + (settings.user.exploration - 1.0) * own,
            1.0 + (settings.shard.exploration - 1.0) * shared,
        )

    @property
    def hurries(self) -> bool:
        """Whether the ranker learns faster than usual, and is taught again what is recent only."""
        return self._hurried > 0

    @property
    def haste(self) -> float:
        """By what the ranker's learning rate is multiplied."""
        return self._settings.shard.haste if self.hurries else 1.0

    def ask_again(self, user: User, slots: int, ts_ms: int) -> None:
        """Judge a person's list before, because they ask again.

        Parameters
        ----------
        slots
            Of the list that they get now.
        """
        if not self._settings.enabled:
            return
        unrest = user.unrest
        if unrest.alarms != self._alarms:
            # A stranger has nothing to doubt.
            if user.shown:
                self._bandit.widen(user, self._settings.shard.widen)
            unrest.alarms = self._alarms
        if unrest.slots:
            self._calm_down(unrest)
            share = min(unrest.clicks / unrest.slots, 1.0)
            if self._detectors["clicks"].update(share):
                self._shard_alarm("clicks", ts_ms)
            if clicks_fell(unrest, unrest.clicks, ts_ms, self._settings.user):
                self._user_alarm(user, ts_ms)
        # An alarm has begun a new account of the person.
        user.unrest.slots, user.unrest.clicks = slots, 0

    def learned(self, loss: float, ts_ms: int) -> None:
        """Take in the ranker's loss on a choice before it was learned.

        Parameters
        ----------
        loss
            As a share of the loss of who knows nothing.
        """
        if not self._settings.enabled:
            return
        self._hurried = max(self._hurried - 1, 0)
        if self._detectors["loss"].update(loss):
            self._shard_alarm("loss", ts_ms)

    def _calm_down(self, unrest: Unrest) -> None:
        if unrest.restlessness:
            left = unrest.restlessness * 0.5**unrest.clicks
            unrest.restlessness = _halved(left, self._settings.user.half_life_lists)
        if self._restlessness:
            half_life = self._settings.shard.half_life_lists
            self._restlessness = _halved(self._restlessness, half_life)

    def _user_alarm(self, user: User, ts_ms: int) -> None:
        settings = self._settings.user
        since_ms = user.unrest.top_ms
        _log.info(
            "drift: user %08x clicks less than the %.2f per list they used to (at %d ms)",
            feature_hash("user", user.user_id),
            user.unrest.mean,
            ts_ms,
        )
        user.unrest = Unrest(restlessness=1.0, alarms=self._alarms)
        self._bandit.widen(user, settings.widen)
        if settings.forget:
            user.forget(since_ms)
        self._count("user", "clicks", ts_ms)

    def _shard_alarm(self, signal: _Signal, ts_ms: int) -> None:
        _log.warning("drift: %s of the shard got worse (at %d ms)", signal, ts_ms)
        self._restlessness = 1.0
        self._alarms += 1
        self._hurried = self._settings.shard.hurried_choices
        self._count("shard", signal, ts_ms)

    def _count(self, scope: Literal["shard", "user"], signal: _Signal, ts_ms: int) -> None:
        name = f"{scope}_{signal}"
        self.stats.alarms[name] = self.stats.alarms.get(name, 0) + 1
        self.stats.last_ms = max(self.stats.last_ms, ts_ms)

    @property
    def alarms(self) -> int:
        """Alarms of the shard so far; somebody new has acted on all of them."""
        return self._alarms

    def snapshot(self) -> bytes:
        """Return the whole watch as a record."""
        return pack(
            _State(
                self.stats,
                self._restlessness,
                self._alarms,
                self._hurried,
                self._detectors["clicks"].snapshot(),
                self._detectors["loss"].snapshot(),
            )
        )

    def restore(self, record: bytes) -> None:
        """Replace the watch by one that ``snapshot`` returned.

        Raises
        ------
        CorruptRecord
            When the record is damaged or was not written by this installation.
        IncompatibleState
            When it was made with another ``drift.shard.delta`` or version of River.
        """
        state = unpack(record, _State)
        self._detectors["clicks"].restore(state.clicks)
        self._detectors["loss"].restore(state.loss)
        self.stats = state.stats
        self._restlessness = state.restlessness
        self._alarms = state.alarms
        self._hurried = state.hurried


def _halved(restlessness: float, half_life: float) -> float:
    left = restlessness * 0.5 ** (1.0 / half_life)
    return left if left >= _CALM else 0.0
