"""A server with a history for benchmarks, without Ray and without processes."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import cast

from actors.settings import ServerSettings
from benchmarks.server import Server
from benchmarks.warm import Live, Warm, split
from recsys.client import Client, NewFeedback
from recsys.settings import EngineSettings
from tests.servers import live

__all__ = ["PEOPLE", "WarmServer", "ratings", "stand_in"]

PEOPLE = 90
_EACH = 6
_ITEMS = 40

WarmServer = Callable[..., AbstractContextManager[Warm]]


def ratings(folder: Path) -> Path:
    """Write a data set in which one person comes after the other."""
    path = folder / "ratings.csv"
    rows = (
        f"u{person},i{(person * 7 + place * 3) % _ITEMS},{3 + place % 3},{1000 * person + place}\n"
        for person in range(PEOPLE)
        for place in range(_EACH)
    )
    path.write_text("user,item,rating,timestamp\n" + "".join(rows))
    return path


def stand_in(folder: Path) -> WarmServer:
    """Return what can take the place of ``warm_server``."""

    @contextmanager
    def warm(
        data: Path,
        engine: Mapping[str, object] | None = None,
        *,
        history: int | None = None,
        keep: Path | None = None,
    ) -> Iterator[Warm]:
        past, rest = split(data, folder, history)
        settings = ServerSettings(engine=EngineSettings.model_validate(engine or {}))
        with live(settings) as url:
            with Client(url) as client:
                client.send_events(
                    [NewFeedback(type="click", user_id=row.user, item_id=row.item) for row in past]
                )
            server = cast("Server", SimpleNamespace(url=url))
            people = sorted({row.user for row in past} - rest.people)
            yield Warm(server, people, Live(rest.rows), len(past))

    return warm
