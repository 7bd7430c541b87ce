"""What every shared learner and every personal model must keep to, as named checks."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import msgspec
import numpy as np

from recsys.checks.world import World, expect, make_world
from recsys.codec import pack
from recsys.errors import CorruptRecord
from recsys.features.base import Candidates, Choice, narrow
from recsys.learners.base import Learner, PersonalModel
from recsys.users import User

__all__ = [
    "COLUMNS",
    "SHARED_COLUMNS",
    "LearnerCheck",
    "MakeLearner",
    "MakePersonal",
    "PersonalCheck",
    "learner_checks",
    "personal_checks",
]

COLUMNS = ("mix", "taste_lift", "click_lift_6h", "likes", "age")
"""Names of a candidate's features in the checks."""
SHARED_COLUMNS = ("pause", "history_size", "pool_size")
"""Names of a request's features in the checks."""
_WIDTH, _SHARED = len(COLUMNS), len(SHARED_COLUMNS)
MakeLearner = Callable[[World], Learner]
"""Makes a new learner of ``COLUMNS`` and ``SHARED_COLUMNS``."""
MakePersonal = Callable[[World], PersonalModel]
"""Makes a new personal model; each call with the same secret key."""


class LearnerCheck(NamedTuple):
    """One check of a shared learner."""

    name: str
    run: Callable[[MakeLearner], None]


class PersonalCheck(NamedTuple):
    """One check of a personal model."""

    name: str
    run: Callable[[MakePersonal], None]


def learner_checks() -> Iterator[LearnerCheck]:
    """Yield every check of a shared learner, in a fixed order."""
    yield LearnerCheck("learns from examples or from choices", _learns)
    yield LearnerCheck("one finite score per candidate", _scores)
    yield LearnerCheck("asking teaches nothing", _asking)
    yield LearnerCheck("rewards raise and their absence lowers", _direction)
    yield LearnerCheck("choices raise what is like the chosen", _preference)
    yield LearnerCheck("same lessons, same fingerprint", _same)
    yield LearnerCheck("a snapshot goes on as if nothing had happened", _resumes)
    yield LearnerCheck("a snapshot is not touched by later learning", _immutable)
    yield LearnerCheck("a damaged snapshot is refused", _refuses)
    yield LearnerCheck("the order of candidates is irrelevant", _equivariant)
    yield LearnerCheck("choices that cannot be read teach nothing", _unreadable)
    yield LearnerCheck("features that cannot be read leave scores finite", _poison)


def personal_checks() -> Iterator[PersonalCheck]:
    """Yield every check of a personal model, in a fixed order."""
    yield PersonalCheck("finite features for strangers and unknown items", _personal_range)
    yield PersonalCheck("asking teaches nothing", _personal_asking)
    yield PersonalCheck("what one person likes is no other's", _personal_own)
    yield PersonalCheck("a list teaches what its items teach one by one", _personal_list)
    yield PersonalCheck("a stored user goes on as if nothing had happened", _personal_resumes)


def _ask(world: World, seed: int) -> Candidates:
    return world.candidates(seed, _WIDTH, _SHARED)


def _teach_lessons(learner: Learner, world: World, first: int, last: int) -> None:
    """Tell a learner of examples, lists and choices by turns, and of one old choice beside each."""
    for seed in range(first, last):
        learner.learn(world.example(seed, _WIDTH))
        learner.settle(float(seed % 3), 1.0, 4.0)
        old = [world.choice(seed - 1, _WIDTH, _SHARED)] if seed else []
        learner.choose(world.choice(seed, _WIDTH, _SHARED), old)


def _taught(make: MakeLearner, world: World, lessons: int = 60) -> Learner:
    learner = make(world)
    _teach_lessons(learner, world, 0, lessons)
    return learner


def _learns(make: MakeLearner) -> None:
    world = make_world()
    learner = make(world)
    expect(learner.from_examples or learner.from_choices, "it learns from nothing")
    before = learner.fingerprint()
    loss = learner.choose(world.choice(1, _WIDTH, _SHARED), [])
    if learner.from_choices:
        expect(loss is not None and 0.0 <= loss < np.inf, f"the loss of a choice is {loss}")
        expect(learner.fingerprint() != before, "a choice taught nothing")
    else:
        expect(loss is None, f"the loss of a choice it does not learn is {loss}")
        expect(learner.fingerprint() == before, "a choice changed what does not learn from any")


def _scores(make: MakeLearner) -> None:
    world = make_world()
    nobody = _ask(world, 1)
    nobody = nobody._replace(items=nobody.items[:0], numeric=nobody.numeric[:0])
    for learner in (make(world), _taught(make, world)):
        candidates = _ask(world, 1)
        scores = learner.score(candidates)
        expect(scores.shape == candidates.items.shape, f"wrong shape {scores.shape}")
        expect(bool(np.isfinite(scores).all()), "a score is not finite")
        expect(learner.score(nobody).shape == (0,), "nobody got a score")


