"""Draws a list from a policy, with the true probability of every place in it.

The propensity of a slot is the probability of its item given the slots above. Logging anything
simpler for a list (the first-slot probability, ``k`` times it) biases every estimate made from
the log. There are two ways to draw:

One race
    for the policies that are Plackett-Luce (softmax, uniform). Candidate ``i`` arrives at
    ``e_i = Exp(1) / p_i`` and the list is the first ``k`` arrivals in order. The propensity is
    ``p_i`` over the sum of ``p`` of those not yet arrived. The threshold tau is the ``(k + 1)``-th
    arrival: given the other candidates, item ``i`` is in the list with probability
    ``1 - exp(-p_i * tau)``, which an item-level estimate divides by. For slot ``j`` with
    propensity ``q_j``, ``p_j`` is ``q_j`` times the product of ``1 - q`` over the slots above.

One slot after the other
    for all others (greedy, where it is sorting, epsilon-greedy, SquareCB). The policy is asked
    again for what remains, so that a list is ``k`` bandit choices in a row. A race over their
    first-slot probabilities would be another policy: below the best it would fill an
    epsilon-greedy list uniformly.

References
----------
Cohen & Kaplan 2007, Summarizing data using bottom-k sketches, PODC: the weight by threshold.
Plackett 1975, The analysis of permutations, Applied Statistics 24(2): the lists of a race.
"""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys.policies.base import Policy
from recsys.policies.slate_kernels import all_finite, uniforms

__all__ = ["Slate", "draw"]

_VISIBLE: Final = 1e-270
"""With ``k`` candidates above this, those whose probability underflowed cannot matter to the first
``k`` slots within float64's precision, and no arrival that counts overflows."""


class Slate(NamedTuple):
    """A list as drawn, best place first.

    Attributes
    ----------
    chosen
        Places in ``scores``, each at most once, intp, shape ``(n_drawn,)``.
    propensities
        Probability of each given those above, in (0, 1], shape ``(n_drawn,)``.
    threshold
        Finite tau of the race; ``None`` where there is none: the policy is not Plackett-Luce; or
        all candidates are in the list, each with inclusion probability 1; or candidates beyond
        a softmax's range had to be ranked, which is done one slot after the other.
    """

    chosen: NDArray[np.intp]
    propensities: NDArray[np.float64]
    threshold: float | None


def draw(policy: Policy, scores: NDArray[np.float64], k: int, seed: int) -> Slate:
    """Draw a list of the best ``k``, or of all candidates where there are fewer.

    The same policy, scores and seed give the same list. An item of probability 0 is never drawn
    before the policy, asked again for what remains, gives it more.

    Parameters
    ----------
    scores
        Finite, higher is better, shape ``(n_candidates,)``, in an order that does not depend on
        chance, because ties are broken by position; may be empty. Left unchanged.
    k
        Slots wanted, at least 1.
    seed
        In ``range(2**64)``; the only source of chance.

    Raises
    ------
    ValueError
        When a score is not finite, ``k`` is below 1 or the seed is negative.
    """
    if k < 1:
        message = f"a list has at least 1 slot, got k={k}"
        raise ValueError(message)
    if seed < 0:
        message = f"a seed is non-negative, got {seed}"
        raise ValueError(message)
    if not all_finite(scores):
        place = int(np.flatnonzero(~np.isfinite(scores))[0])
        message = f"scores must be finite, got {scores[place]} at place {place}"
        raise ValueError(message)
    n = scores.size
    if policy.greedy:
        best = (-scores).argsort(kind="stable")[:k]
        return Slate(best, np.ones(best.size), None)
    if n and policy.plackett_luce:
        chances = policy.probabilities(scores)
        if np.count_nonzero(chances >= _VISIBLE) >= min(k + 1, n):
            return _race(chances, k, np.random.Generator(np.random.PCG64(seed)))
    lots = np.empty(min(k, n))
    uniforms(np.uint64(seed), lots)
    return Slate(*policy.slots(scores, lots), None)


def _race(chances: NDArray[np.float64], k: int, rng: np.random.Generator) -> Slate:
    """Return the first ``k`` arrivals."""
    n = chances.size
    # What underflowed to 0 arrives at infinity, behind all that are drawn.
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        arrivals = rng.standard_exponential(n) / chances
    order = arrivals.argsort()
    ranked = chances[order]
    # Summed from the back, not 1 - the sum from the front: what remains keeps its digits.
    remaining = ranked[::-1].cumsum()[::-1]
    return Slate(
        order[:k], ranked[:k] / remaining[:k], float(arrivals[order[k]]) if k < n else None
    )
