"""What tastes add up to: of a shard's own people, and the arithmetic of such sums."""

from recsys.mixing.lessons import TasteSums
from recsys.state import State

__all__ = ["less", "own_tastes", "plus"]


def own_tastes(state: State) -> TasteSums:
    """Return what the tastes of a shard's own people add up to."""
    sums = state.personal_bandit.priors.sums()
    for of_others in state.ledger.tastes.values():
        sums = less(sums, of_others)
    return sums


def plus(one: TasteSums, other: TasteSums) -> TasteSums:
    """Return the sum of two sums."""
    return _combined(one, other, 1)


def less(sums: TasteSums, known: TasteSums) -> TasteSums:
    """Return the difference of two sums."""
    return _combined(sums, known, -1)


def _combined(one: TasteSums, other: TasteSums, sign: int) -> TasteSums:
    fields = {}
    for name in sorted(one.fields.keys() | other.fields.keys()):
        squares, known = one.fields.get(name, (0.0, 0.0))
        more_squares, more_known = other.fields.get(name, (0.0, 0.0))
        fields[name] = (squares + sign * more_squares, known + sign * more_known)
    return TasteSums(
        one.rewards + sign * other.rewards,
        one.count + sign * other.count,
        one.noise + sign * other.noise,
        fields,
    )
