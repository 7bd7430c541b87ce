"""What a document from outside says that a person did, as an event; over HTTP and from Kafka."""

from datetime import UTC, datetime, timedelta
from typing import Final

from actors.http.schema import EARLIEST_MS, EventBody
from recsys.errors import InvalidEvent
from recsys.events import Feedback, validate
from recsys.ids import new_id

__all__ = ["feedback_of", "time_of"]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)


def feedback_of(body: EventBody, pointer: str, received_ms: int, skew_s: float) -> Feedback:
    """Return the event, with an id and a time if the document has none.

    Parameters
    ----------
    pointer
        JSON pointer of the document inside of what carried it.
    received_ms
        The time of an event without one.
    skew_s
        How far a time may lie ahead of ``received_ms``.

    Raises
    ------
    InvalidEvent
        Naming the value that breaks a limit.
    """
    event = Feedback(
        event_id=new_id() if body.event_id is None else body.event_id,
        user_id=body.user_id,
        ts_ms=time_of(body.timestamp, pointer, received_ms, skew_s),
        type=body.type,
        item_id=body.item_id,
        value=body.value,
        decision_id=body.decision_id,
        context=body.context,
        survival=1.0 if body.survival is None else body.survival,
    )
    validate(event, pointer)
    return event


def time_of(timestamp: datetime | int | None, pointer: str, received_ms: int, skew_s: float) -> int:
    """Return a document's time in epoch milliseconds, ``received_ms`` when it has none.

    Raises
    ------
    InvalidEvent
        When it looks like seconds, or lies in the future.
    """
    if timestamp is None:
        return received_ms
    if isinstance(timestamp, datetime):
        ts_ms = (timestamp - _EPOCH) // _MILLISECOND
    else:
        ts_ms = timestamp
        if 0 <= ts_ms < EARLIEST_MS:
            detail = f"epoch milliseconds are expected, got {ts_ms}, which looks like seconds"
            raise InvalidEvent(f"{pointer}/timestamp", detail)
    if ts_ms > received_ms + skew_s * 1000:
        detail = f"lies more than {skew_s:g} s in the future of the server"
        raise InvalidEvent(f"{pointer}/timestamp", detail)
    return ts_ms
