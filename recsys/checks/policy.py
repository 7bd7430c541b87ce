"""What every policy must keep to, as named checks that a test runs one by one.

::

    @pytest.mark.parametrize("check", list(policy_checks()), ids=lambda check: check.name)
    def test_conforms(check):
        check.run(MyPolicy())
"""

from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys.policies.base import Policy
from recsys.policies.slate import draw

__all__ = ["PolicyCheck", "policy_checks"]

_TOLERANCE: Final = 1e-9


class PolicyCheck(NamedTuple):
    """One check.

    Attributes
    ----------
    name
        What is expected, in words.
    run
        Raises ``AssertionError`` where the policy breaks it; what the policy itself raises
        passes through.
    """

    name: str
    run: Callable[[Policy], None]


def policy_checks() -> Iterator[PolicyCheck]:
    """Yield every check, in a fixed order."""
    yield PolicyCheck("one probability per candidate", _one_each)
    yield PolicyCheck("a distribution for ordinary scores", _distribution)
    yield PolicyCheck("a distribution for extreme scores", _extremes)
    yield PolicyCheck("a lone candidate is certain", _lone)
    yield PolicyCheck("every candidate has a chance if the policy explores", _positive)
    yield PolicyCheck("a better score is never less likely", _monotone)
    yield PolicyCheck("the order of candidates is irrelevant", _equivariant)
    yield PolicyCheck("only differences of scores count", _shift)
    yield PolicyCheck("asking changes neither scores nor answer", _pure)
    yield PolicyCheck("Plackett-Luce only if asking again equals renormalising", _plackett_luce)
    yield PolicyCheck("non-finite scores are refused when drawing", _refuses)


def _expect(condition: bool | np.bool, message: str) -> None:
    if not condition:
        raise AssertionError(message)


def _scores(n: int) -> NDArray[np.float64]:
    """Return ``n`` different scores in no order, exact in binary, 1/1024 apart."""
    return np.random.default_rng(n).permutation(n) / 1024.0


def _ask(policy: Policy, scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the probabilities after holding them against the contract's words."""
    with np.errstate(over="raise", divide="raise", invalid="raise"):
        chances = policy.probabilities(scores)
    total = float(chances.sum())
    _expect(bool((chances >= 0.0).all()), f"a probability is negative or not a number: {chances}")
    _expect(abs(total - 1.0) <= _TOLERANCE, f"probabilities sum to {total!r} for {scores}")
    return chances


def _one_each(policy: Policy) -> None:
    for n in (1, 2, 7, 1000):
        chances = policy.probabilities(_scores(n))
        _expect(chances.shape == (n,), f"{n} candidates got the shape {chances.shape}")
        _expect(chances.dtype == np.float64, f"expected float64, got {chances.dtype}")


def _distribution(policy: Policy) -> None:
    for n in (1, 2, 7, 50, 1000):
        _ask(policy, _scores(n))


def _extremes(policy: Policy) -> None:
    largest = np.finfo(np.float64).max
    for values in (
        [1e6, -1e6],
        [-1e6, 1e6, 0.0],
        [1e6] * 5,
        [-1e6] * 5,
        [0.0, 5e-324],
        [largest, 0.0, -largest],
    ):
        _ask(policy, np.array(values))


def _lone(policy: Policy) -> None:
    for score in (0.0, 1e6, -1e6, 0.3):
        chances = policy.probabilities(np.array([score]))
        _expect(chances.tolist() == [1.0], f"expected [1.0] for the score {score}, got {chances}")


def _positive(policy: Policy) -> None:
    for scores in (np.zeros(50), _scores(50) / 1024.0):
        chances = _ask(policy, scores)
        _expect(
            bool((chances > 0.0).all()) or not policy.explores,
            f"a candidate has probability 0: {chances}; set explores = False if that is meant",
        )


def _monotone(policy: Policy) -> None:
    scores = np.sort(_scores(50))
    steps = np.diff(_ask(policy, scores))
    _expect(bool((steps >= -_TOLERANCE).all()), "a better score has a smaller probability")


def _equivariant(policy: Policy) -> None:
    scores = _scores(50)
    order = np.random.default_rng(1).permutation(scores.size)
    np.testing.assert_allclose(
        _ask(policy, scores[order]), _ask(policy, scores)[order], rtol=1e-9, atol=1e-15
    )


def _shift(policy: Policy) -> None:
    scores = _scores(50)
    for shift in (-4096.0, 0.5, 1e6):
        np.testing.assert_allclose(
            _ask(policy, scores + shift), _ask(policy, scores), rtol=1e-9, atol=1e-15
        )


def _pure(policy: Policy) -> None:
    scores = _scores(50)
    scores.flags.writeable = False
    first = _ask(policy, scores)
    kept = first.copy()
    _ask(policy, scores[::-1])
    np.testing.assert_array_equal(first, kept, "an earlier answer changed")
    np.testing.assert_array_equal(_ask(policy, scores), kept, "the second answer is another")


def _plackett_luce(policy: Policy) -> None:
    if not policy.plackett_luce:
        return
    scores = _scores(7)
    chances = _ask(policy, scores)
    for gone in range(scores.size):
        rest = np.delete(chances, gone)
        np.testing.assert_allclose(
            _ask(policy, np.delete(scores, gone)), rest / rest.sum(), rtol=1e-9
        )


def _refuses(policy: Policy) -> None:
    for bad in (np.nan, np.inf, -np.inf):
        try:
            slate = draw(policy, np.array([0.0, bad]), 1, 1)
        except ValueError:
            continue
        message = f"expected a ValueError for the score {bad}, got {slate}"
        raise AssertionError(message)
