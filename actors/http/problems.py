"""Every error as a problem document (RFC 9457); nothing of our insides gets into one.

The types of problem are ``urn:recsys:problem:`` and one of: ``unreadable`` (400), ``unauthorized``
(401), ``forbidden`` (403), ``not-found`` (404), ``method-not-allowed`` (405), ``slow-body`` (408),
``too-large`` (413), ``content-type`` (415), ``invalid`` (422), ``overloaded`` (429), ``internal``
(500), ``unavailable`` (503).
"""

import math
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from typing_extensions import override

from actors.errors import Overloaded, ShardUnavailable
from actors.http.schema import Fault, ProblemDocument
from recsys.errors import InvalidEvent

__all__ = [
    "REQUEST_ID",
    "Problem",
    "answer_error",
    "problem_of",
    "request_id_of",
    "retry_after",
]

REQUEST_ID: Final = "recsys.request_id"
"""Key of the request id in the scope."""
_MEDIA_TYPE: Final = "application/problem+json"
_RETRY_AFTER_S: Final = 1.0
_LONGEST: Final = 400
"""Characters of a detail or pointer; what is wrong with a value can be as long as the value."""
_TYPES: Final = {
    400: "unreadable",
    401: "unauthorized",
    403: "forbidden",
    404: "not-found",
    405: "method-not-allowed",
    408: "slow-body",
    413: "too-large",
    415: "content-type",
    422: "invalid",
    429: "overloaded",
    500: "internal",
    503: "unavailable",
}

_encoder = msgspec.json.Encoder()


class Problem(Exception):
    """A request that is answered with an error.

    Parameters
    ----------
    detail
        What was expected and what was got.
    errors
        The values that are wrong.
    """

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        errors: tuple[Fault, ...] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(status, detail)
        self.status = status
        self.detail = detail
        self.errors = errors
        self.headers = dict(headers or {})

    @override
    def __str__(self) -> str:
        return f"{self.status}: {self.detail}"

    def response(self, request_id: str) -> Response:
        """Return the document."""
        kind = _TYPES.get(self.status)
        document = ProblemDocument(
            type=f"urn:recsys:problem:{kind}" if kind else "about:blank",
            title=HTTPStatus(self.status).phrase,
            status=self.status,
            detail=_shorten(self.detail),
            instance=request_id,
            errors=tuple(
                Fault(pointer=_shorten(fault.pointer), detail=_shorten(fault.detail))
                for fault in self.errors
            ),
        )
        return Response(
            _encoder.encode(document), self.status, headers=self.headers, media_type=_MEDIA_TYPE
        )


def request_id_of(request: Request) -> str:
    """Return the id under which the request is answered and logged."""
    return str(request.scope.get(REQUEST_ID, ""))


async def answer_error(request: Request, error: Exception) -> Response:
    """Answer an error that a route raised on purpose; others are the envelope's."""
    return problem_of(error).response(request_id_of(request))


def problem_of(error: Exception) -> Problem:
    """Return what an error means to the caller; an unknown one is raised again."""
    match error:
        case Problem():
            return error
        case InvalidEvent():
            fault = Fault(pointer=error.pointer, detail=error.detail)
            where = error.pointer or "the body"
            return Problem(422, f"{where}: {error.detail}", errors=(fault,))
        case Overloaded():
            return Problem(429, str(error), headers=retry_after(error.retry_after_s))
        case ShardUnavailable():
            return Problem(503, str(error), headers=retry_after())
        case ClientDisconnect():
            return Problem(400, "the connection was closed before the body was complete")
        case HTTPException():
            nowhere = error.status_code == 404
            detail = "there is nothing at this path" if nowhere else error.detail
            return Problem(error.status_code, detail, headers=error.headers)
        case _:
            raise error


def retry_after(seconds: float = _RETRY_AFTER_S) -> dict[str, str]:
    """Return the header that says when to ask again, in whole seconds."""
    return {"Retry-After": str(max(1, math.ceil(seconds)))}


def _shorten(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