def _asking(make: MakeLearner) -> None:
    world = make_world()
    asked, quiet = _taught(make, world), _taught(make, world)
    for seed in range(50):
        asked.score(_ask(world, seed))
    expect(asked.fingerprint() == quiet.fingerprint(), "asking changed the state")
    for learner in (asked, quiet):
        _teach_lessons(learner, world, 100, 130)
    expect(asked.fingerprint() == quiet.fingerprint(), "asking changed what is learned later")


def _direction(make: MakeLearner) -> None:
    world = make_world()
    learner = make(world)
    if not learner.from_examples:
        return
    candidates = _ask(world, 1)
    liked, passed = int(candidates.items[0]), int(candidates.items[1])
    for seed in range(200):
        example = world.example(seed, _WIDTH)
        for item, reward in ((liked, 1.0), (passed, 0.0)):
            values = (item, example.numeric, example.position, example.propensity, reward)
            learner.learn(type(example)(candidates.user, candidates.context, *values))
    scores = learner.score(candidates)
    expect(scores[0] > scores[1] + 0.1, f"rewarded {scores[0]:.3f}, passed over {scores[1]:.3f}")


def _preference(make: MakeLearner) -> None:
    """Let people choose what has most of the last feature, wherever it stands."""
    world = make_world()
    learner = make(world)
    if not learner.from_choices:
        return
    rng = np.random.default_rng(1)
    losses = list[float]()
    for _ in range(600):
        rows = rng.random((6, _WIDTH)).astype("<f2").astype(np.float32)
        chosen = int(rows[:, -1].argmax())
        shared = narrow(np.zeros(_SHARED, np.float32))
        user = int(rng.integers(1, 2**32))
        loss = learner.choose(Choice(user, narrow(rows), shared, len(rows), chosen), [])
        expect(loss is not None, "a choice taught nothing")
        losses.append(loss or 0.0)
    before, after = float(np.mean(losses[:50])), float(np.mean(losses[-50:]))
    expect(after < 0.7 * before, f"the loss went from {before:.3f} to {after:.3f} only")
    candidates = _ask(world, 1)
    candidates.numeric[:] = 0.5
    candidates.numeric[:, -1] = np.linspace(0.0, 1.0, len(candidates.items))
    scores = learner.score(candidates)
    expect(bool((np.diff(scores) > 0.0).all()), f"what is chosen is not raised: {scores}")


def _same(make: MakeLearner) -> None:
    world = make_world()
    one, other = _taught(make, world), _taught(make, world)
    expect(one.fingerprint() == other.fingerprint(), "the same lessons gave another state")
    if one.from_examples:
        other.learn(world.example(1, _WIDTH))
        expect(one.fingerprint() != other.fingerprint(), "the fingerprint misses an example")
        one.learn(world.example(1, _WIDTH))
    if one.from_choices:
        other.choose(world.choice(1, _WIDTH, _SHARED), [])
        expect(one.fingerprint() != other.fingerprint(), "the fingerprint misses a choice")


def _resumes(make: MakeLearner) -> None:
    world = make_world()
    one = _taught(make, world)
    other = make(world)
    other.restore(one.snapshot())
    asked = _ask(world, 1)
    expect(np.array_equal(one.score(asked), other.score(asked)), "it gives other scores")
    for learner in (one, other):
        _teach_lessons(learner, world, 100, 160)
    expect(one.fingerprint() == other.fingerprint(), "the restored learner went another way")


def _immutable(make: MakeLearner) -> None:
    world = make_world()
    learner = _taught(make, world)
    record = learner.snapshot()
    copy = bytes(record)
    heir = make(world)
    heir.restore(record)
    _teach_lessons(learner, world, 100, 130)
    expect(record == copy, "a snapshot changed after it was taken")
    early = make(world)
    early.restore(copy)
    expect(heir.fingerprint() == early.fingerprint(), "two learners share what they know")


