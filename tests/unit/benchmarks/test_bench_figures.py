import pytest

from benchmarks.figures import Quantiles, quantile


@pytest.mark.parametrize(
    ("share", "expected"), [(0.001, 1.0), (0.5, 50.0), (0.501, 51.0), (0.99, 99.0), (1.0, 100.0)]
)
def test_a_quantile_is_the_smallest_value_that_the_share_does_not_exceed(
    share: float, expected: float
) -> None:
    values = [float(number) for number in range(100, 0, -1)]
    assert quantile(values, share) == expected
    assert sum(value <= expected for value in values) >= share * len(values)


def test_of_few_values() -> None:
    assert quantile([7.0], 0.5) == quantile([7.0], 0.99) == 7.0
    assert quantile([1.0, 2.0], 0.5) == 1.0
    with pytest.raises(ValueError, match="of nothing"):
        quantile([], 0.5)


def test_quantiles_sum_up() -> None:
    many = Quantiles.of([3.0, 1.0, 2.00049])
    assert many == Quantiles(3, p50=2.0, p99=3.0, p999=3.0, max=3.0)
    assert many.text("ms") == "p50 2.00, p99 3.00, max 3.00 ms"
    assert Quantiles.of([]).text("ms") == "nothing was measured"
