"""What lists promised and what they earned: the learner is held to it, and so is each person.

A list promises what its slots are expected to earn, each as often as its place is looked at, and is
settled when its person asks again: only then is known what it earned, and what it did not. Judged
slot by slot, clicks would count at once and their absence when a window ends, for many people at a
time after a rush, so that every pause would teach that nobody clicks any more.

The shared part of a promise moves the learner's scale. A person's own part is a factor::

    trust = (earned + prior) / (promised + prior)      at most 1, sums fading from list to list

with which all that they are expected to earn is multiplied. Somebody who no longer clicks on what
they were sure to like is known as badly as a stranger: the gaps between their candidates shrink,
and a policy that explores by gaps tries more for them, until they click again.
"""

from collections.abc import Sequence
from operator import mul
from typing import Final

from recsys.examination import looks, looks_in_all
from recsys.learners.base import Learner
from recsys.settings import TrustSettings
from recsys.users import User

__all__ = ["open_list", "settle_list", "trust_in"]

_LEAST: Final = 0.02
"""Somebody who never clicks is still expected to earn this share."""


def trust_in(user: User, settings: TrustSettings) -> float:
    """Return by what the rewards expected of a person are multiplied."""
    account = user.account
    share = (account.earned + settings.prior) / (account.promised + settings.prior)
    return min(max(share, _LEAST), 1.0)


def open_list(
    user: User, scores: Sequence[float], examination_decay: float, settings: TrustSettings
) -> None:
    """Note what a list promises, as if the person were trusted entirely.

    Parameters
    ----------
    scores
        What its policy drew from, in the order of the places; empty for a list that does not count.
    examination_decay
        See ``recsys.joiner``.
    """
    account = user.account
    n = len(scores)
    promised = sum(map(mul, looks(n, examination_decay), scores))
    account.open_looks = looks_in_all(n, examination_decay)
    account.open_promised = promised / trust_in(user, settings)
    account.open_earned = 0.0


def settle_list(user: User, learner: Learner, settings: TrustSettings) -> None:
    """Hold a person's last list against what it promised, because they ask again."""
    account = user.account
    if account.open_promised <= 0.0:
        return
    learner.settle(account.open_earned, account.open_promised, account.open_looks)
    keep = 0.5 ** (1.0 / settings.half_life_lists)
    account.promised = keep * account.promised + account.open_promised
    # Dislikes cannot make a debt: trust is a share.
    account.earned = max(keep * account.earned + account.open_earned, 0.0)
