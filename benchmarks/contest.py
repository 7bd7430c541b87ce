"""Us and the obvious alternatives (``benchmarks.peers``): the same machine, stream and client.

The stream is that of a data set's clicks (of MovieLens, five stars), oldest first. All but the last
5,000 of the first 60,000 are learned; each of these is asked for, in lists of ten without what the
person has, and then learned, by each alternative in its own way. What is built in batches is built
anew before them and after each thousand. Ours is asked in process, at the time of the event,
exploration off; the alternatives do not know times.

Then, one server after the other, over HTTP: lists of ten for one client and for 64 in a closed
loop, events in requests of a hundred, and own clicks, from the acknowledgement to the first list
without the clicked item (``benchmarks.contest_clicks``).
"""

import tempfile
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from random import Random
from statistics import median
from typing import Final

import msgspec

from benchmarks.alternative import ALTERNATIVES, Alternative, Kind, environment, running
from benchmarks.closed_loop import Loader, loader
from benchmarks.connection import request_of
from benchmarks.contest_clicks import Clicked, clicks_seen
from benchmarks.ingest import send_all
from benchmarks.server import hear_signals
from benchmarks.warm import LIST, question, warm_server
from recsys.client import NewFeedback
from recsys.client.calls import send_events
from recsys.datasets import Interaction, act_of, feedback_of, read_interactions
from recsys.decision import Request
from recsys.engine import Engine
from recsys.settings import ArmSettings, EngineSettings, GreedySettings

__all__ = [
    "Contest", "Contestant", "Stream", "hits", "measure", "our_hits", "rows", "told",
]  # fmt: skip

OURS: Final = "recsys"
_PATH: Final = "/v1/recommend"
_CLICK_AT: Final = 5.0
_STREAM: Final = 60_000
_ASKED: Final = 5_000
_REBUILT_EVERY: Final = 1_000
_MANY: Final = 64
_SENDERS: Final = 8
_BATCH: Final = 100
_SEED: Final = 1


class Contestant(msgspec.Struct, frozen=True):
    """One of them; medians of the rounds.

    Attributes
    ----------
    recall_at_10
        Over the last part of the stream.
    list_p50_ms, list_p99_ms
        For one client.
    lists_per_s, many_p99_ms
        For 64 clients.
    events_per_s
        Acknowledged, 100 per request, 8 connections.
    own_click
        ``None`` where ``missing`` says what the machine lacks.
    """

    name: str
    missing: str = ""
    recall_at_10: float | None = None
    ranked: int = 0
    list_p50_ms: float | None = None
    list_p99_ms: float | None = None
    lists_per_s: float | None = None
    many_p99_ms: float | None = None
    events_per_s: float | None = None
    own_click: Clicked | None = None
    errors: dict[str, int] = {}


class Contest(msgspec.Struct, frozen=True):
    """All of them, ours first."""

    contestants: list[Contestant]
    clients_by: str


