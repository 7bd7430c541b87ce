"""Any question to any engine gets a list that may be logged, and changes nothing."""

from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.decision import Request
from recsys.engine import Engine
from recsys.events import Event, ItemRemove, validate
from recsys.settings import (
    ArmSettings,
    CandidateSettings,
    EngineSettings,
    EpsilonGreedySettings,
    GreedySettings,
    LearnerSettings,
    SoftmaxSettings,
    SquareCBSettings,
    UniformSettings,
    UserSettings,
)
from tests.engines import engine_with, feedback, item
from tests.property.strategies import contexts, ids

ARMS = {
    "learner": ArmSettings(share=0.4, policy=SquareCBSettings(gamma=20.0)),
    "greedy": ArmSettings(share=0.1, policy=GreedySettings()),
    "soft": ArmSettings(share=0.1, policy=SoftmaxSettings(temperature=0.001)),
    "popular": ArmSettings(share=0.2, ranker="popularity", policy=EpsilonGreedySettings()),
    "random": ArmSettings(share=0.2, ranker="random", policy=UniformSettings()),
}
SETTINGS = EngineSettings(
    arms=ARMS,
    users=UserSettings(in_memory=2, consumed=4),
    candidates=CandidateSettings(keep=4),
)
RANKERS = {
    name: SETTINGS.model_copy(
        update={"learners": LearnerSettings.model_validate({"ranker": name, "vw": {"bits": 12}})}
    )
    for name in ("listwise", "vw", "ftrl")
}
known = st.integers(0, 11).map(lambda number: f"i{number}")
users = st.sampled_from(["u0", "u1", "u2"])
events = st.lists(
    st.one_of(
        st.builds(item, st.integers(0, 11), ts_ms=st.integers(0, 50)),
        st.builds(
            feedback,
            users,
            known,
            st.integers(0, 10**12),
            st.sampled_from(["click", "view", "purchase", "dislike"]),
        ),
        st.builds(
            lambda number, ts_ms: ItemRemove(
                event_id=f"remove-{number}-{ts_ms}", ts_ms=ts_ms, item_id=f"i{number}"
            ),
            st.integers(0, 11),
            st.integers(0, 50),
        ),
    ),
    max_size=25,
)
requests = st.builds(
    Request,
    user_id=st.one_of(users, ids()),
    ts_ms=st.integers(0, 10**13),
    decision_id=ids(),
    n=st.integers(1, 15),
    context=contexts(),
    candidates=st.one_of(
        st.none(), st.lists(st.one_of(known, ids()), min_size=1, max_size=6).map(tuple)
    ),
    exclude=st.lists(st.one_of(known, ids()), max_size=4).map(tuple),
    arm=st.one_of(st.none(), st.sampled_from(sorted(ARMS))),
)


def allowed(engine: Engine, request: Request) -> set[str]:
    """Return whom the docstring of ``Request`` allows into the list."""
    excluded = set(request.exclude)
    state = engine.state
    if request.candidates is not None:
        removed = {
            state.catalogue[index].item_id
            for index in range(len(state.catalogue))
            if not state.catalogue[index].alive
        }
        return set(request.candidates) - excluded - removed
    user = state.users.get(request.user_id)
    consumed = (
        set()
        if user is None
        else {state.catalogue[index].item_id for index in user.consumed.items.tolist()}
    )
    alive = {
        state.catalogue[index].item_id
        for index in range(len(state.catalogue))
        if state.catalogue[index].alive
    }
    return alive - consumed - excluded


@settings(max_examples=60, deadline=None)
@given(
    history=events,
    request=requests,
    snapshot=st.booleans(),
    ranker=st.sampled_from(sorted(RANKERS)),
)
def test_any_answer_may_be_logged(
    history: list[Event], request: Request, snapshot: bool, ranker: str
) -> None:
    engine = engine_with(history, RANKERS[ranker])
    if snapshot:
        engine.snapshot()
    before = engine.fingerprint()
    answer = engine.recommend(request)
    assert engine.recommend(request) == answer
    assert engine.fingerprint() == before
    decision = answer.decision
    shown = [slot.item_id for slot in decision.slots]
    eligible = allowed(engine, request)
    assert len(set(shown)) == len(shown) == min(request.n, len(eligible))
    assert set(shown) <= eligible
    assert (decision.event_id, decision.user_id) == (request.decision_id, request.user_id)
    assert set(answer.unknown_items) == {
        item_id
        for item_id in set(request.candidates or ()) - set(request.exclude)
        if item_id not in eligible or engine.state.catalogue.index(item_id) is None
    }
    validate(decision)
    engine.apply([decision])
    assert engine.stats().failed == 0
    assert engine.decision(request.decision_id) == decision
