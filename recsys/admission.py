"""Which events a state has a place for; asked before they are appended."""

from collections.abc import Sequence

from recsys.errors import InvalidEvent
from recsys.events import Adopt, Event, ItemUpsert, validate
from recsys.state import State

__all__ = ["check_events"]


def check_events(state: State, events: Sequence[Event], pointer: str) -> None:
    """Refuse events of which one breaks a limit, or brings an item for which there is no room.

    Raises
    ------
    InvalidEvent
        Naming the field, with the JSON pointer of ``events`` before it.
    """
    catalogue = state.catalogue
    base = state.counters.base.version + 1
    new = set[str]()
    for place, event in enumerate(events):
        validate(event, f"{pointer}/{place}")
        if isinstance(event, Adopt) and event.version != base:
            detail = f"the next base version is {base}, got {event.version}"
            raise InvalidEvent(f"{pointer}/{place}/version", detail)
        if isinstance(event, ItemUpsert) and catalogue.index(event.item_id) is None:
            new.add(event.item_id)
            if len(new) > catalogue.room:
                bound = state.settings.catalogue.max_items
                detail = f"the catalogue is full (catalogue.max_items is {bound})"
                raise InvalidEvent(f"{pointer}/{place}/item_id", detail)
