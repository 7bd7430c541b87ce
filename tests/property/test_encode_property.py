"""Nothing that a stranger writes reaches Vowpal Wabbit's parser, however it is written."""

import re

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from recsys.catalogue import Catalogue
from recsys.events import Attributes, Context
from recsys.features.base import Candidates, Example, context_hashes, narrow
from recsys.features.encode import TextEncoder
from recsys.ids import feature_hash
from recsys.learners.vw_bandit import VWBandit
from recsys.settings import CatalogueSettings, VWSettings

COLUMNS = ("mix", "liked", "taste")
HOSTILE = (
    "|",
    ":",
    " ",
    "\n",
    "\t",
    "\r\n",
    "shared ",
    "1:-1:1 ",
    "|a 7:1e9",
    "🐱",
    "0",
    "42",
    "nan",
    "é",
)
text = st.one_of(
    st.lists(st.sampled_from(HOSTILE), min_size=1, max_size=6).map("".join),
    st.text(st.characters(codec="utf-8"), min_size=1, max_size=12),
    st.integers(0, 2**33).map(str),
)
values = st.one_of(text, st.booleans(), st.floats(-1e6, 1e6))
attributes = st.dictionaries(text, st.one_of(values, st.lists(text, max_size=3)), max_size=3)
contexts = st.dictionaries(text, values, max_size=3)
numbers = st.floats(width=16, allow_nan=False, allow_infinity=False)
SHAPE = re.compile(
    r"shared \|u \d+( \|c \d+( \d+)*)?"
    r"(\n(0:-?\d+\.\d{6}:[01]\.\d{6} )?\|i \d+ (\|a \d+( \d+)* )?"
    r"(\|n( \d+:-?\d\S*)+ ?)?(\|p \d+)?)*"
)


def learner(
    items: list[tuple[str, Attributes]], *, taught: int | None = None, bits: int = 12
) -> tuple[VWBandit, TextEncoder]:
    """Return a learner that knows the items and was taught about the first ``taught`` of them."""
    catalogue = Catalogue(CatalogueSettings())
    for item_id, item_attributes in items:
        catalogue.upsert(item_id, 1, item_attributes)
    encoder = TextEncoder(catalogue, COLUMNS)
    bandit = VWBandit(VWSettings(bits=bits), encoder)
    for step in range(8):
        item = step % (taught or len(items))
        bandit.learn(Example(7, (step % 3,), item, b"", step, 0.5, float(step % 2)))
    return bandit, encoder


def candidates(
    user: str, context: Context, items: list[int], rows: list[list[float]]
) -> Candidates:
    return Candidates(
        feature_hash("user", user),
        context_hashes(context),
        np.array(items, np.int32),
        np.array(rows, np.float32).reshape(len(items), len(COLUMNS)),
        np.zeros(0, np.float32),
    )


worlds = st.lists(st.tuples(text, attributes), min_size=1, max_size=5, unique_by=lambda one: one[0])
rows = st.lists(numbers, min_size=len(COLUMNS), max_size=len(COLUMNS))


@settings(max_examples=50, deadline=None)
@given(items=worlds, user=text, context=contexts, row=rows, unknown=st.integers(0, 2))
@example(
    items=[("a\nb", {"x|y": "1:1"}), ("7", {})],
    user="u\n|i 3",
    context={"a:b": "c d"},
    row=[0.0] * 3,
    unknown=1,
)
def test_n_candidates_in_n_answers_out(
    items: list[tuple[str, Attributes]], user: str, context: Context, row: list[float], unknown: int
) -> None:
    bandit, encoder = learner(items)
    places = [*range(len(items)), *([-1] * unknown)]
    asked = candidates(user, context, places, [row] * len(places))
    written = encoder.candidates(asked).decode("ascii")
    assert SHAPE.fullmatch(written), written
    assert written.count("\n") == len(places)
    scores = bandit.score(asked)
    assert scores.shape == (len(places),)
    assert np.isfinite(scores).all()


@settings(max_examples=40, deadline=None)
@given(items=worlds, user=text, context=contexts, row=rows, reward=st.floats(-10, 10))
@example(items=[("i", {})], user="u", context={}, row=[1.0] * 3, reward=1e-216)
def test_an_example_is_two_lines(
    items: list[tuple[str, Attributes]],
    user: str,
    context: Context,
    row: list[float],
    reward: float,
) -> None:
    bandit, encoder = learner(items)
    example_ = Example(
        feature_hash("user", user),
        context_hashes(context),
        0,
        narrow(np.array(row, np.float32)),
        3,
        0.5,
        reward,
    )
    written = encoder.example(example_, -reward, 0.5).decode("ascii")
    assert SHAPE.fullmatch(written), written
    assert written.count("\n") == 1
    bandit.learn(example_)
    asked = candidates(user, context, [0], [row])
    assert np.isfinite(bandit.score(asked)).all()


@settings(max_examples=15, deadline=None)
@given(
    items=st.lists(
        st.tuples(text, attributes), min_size=2, max_size=5, unique_by=lambda one: one[0]
    ),
    name=text,
    other=attributes,
    row=rows,
)
def test_an_items_score_depends_on_no_other_items_words(
    items: list[tuple[str, Attributes]], name: str, other: Attributes, row: list[float]
) -> None:
    """The gap between two items stays when a third one is called and described otherwise."""
    if name in {item_id for item_id, _ in items}:
        return
    gaps = list[float]()
    for third in (("third", {}), (name, other)):
        # The third comes last, so that the others keep their places; 2**22 places for the weights,
        # so that no two hashes of these small worlds meet.
        bandit, _ = learner([*items, third], taught=len(items), bits=22)
        scores = bandit.score(candidates("u", {}, [0, 1, len(items)], [row] * 3))
        gaps.append(float(scores[0] - scores[1]))
    assert abs(gaps[0] - gaps[1]) < 1e-4
