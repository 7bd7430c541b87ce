"""The compiled filter of tastes against one of dictionaries, to the last bit, and in the order."""

import math
from dataclasses import dataclass, field

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.catalogue import Catalogue
from recsys.codec import pack, unpack
from recsys.learners.personal_bandit import PersonalBandit
from recsys.mixing.lessons import TasteSums
from recsys.settings import CatalogueSettings, PersonalBanditSettings
from recsys.users import User

PEOPLE = 3
Told = tuple[int, list[tuple[int, float]], bool]
"""Whom, what of which items, and whether a list showed them."""


@dataclass
class Person:
    """A person's tastes by token."""

    mean: dict[int, float] = field(default_factory=dict)
    left: dict[int, float] = field(default_factory=dict)
    touched: dict[int, int] = field(default_factory=dict)
    lessons: int = 0


@dataclass
class Reference:
    """The formulas as they are written, a lesson at a time."""

    settings: PersonalBanditSettings
    catalogue: Catalogue
    rewards: float = 0.0
    count: int = 0
    noise: float = 0.0
    fields: dict[str, tuple[float, float]] = field(default_factory=dict)

    @property
    def base(self) -> float:
        return max((self.rewards + 0.05 * 100.0) / (self.count + 100.0), 1e-3 * 0.05)

    @property
    def scatter(self) -> float:
        first = self.settings.noise_variance
        if not self.settings.adapt:
            return first
        learned = (self.settings.caution * self.noise + first * 100.0) / (self.count + 100.0)
        return max(learned, 1e-3 * first)

    def prior(self, name: str) -> float:
        first = self.settings.prior_variance
        if not self.settings.adapt or name not in self.fields:
            return first
        squares, known = self.fields[name]
        return max((squares + first * 50.0) / (known + 50.0), 1e-3 * first)

    def name(self, token: int) -> str:
        return self.catalogue.token(token).partition("=")[0]

    def learn(self, person: Person, item: int, reward: float, *, shown: bool) -> None:
        tokens = self.catalogue[item].tokens
        if not tokens:
            return
        target = min(max(reward, -1.0), 1.0)
        unexplained = self.learn_own(person, tokens, target - self.base)
        if not shown:
            return
        self.rewards += target
        self.count += 1
        self.noise += unexplained
        for token in tokens:
            if token in person.mean:
                mean = person.mean[token]
                squares, known = self.fields.get(self.name(token), (0.0, 0.0))
                learned = (squares + mean * mean, known + (1.0 - person.left[token]))
                self.fields[self.name(token)] = learned

    def learn_own(self, person: Person, tokens: list[int], residual: float) -> float:
        mean, left, touched = person.mean, person.left, person.touched
        person.lessons += 1
        now, keep = person.lessons, 1.0 - self.settings.drift
        x = 1.0 / math.sqrt(len(tokens))
        priors = [self.prior(self.name(token)) for token in tokens]
        prediction = spread = 0.0
        for token, prior in zip(tokens, priors, strict=True):
            kept = keep ** (now - touched.get(token, now))
            mean[token] = expected = mean.get(token, 0.0) * kept
            left[token] = unknown = 1.0 - (1.0 - left.get(token, 1.0)) * (kept * kept)
            touched[token] = now
            prediction += expected * x
            spread += x * x * prior * unknown
        error = residual - prediction
        total = self.scatter + spread
        for token, prior in zip(tokens, priors, strict=True):
            unknown = left[token]
            gain = prior * unknown * x / total
            mean[token] += gain * error
            left[token] = unknown - gain * unknown * x
        surplus = len(mean) - self.settings.attributes
        if surplus > 0:
            order = sorted(left, key=lambda t: (t in tokens, -left[t], t))
            for token in order[:surplus]:
                del mean[token], left[token], touched[token]
        return error * error - spread


