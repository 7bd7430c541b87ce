"""What is asked of the engine and what it answers."""

from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple

import msgspec

from recsys.conform import settle
from recsys.errors import InvalidEvent
from recsys.events import MAX_SLOTS, Context, Decision, Slot, check_context, check_ts
from recsys.ids import check_id

__all__ = ["Made", "Recommendation", "Request", "conform_request", "validate_request"]


class Request(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One question: what to show this user now.

    Attributes
    ----------
    ts_ms
        The moment of asking, on the clock of the events.
    decision_id
        Seeds the draw: the same id against the same state gives the same list.
    n
        Slots wanted; fewer come back when fewer items are eligible.
    candidates
        Rank these items instead of asking the sources; then nothing is filtered but ``exclude``
        and what was removed from the catalogue.
    arm
        Serve this arm instead of the one the user's hash falls into.
    """

    user_id: str
    ts_ms: int
    decision_id: str
    n: int = 10
    context: Context = {}
    candidates: tuple[str, ...] | None = None
    exclude: tuple[str, ...] = ()
    arm: str | None = None


_decoder = msgspec.msgpack.Decoder(Request)


class Made(NamedTuple):
    """A list, best place first.

    Attributes
    ----------
    items, propensities, scores
        Of each place.
    rows, shared
        Features of each place, one after the other, and of the request; float16 little-endian.
    threshold
        See ``recsys.policies.slate.Slate``.
    degraded
        Whether the scores were not finite, so that the mix took their place.
    """

    items: list[str]
    propensities: list[float]
    scores: list[float]
    rows: bytes
    shared: bytes
    threshold: float | None = None
    degraded: bool = False


class Recommendation(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """The answer: the list, the decision to log, and what only the asker wants to know.

    Attributes
    ----------
    policy, model_sequence, fallback
        See ``recsys.events.Decision``.
    unknown_items
        Candidates that are not in the catalogue, sorted. Those it never had were ranked as items
        without history; those that were removed were left out.
    """

    request: Request
    made: Made
    policy: str
    model_sequence: int
    fallback: bool
    unknown_items: tuple[str, ...] = ()

    @property
    def degraded(self) -> bool:
        """Whether the scores were not finite, so that the mix took their place."""
        return self.made.degraded

    @cached_property
    def decision(self) -> Decision:
        """What is logged; made when it is first asked for: a list can leave before that."""
        request, made = self.request, self.made
        rows, n = made.rows, len(made.items)
        width = len(rows) // n if n else 0
        features = [rows[at * width : (at + 1) * width] for at in range(n)]
        return Decision(
            event_id=request.decision_id,
            user_id=request.user_id,
            ts_ms=request.ts_ms,
            slots=tuple(map(Slot, made.items, made.propensities, made.scores, features)),
            policy=self.policy,
            context=request.context,
            model_sequence=self.model_sequence,
            threshold=made.threshold,
            fallback=self.fallback,
            features=made.shared,
        )


def conform_request(request: Request) -> Request:
    """Return a copy of a request, each value of the type that the schema says.

    Python makes a struct of anything; see ``recsys.conform``.

    Raises
    ------
    InvalidEvent
        When a value is not of its type.
    """
    return settle(request, _decoder)


def validate_request(request: Request) -> None:
    """Hold a request against its limits.

    Raises
    ------
    InvalidEvent
        Naming the first field that breaks one.
    """
    check_id(request.user_id, "/user_id")
    check_id(request.decision_id, "/decision_id")
    check_ts(request.ts_ms, "/ts_ms")
    if not 1 <= request.n <= MAX_SLOTS:
        raise InvalidEvent("/n", f"must lie in 1..{MAX_SLOTS}, got {request.n}")
    if request.context:
        check_context(request.context, "/context")
    if request.candidates is not None:
        _check_items(request.candidates, "candidates")
    if request.exclude:
        _check_items(request.exclude, "exclude")


def _check_items(ids: Sequence[str], name: str) -> None:
    if not ids:
        raise InvalidEvent(f"/{name}", "at least one item is needed")
    if len(ids) > MAX_SLOTS:
        raise InvalidEvent(f"/{name}", f"at most {MAX_SLOTS} items, got {len(ids)}")
    for place, item_id in enumerate(ids):
        check_id(item_id, f"/{name}/{place}")