class Stream:
    """The clicks of a data set.

    Attributes
    ----------
    learned, asked, live
        What is learned first; what is asked for and then learned; what comes later.
    """

    def __init__(self, data: Path) -> None:
        clicks = [row for row in read_interactions(data) if act_of(row, _CLICK_AT).type == "click"]
        n = min(_STREAM, len(clicks) // 2)
        n_asked = min(_ASKED, n // 5)
        self.learned = clicks[: n - n_asked]
        self.asked = clicks[n - n_asked : n]
        self.live = clicks[n:]


def hits(
    stream: Stream,
    ask: Callable[[Interaction], Sequence[str]],
    learn: Callable[[Interaction], None],
) -> tuple[int, int]:
    """Return how many of the asked clicks stood on the list before, and how many were asked for.

    Those of new people, or on items that nobody has clicked, are only learned.
    """
    people = {row.user for row in stream.learned}
    items = {row.item for row in stream.learned}
    found = ranked = 0
    for row in stream.asked:
        if row.user in people and row.item in items:
            ranked += 1
            found += row.item in ask(row)
        learn(row)
        people.add(row.user)
        items.add(row.item)
    return found, ranked


def our_hits(stream: Stream) -> tuple[int, int]:
    """Do as ``hits`` with an engine in this process."""
    arms = {"learner": ArmSettings(policy=GreedySettings())}
    settings = EngineSettings().model_copy(update={"arms": arms})
    with closing(Engine.open(None, settings)) as engine:
        for first in range(0, len(stream.learned), 1000):
            some = stream.learned[first : first + 1000]
            engine.apply([feedback_of(row, "contest", _CLICK_AT) for row in some])

        def ask(row: Interaction) -> list[str]:
            request = Request(
                user_id=row.user, ts_ms=row.ts_ms, decision_id=f"ask-{row.line}", n=LIST
            )
            return [slot.item_id for slot in engine.recommend(request).decision.slots]

        def learn(row: Interaction) -> None:
            engine.apply([feedback_of(row, "contest", _CLICK_AT)])

        return hits(stream, ask, learn)


def _their_hits(stream: Stream, one: Alternative, kind: Kind) -> tuple[int, int]:
    one.learn([(row.user, row.item) for row in stream.learned])
    one.rebuild()
    learned = 0

    def learn(row: Interaction) -> None:
        nonlocal learned
        one.learn([(row.user, row.item)])
        learned += 1
        if kind.batch and learned % _REBUILT_EVERY == 0:
            one.rebuild()

    return hits(stream, lambda row: one.recommend(row.user), learn)


def _speeds(
    url: str, people: Sequence[str], live: Sequence[Interaction], load: Loader, *,
    rounds: int, seconds: float, patient: bool,
) -> Contestant:  # fmt: skip
    """Measure a running server, nameless as yet."""
    asked = Random(_SEED).sample(people, len(people))
    bodies = [question(person) for person in asked]
    load(url, _PATH, bodies, clients=_MANY, seconds=1.0)
    one = [load(url, _PATH, bodies, clients=1, seconds=seconds) for _ in range(rounds)]
    many = [load(url, _PATH, bodies, clients=_MANY, seconds=seconds) for _ in range(rounds)]
    clicked = clicks_seen(url, asked, patient=patient)
    each = len(live) // rounds // _BATCH * _BATCH
    eps = list[float]()
    for number in range(rounds):
        some = live[number * each : (number + 1) * each]
        clicks = [NewFeedback(type="click", user_id=row.user, item_id=row.item) for row in some]
        starts = range(0, each, _BATCH)
        sent = [request_of(url, send_events(clicks[at : at + _BATCH])) for at in starts]
        eps.append(each / send_all(url, sent, _SENDERS).seconds)
    errors = {
        f"{run.clients}: {kind}": n for run in (*one, *many) for kind, n in run.errors.items()
    }
    return Contestant(
        name="",
        list_p50_ms=median(run.p50_ms for run in one),
        list_p99_ms=median(run.p99_ms for run in one),
        lists_per_s=median(run.rps for run in many),
        many_p99_ms=median(run.p99_ms for run in many),
        events_per_s=median(eps),
        own_click=clicked,
        errors=errors,
    )


def measure(
    data: Path, *, rounds: int, seconds: float, events: int, venv: Path | None,
    say: Callable[[str], None],
) -> Contest:  # fmt: skip
    """Measure all of them.

    Parameters
    ----------
    seconds
        Of each load.
    events
        Per round.
    venv
        See ``environment``.

    Raises
    ------
    RuntimeError
        When one of them does not start, or what they need cannot be installed.
    """
    hear_signals()
    stream = Stream(data)
    live = stream.live[: rounds * events]
    found = list[Contestant]()
    with (
        tempfile.TemporaryDirectory(prefix="bench-recsys-") as name,
        environment(venv, say) as python,
    ):
        folder = Path(name)
        load, tool = loader(folder)
        people = sorted({row.user for row in stream.learned})

        def add(contestant: Contestant, title: str, counted: tuple[int, int]) -> None:
            recall = counted[0] / counted[1] if counted[1] else None
            named = {"name": title, "recall_at_10": recall, "ranked": counted[1]}
            found.append(msgspec.structs.replace(contestant, **named))
            say(f"{title}: {told(found[-1])}")

        say(f"{OURS}: {_STREAM:,} clicks ...")
        ours = our_hits(stream)
        n = len(stream.learned) + len(stream.asked) - 1
        with warm_server(_written(stream, folder), history=n) as warm:
            speeds = _speeds(
                warm.url, people, live, load, rounds=rounds, seconds=seconds, patient=False
            )
        add(speeds, OURS, ours)
        for kind in ALTERNATIVES:
            if kind.missing:
                found.append(Contestant(name=kind.name, missing=kind.missing))
                continue
            with running(kind, python, folder) as one:
                theirs = _their_hits(stream, one, kind)
                speeds = _speeds(
                    one.url, people, live, load, rounds=rounds, seconds=seconds, patient=kind.batch
                )
            add(speeds, kind.name, theirs)
    return Contest(found, tool)


def _written(stream: Stream, folder: Path) -> Path:
    """Write the stream as a file, for ``warm_server``."""
    path = folder / "clicks.csv"
    with path.open("w") as file:
        file.write("user,item,rating,timestamp\n")
        file.writelines(
            f"{row.user},{row.item},{_CLICK_AT},{row.ts_ms / 1000.0:.3f}\n"
            for row in (*stream.learned, *stream.asked)
        )
    return path


def told(one: Contestant) -> str:
    """Return one line for people."""
    if one.missing:
        return f"not measured: {one.missing}"
    recall = f"{one.recall_at_10:.4f}" if one.recall_at_10 is not None else "none"
    clicked = one.own_click.text() if one.own_click else "not measured"
    return (
        f"Recall@10 {recall}; a list p50 {one.list_p50_ms:.2f}, p99 {one.list_p99_ms:.2f} ms; "
        f"{_MANY} clients {one.lists_per_s:,.0f}/s, p99 {one.many_p99_ms:.0f} ms; "
        f"{one.events_per_s:,.0f} events/s; own click {clicked}"
    )


def rows(found: Contest) -> dict[str, str]:
    """Return what people read."""
    return {one.name: told(one) for one in found.contestants} | {"asked by": found.clients_by}