def told_alike(model: PersonalBandit, reference: Reference) -> None:
    """Hold what all people share against the reference."""
    sums = model.priors.sums()
    assert (sums.rewards, sums.count, sums.noise) == (
        reference.rewards,
        reference.count,
        reference.noise,
    )
    assert list(sums.fields.items()) == list(reference.fields.items())
    assert (model.base, model.priors.noise) == (reference.base, reference.scatter)
    catalogue = reference.catalogue
    for token in range(catalogue.n_tokens):
        assert model.priors.of(token) == reference.prior(reference.name(token))
    places, priors = model.priors.by_place()
    by_token = [reference.prior(reference.name(token)) for token in range(catalogue.n_tokens)]
    assert priors[places[: catalogue.n_tokens]].tolist() == by_token


ITEMS = st.lists(
    st.dictionaries(
        st.sampled_from("abcdefghijkl"), st.lists(st.sampled_from("12345"), max_size=4), max_size=3
    ),
    min_size=2,
    max_size=12,
)
LESSONS = st.lists(
    st.tuples(
        st.integers(0, PEOPLE - 1),
        st.lists(
            st.tuples(st.integers(0, 11), st.sampled_from([0.0, 0.0, 1.0, -1.0, 0.3, 7.0, -2.0])),
            max_size=10,
        ),
        st.booleans(),
    ),
    min_size=1,
    max_size=20,
)
SETTINGS = st.builds(
    PersonalBanditSettings,
    prior_variance=st.sampled_from([0.1, 0.2, 1.7]),
    noise_variance=st.sampled_from([0.1, 0.3, 1e-3]),
    adapt=st.booleans(),
    caution=st.sampled_from([1.0, 3.0]),
    drift=st.sampled_from([0.0, 0.001, 0.2]),
    attributes=st.sampled_from([1, 3, 8, 64]),
)


@settings(deadline=None)
@given(items=ITEMS, lessons=LESSONS, knobs=SETTINGS, mixes=st.booleans())
def test_every_list_is_learned_as_by_the_reference(
    *,
    items: list[dict[str, list[str]]],
    lessons: list[Told],
    knobs: PersonalBanditSettings,
    mixes: bool,
) -> None:
    catalogue = Catalogue(CatalogueSettings())
    model, twin = (PersonalBandit(knobs, catalogue) for _ in range(2))
    reference = Reference(knobs, catalogue)
    users, twins = ([User(user_id="u") for _ in range(PEOPLE)] for _ in range(2))
    people = [Person() for _ in range(PEOPLE)]
    for turn, (who, told, shown) in enumerate(lessons):
        # There are ever more items and attributes.
        catalogue.upsert(f"i{turn}", 0, dict(items[turn % len(items)]))
        known = [(item % len(catalogue), reward) for item, reward in told]
        numbers, rewards = [item for item, _ in known], [reward for _, reward in known]
        model.learn_list(users[who], numbers, rewards, shown=shown)
        for item, reward in known:
            twin.learn(twins[who], item, reward, shown=shown)
            reference.learn(people[who], item, reward, shown=shown)
        tastes, person = users[who].tastes, people[who]
        assert list(tastes.mean.items()) == list(person.mean.items())
        assert list(tastes.left.items()) == list(person.left.items())
        assert list(tastes.touched.items()) == list(person.touched.items())
        assert tastes.lessons == person.lessons
        told_alike(model, reference)
        if mixes and turn % 3 == 1:
            # What others teach, and a restart.
            others = TasteSums(-1.5, 7, 0.25, {"z": (0.5, 2.5), "c": (0.125, 0.5)})
            for one in (model, twin):
                one.priors.add(others)
                one.restore(one.snapshot())
            users[who] = unpack(pack(users[who]), User)
            reference.rewards -= 1.5
            reference.count += 7
            reference.noise += 0.25
            for name, more in others.fields.items():
                squares, gone = np.add(reference.fields.get(name, (0.0, 0.0)), more).tolist()
                reference.fields[name] = squares, gone
            told_alike(model, reference)
    assert model.snapshot() == twin.snapshot()
    assert pack(users) == pack(twins)
