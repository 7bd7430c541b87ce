"""What every shared learner and every personal model must keep to, as named checks."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from recsys.checks.world import World, expect, make_world
from recsys.codec import pack
from recsys.errors import CorruptRecord
from recsys.learners.base import Learner, PersonalModel
from recsys.users import User

__all__ = [
    "LearnerCheck",
    "MakeLearner",
    "MakePersonal",
    "PersonalCheck",
    "learner_checks",
    "personal_checks",
]

N_FEATURES = 5
MakeLearner = Callable[[World], Learner]
"""Makes a new learner for examples of ``N_FEATURES`` numeric columns."""
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
    yield LearnerCheck("one finite score per candidate", _scores)
    yield LearnerCheck("asking teaches nothing", _asking)
    yield LearnerCheck("rewards raise and their absence lowers", _direction)
    yield LearnerCheck("same examples, same fingerprint", _same)
    yield LearnerCheck("a snapshot goes on as if nothing had happened", _resumes)
    yield LearnerCheck("a damaged snapshot is refused", _refuses)
    yield LearnerCheck("the order of candidates is irrelevant", _equivariant)


def personal_checks() -> Iterator[PersonalCheck]:
    """Yield every check of a personal model, in a fixed order."""
    yield PersonalCheck("finite features for strangers and unknown items", _personal_range)
    yield PersonalCheck("asking teaches nothing", _personal_asking)
    yield PersonalCheck("what one person likes is no other's", _personal_own)
    yield PersonalCheck("a stored user goes on as if nothing had happened", _personal_resumes)


def _taught(make: MakeLearner, world: World, examples: int = 60) -> Learner:
    learner = make(world)
    for seed in range(examples):
        learner.learn(world.example(seed, N_FEATURES))
    return learner


def _scores(make: MakeLearner) -> None:
    world = make_world()
    for learner in (make(world), _taught(make, world)):
        candidates = world.candidates(1, N_FEATURES)
        scores = learner.score(candidates)
        expect(scores.shape == candidates.items.shape, f"wrong shape {scores.shape}")
        expect(bool(np.isfinite(scores).all()), "a score is not finite")


def _asking(make: MakeLearner) -> None:
    world = make_world()
    asked, quiet = _taught(make, world), _taught(make, world)
    for seed in range(50):
        asked.score(world.candidates(seed, N_FEATURES))
    expect(asked.fingerprint() == quiet.fingerprint(), "asking changed the state")
    for learner in (asked, quiet):
        for seed in range(100, 130):
            learner.learn(world.example(seed, N_FEATURES))
    expect(asked.fingerprint() == quiet.fingerprint(), "asking changed what is learned later")


def _direction(make: MakeLearner) -> None:
    world = make_world()
    learner = make(world)
    candidates = world.candidates(1, N_FEATURES)
    liked, passed = int(candidates.items[0]), int(candidates.items[1])
    for seed in range(200):
        example = world.example(seed, N_FEATURES)
        for item, reward in ((liked, 1.0), (passed, 0.0)):
            values = (item, example.numeric, example.position, example.propensity, reward)
            learner.learn(type(example)(candidates.user, candidates.context, *values))
    scores = learner.score(candidates)
    expect(scores[0] > scores[1] + 0.1, f"rewarded {scores[0]:.3f}, passed over {scores[1]:.3f}")


def _same(make: MakeLearner) -> None:
    world = make_world()
    one, other = _taught(make, world), _taught(make, world)
    expect(one.fingerprint() == other.fingerprint(), "the same examples gave another state")
    other.learn(world.example(1, N_FEATURES))
    expect(one.fingerprint() != other.fingerprint(), "the fingerprint misses an example")


def _resumes(make: MakeLearner) -> None:
    world = make_world()
    one = _taught(make, world)
    other = make(world)
    other.restore(one.snapshot())
    for learner in (one, other):
        for seed in range(100, 160):
            learner.learn(world.example(seed, N_FEATURES))
    expect(one.fingerprint() == other.fingerprint(), "the restored learner went another way")


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
    candidates = world.candidates(3, N_FEATURES)
    order = np.random.default_rng(1).permutation(len(candidates.items))
    moved = candidates._replace(items=candidates.items[order], numeric=candidates.numeric[order])
    expect(
        np.allclose(learner.score(candidates)[order], learner.score(moved), atol=1e-5),
        "another order of candidates gave other scores",
    )


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