def _refuses(make: MakeLearner) -> None:
    world = make_world()
    record = bytearray(_taught(make, world).snapshot())
    record[len(record) // 2] ^= 1
    try:
        make(world).restore(bytes(record))
    except CorruptRecord:
        return
    expect(False, "a damaged snapshot was taken")


def _equivariant(make: MakeLearner) -> None:
    world = make_world()
    learner = _taught(make, world)
    candidates = _ask(world, 3)
    order = np.random.default_rng(1).permutation(len(candidates.items))
    moved = candidates._replace(items=candidates.items[order], numeric=candidates.numeric[order])
    expect(
        np.allclose(learner.score(candidates)[order], learner.score(moved), atol=1e-5),
        "another order of candidates gave other scores",
    )


def _spoilt(choice: Choice) -> dict[str, Choice]:
    """Return a choice made unreadable in several ways."""
    replace = msgspec.structs.replace
    nan = narrow(np.full(1, np.nan, np.float32))
    infinity = narrow(np.full(1, -np.inf, np.float32))
    return {
        "features that are no numbers": replace(choice, rows=nan + choice.rows[2:]),
        "infinite features": replace(choice, shared=infinity + choice.shared[2:]),
        "a feature too few": replace(choice, rows=choice.rows[: -2 * choice.n]),
        "a feature too many": replace(choice, shared=choice.shared + choice.shared[:2]),
        "no features": replace(choice, rows=b"", shared=b""),
        "half a number": replace(choice, rows=choice.rows[:-1]),
        "nothing to choose from": replace(
            choice, n=1, chosen=0, rows=choice.rows[: 2 * _WIDTH], examined=b""
        ),
    }


def _unreadable(make: MakeLearner) -> None:
    world = make_world()
    learner, twin = _taught(make, world), _taught(make, world)
    good = world.choice(200, _WIDTH, _SHARED)
    for words, choice in _spoilt(good).items():
        expect(learner.choose(choice, [good]) is None, f"{words}: something was learned")
    expect(learner.fingerprint() == twin.fingerprint(), "what cannot be read was learned")
    learner.choose(good, list(_spoilt(good).values()))
    twin.choose(good, [])
    expect(learner.fingerprint() == twin.fingerprint(), "an old choice that cannot be read counts")


def _poison(make: MakeLearner) -> None:
    world = make_world()
    learner = _taught(make, world)
    good = world.example(200, _WIDTH)
    nan = narrow(np.full(_WIDTH, np.nan, np.float32))
    for numeric in (nan, b"", good.numeric[:-2], good.numeric + b"\x00\x3c", good.numeric[:-1]):
        learner.learn(msgspec.structs.replace(good, numeric=numeric))
    scores = learner.score(_ask(world, 1))
    expect(bool(np.isfinite(scores).all()), "a score is not finite any more")


def _teach(model: PersonalModel, user: User, world: World, times: int = 30) -> None:
    for step in range(times):
        model.learn(user, step % len(world.catalogue), float(step % 3 == 0), shown=True)


def _everything(world: World) -> np.ndarray[tuple[int], np.dtype[np.int32]]:
    return np.append(np.arange(len(world.catalogue)), -1).astype(np.int32)


def _personal_range(make: MakePersonal) -> None:
    world = make_world()
    model = make(world)
    user = world.users[0]
    for _ in range(2):
        answer = model.features(user, _everything(world))
        expected = (len(world.catalogue) + 1, len(model.columns))
        expect(answer.shape == expected, f"expected shape {expected}, got {answer.shape}")
        expect(bool(np.isfinite(answer).all()), "a feature is not finite")
        _teach(model, user, world)


def _personal_asking(make: MakePersonal) -> None:
    world = make_world()
    model = make(world)
    user = User(user_id="u")
    _teach(model, user, world)
    model.store(user)
    before, shared = pack(user), model.snapshot()
    for _ in range(20):
        model.features(user, _everything(world))
    model.store(user)
    expect(pack(user) == before, "asking changed the user's model")
    expect(model.snapshot() == shared, "asking changed what users share")


def _personal_own(make: MakePersonal) -> None:
    world = make_world()
    model = make(world)
    fan, other = User(user_id="fan"), User(user_id="other")
    before = model.features(other, _everything(world))
    for _ in range(10):
        model.learn(fan, 0, 1.0, shown=False)
    after = model.features(other, _everything(world))
    expect(np.array_equal(before, after), "one person's likes moved another's own model")
    changed = model.features(fan, _everything(world))
    expect(not np.array_equal(changed, before), "ten likes left the person's own model unmoved")


def _personal_list(make: MakePersonal) -> None:
    world = make_world()
    one, other = make(world), make(world)
    user, twin = User(user_id="u"), User(user_id="u")
    items = [step % len(world.catalogue) for step in range(30)]
    rewards = [float(step % 3 == 0) for step in range(30)]
    for start in range(0, 30, 10):
        part = slice(start, start + 10)
        one.learn_list(user, items[part], rewards[part], shown=True)
    _teach(other, twin, world)
    everything = _everything(world)
    expect(
        np.array_equal(one.features(user, everything), other.features(twin, everything)),
        "the person's model went another way",
    )
    expect(one.snapshot() == other.snapshot(), "what users share went another way")


def _personal_resumes(make: MakePersonal) -> None:
    world = make_world()
    model, heir = make(world), make(world)
    user = User(user_id="u")
    _teach(model, user, world)
    model.store(user)
    copy = User(user_id="u", tastes=user.tastes, model=user.model)
    heir.restore(model.snapshot())
    expect(
        np.array_equal(
            model.features(user, _everything(world)), heir.features(copy, _everything(world))
        ),
        "the stored user answers otherwise",
    )
