"""What Vowpal Wabbit is given to read."""

import numpy as np
import pytest

from recsys.catalogue import Catalogue
from recsys.events import Attributes
from recsys.features.base import Candidates, Example, context_hashes, narrow, widen
from recsys.features.encode import TextEncoder
from recsys.ids import feature_hash
from recsys.settings import CatalogueSettings

COLUMNS = ("mix", "liked")


def world(*items: tuple[str, Attributes]) -> tuple[TextEncoder, Catalogue]:
    catalogue = Catalogue(CatalogueSettings())
    for item_id, attributes in items:
        catalogue.upsert(item_id, 1, attributes)
    return TextEncoder(catalogue, COLUMNS), catalogue


def candidates(
    items: list[int], numeric: list[list[float]], context: tuple[int, ...] = ()
) -> Candidates:
    nothing = np.zeros(0, np.float32)
    return Candidates(7, context, np.array(items, np.int32), np.array(numeric, np.float32), nothing)


def example(numeric: bytes, **changes: float) -> Example:
    fields = {"item": 0, "position": 2, "propensity": 0.5, "reward": 1.0} | changes
    return Example(
        7,
        (3, 4),
        int(fields["item"]),
        numeric,
        int(fields["position"]),
        fields["propensity"],
        fields["reward"],
    )


def test_a_request_is_one_shared_line_and_one_line_per_candidate() -> None:
    encoder, _ = world(("a", {"genre": ["crime", "drama"]}), ("b", {}))
    text = encoder.candidates(candidates([0, 1, -1], [[1, 0.5], [0, 0], [-2, 1e-7]], (3, 4)))
    names = [feature_hash("numeric", column) for column in COLUMNS]
    crime, drama = (feature_hash("attribute", f"genre={genre}") for genre in ("crime", "drama"))
    assert text.decode().split("\n") == [
        "shared |u 7 |c 3 4",
        f"|i {feature_hash('item', 'a')} |a {crime} {drama} |n {names[0]}:1 {names[1]}:0.5",
        f"|i {feature_hash('item', 'b')} |n {names[0]}:0 {names[1]}:0",
        f"|i {feature_hash('item', '')} |n {names[0]}:-2 {names[1]}:1e-07",
    ]


def test_only_the_columns_that_are_used_are_written() -> None:
    catalogue = Catalogue(CatalogueSettings())
    catalogue.upsert("a", 1, {})
    encoder = TextEncoder(catalogue, ("mix", "liked", "age"), ["age", "mix"])
    mix, age = feature_hash("numeric", "mix"), feature_hash("numeric", "age")
    text = encoder.candidates(candidates([0], [[1, 0.5, 2]]))
    line = f"|i {feature_hash('item', 'a')} |n {age}:2 {mix}:1"
    assert text.decode().split("\n")[1:] == [line]
    row = narrow(np.array([1, 0.5, 2], np.float32))
    assert f"{line} |p " in encoder.example(example(row), 0.0, 1.0).decode()
    # Whatever is used, a row is known by how much of it there is.
    assert b"|n" not in encoder.example(example(row[:4]), 0.0, 1.0)


def test_an_example_has_its_place_its_cost_and_its_probability() -> None:
    encoder, _ = world(("a", {}))
    row = narrow(np.array([0.25, 2.0], np.float32))
    text = encoder.example(example(row), cost=-1.5, probability=0.125)
    names = [feature_hash("numeric", column) for column in COLUMNS]
    assert text.decode().split("\n") == [
        "shared |u 7 |c 3 4",
        f"0:-1.500000:0.125000 |i {feature_hash('item', 'a')} |n {names[0]}:0.25 {names[1]}:2"
        f" |p {feature_hash('position', '2')}",
    ]


def test_places_beyond_the_hundredth_are_one() -> None:
    encoder, _ = world(("a", {}))
    far, farther = (encoder.example(example(b"", position=p), 0.0, 1.0) for p in (100, 999))
    assert far == farther != encoder.example(example(b"", position=99), 0.0, 1.0)


@pytest.mark.parametrize(
    "numeric",
    [
        b"",
        b"\x01",
        b"\x00\x00\x00",
        narrow(np.array([1.0], np.float32)),
        narrow(np.array([1.0, 2.0, 3.0], np.float32)),
        narrow(np.array([1.0, np.nan], np.float32)),
        narrow(np.array([np.inf, 1.0], np.float32)),
    ],
    ids=["none", "odd", "odd-longer", "fewer", "more", "nan", "inf"],
)
def test_features_served_under_other_columns_are_left_out(numeric: bytes) -> None:
    encoder, _ = world(("a", {}))
    assert encoder.example(example(numeric), 0.0, 1.0) == encoder.example(example(b""), 0.0, 1.0)
    assert b"|n" not in encoder.example(example(numeric), 0.0, 1.0)


def test_an_item_with_new_attributes_gets_a_new_line() -> None:
    encoder, catalogue = world(("a", {"genre": "crime"}))
    before = encoder.example(example(b""), 0.0, 1.0)
    assert encoder.example(example(b""), 0.0, 1.0) == before
    catalogue.upsert("a", 2, {"genre": "drama"})
    after = encoder.example(example(b""), 0.0, 1.0)
    assert str(feature_hash("attribute", "genre=drama")).encode() in after
    assert str(feature_hash("attribute", "genre=crime")).encode() not in after


def test_context_is_hashed_sorted_and_rounded() -> None:
    one = context_hashes({"device": "phone", "hour": 17.04, "new": True})
    assert one == context_hashes({"new": True, "hour": 17, "device": "phone"})
    assert list(one) == sorted(one)
    assert len(set(one)) == 3
    assert one != context_hashes({"device": "phone", "hour": 17.0, "new": False})


def test_a_row_travels_as_float16() -> None:
    row = np.array([0.0, 1.0, -0.5, 65504.0, 6e-8], np.float32)
    assert len(narrow(row)) == 2 * len(row)
    np.testing.assert_array_equal(widen(narrow(row)), row.astype(np.float16).astype(np.float32))
