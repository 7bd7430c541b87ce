"""Stands before the routes: who calls, whether they may, and how much.

Refusals are counted and logged by the name of the key and the pattern of the path, never with an
id; so are the calls that only an administrator may make.
"""

import functools
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from time import monotonic
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from actors.auth.allowance import Allowance
from actors.auth.keys import Key, Scope
from actors.auth.ring import KeyRing
from actors.auth.settings import AuthSettings
from actors.http.problems import Problem, problem_of, request_id_of, retry_after
from recsys.events import Feedback

__all__ = ["Admission", "Guard", "Handler"]

_audit = logging.getLogger("actors.audit")

Handler = Callable[[Request], Awaitable[Response]]
_Charge = tuple[Allowance, Sequence[str], float]
"""By event, whose allowance it was taken from; and pieces per second."""

_CALLER: Final = "recsys.caller"
_BURST_S: Final = 2.0
"""Caps hold over so long: what may be done at once."""
_CHALLENGE: Final = {"WWW-Authenticate": 'Bearer realm="recsys"'}


class Admission:
    """What a caller may have learned of a batch.

    Attributes
    ----------
    capped
        By index, the events that are one too many of their person, and seconds to wait.
    """

    def __init__(self, capped: dict[int, float], charges: Sequence[_Charge]) -> None:
        self.capped = capped
        self._charges = charges

    def give_back(self, indices: Iterable[int]) -> None:
        """Take events off the accounts that nobody has learned: they will come again."""
        for index in indices:
            for allowance, names, rate in self._charges:
                allowance.give_back(names[index], rate)


class Guard:
    """Lets calls through whose key has the scope.

    Parameters
    ----------
    gateways
        Among which the caps are divided, as each counts for itself.
    clock
        Seconds that never go back.
    """

    def __init__(
        self,
        ring: KeyRing,
        settings: AuthSettings,
        *,
        gateways: int = 1,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._ring = ring
        self._settings = settings
        self._share = 1.0 / gateways
        self._refusals = Allowance(clock=clock)
        self._requests = Allowance(clock=clock)
        self._events = Allowance(clock=clock)
        self._people = Allowance(clock=clock)
        self._untold = 0

    def protect(self, handler: Handler, scope: Scope, call: str) -> Handler:
        """Return the handler with the guard before it.

        Parameters
        ----------
        call
            Method and pattern of the path, for the log.
        """

        @functools.wraps(handler)
        async def guarded(request: Request) -> Response:
            key = self._admit(request, scope, call)
            request.scope[_CALLER] = key
            if scope != "admin":
                return await handler(request)
            return await _audited(handler, request, key, call)

        return guarded

    def admit_events(self, request: Request, events: Sequence[Feedback]) -> Admission:
        """Hold a batch against the caps of its key, and of the people in it.

        A person's account is the key's, so that no caller uses up what another may send of them.

        Raises
        ------
        Problem
            429 when the key has sent too many.
        """
        key: Key = request.scope[_CALLER]
        capped = dict[int, float]()
        charges = list[_Charge]()
        rate = self._settings.person_events_per_s * self._share
        if rate and not key.allows("admin"):
            burst = max(1.0, self._settings.person_burst * self._share)
            names = [f"{key.name} {event.user_id}" for event in events]
            waits = (self._people.take(name, rate, burst) for name in names)
            capped = {index: wait for index, wait in enumerate(waits) if wait}
            charges.append((self._people, names, rate))
        admission = Admission(capped, charges)
        left = [index for index in range(len(events)) if index not in capped]
        try:
            self._charge(self._events, key, key.events_per_s, "events", len(left))
        except Problem:
            admission.give_back(left)
            raise
        if key.events_per_s:
            charges.append((self._events, [key.name] * len(events), key.events_per_s * self._share))
        return admission

    def admit_lists(self, request: Request, n: int) -> None:
        """Hold a batch of ``n`` lists against the cap of its key: each is a request.

        Raises
        ------
        Problem
            429 when the key has sent too many.
        """
        key: Key = request.scope[_CALLER]
        # The call itself has been counted.
        self._charge(self._requests, key, key.requests_per_s, "requests", n - 1)

    def _admit(self, request: Request, scope: Scope, call: str) -> Key:
        text = _text_in(request)
        key = self._ring.find(text)
        if key is None:
            detail = (
                "this API key is not known, or it has expired"
                if text
                else "this server asks for an API key: Authorization: Bearer KEY"
            )
            raise self._refuse(Problem(401, detail, headers=_CHALLENGE), request, None, call)
        if not key.allows(scope):
            detail = f"this API key has not the scope {scope}; it has {', '.join(key.scopes)}"
            raise self._refuse(Problem(403, detail), request, key, call)
        self._charge(self._requests, key, key.requests_per_s, "requests", 1)
        return key

    def _charge(self, allowance: Allowance, key: Key, rate: float, what: str, n: int) -> None:
        """Let a key have what it may."""
        if not rate or not n:
            return
        burst = max(1.0, rate * self._share * _BURST_S)
        wait = allowance.take(key.name, rate * self._share, burst, n)
        if wait:
            detail = f"this API key may send {rate:g} {what} a second"
            raise Problem(429, detail, headers=retry_after(wait))

    def _refuse(self, problem: Problem, request: Request, key: Key | None, call: str) -> Problem:
        """Return what to answer, and write it down, unless there are too many of them.

        Who guesses keys can neither fill the log nor, as keys are looked up before, keep others
        out. Who brings none is always told that one is needed: the console waits for that.
        """
        rate = self._settings.refusals_per_s
        wait = self._refusals.take(key.name if key else "", rate, max(1.0, rate * _BURST_S))
        if wait:
            self._untold += 1
            if not _text_in(request):
                return problem
            return Problem(429, "too many calls are refused here", headers=retry_after(wait))
        untold, self._untold = self._untold, 0
        _audit.warning(
            "refused %d: %s by %s, request %s%s",
            problem.status,
            call,
            f"key {key.name}" if key else "nobody known",
            request_id_of(request),
            f"; {untold} more since the last line" if untold else "",
        )
        return problem


async def _audited(handler: Handler, request: Request, key: Key, call: str) -> Response:
    """Handle a call and write down who made it, and how it ended."""
    status = 500
    try:
        response = await handler(request)
        status = response.status_code
        return response
    except Exception as error:
        status = problem_of(error).status
        raise
    finally:
        _audit.info("%s by key %s: %d, request %s", call, key.name, status, request_id_of(request))


def _text_in(request: Request) -> str:
    """Return the key that a request brings, empty for none."""
    own = request.headers.get("x-api-key", "").strip()
    if own:
        # Beside it, the other header may be somebody else's: of a proxy that knows its callers.
        return own
    scheme, _, text = request.headers.get("authorization", "").partition(" ")
    return text.strip() if scheme.lower() == "bearer" else ""
