"""One shard learns its part of a history, in a process of its own.

The way of an event is that of a live one: checked, appended with the others of its batch in one
durable commit, folded if it is new. What the process is sent is a batch, or what others have seen,
both answered by a ``Taught``, or nothing, which asks for a last snapshot and a ``Finished``. When
the pipe breaks, because who sends is gone, it ends as well as if it had been asked.
"""

import gc
import logging
import traceback
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from multiprocessing.connection import Connection
from queue import SimpleQueue
from threading import Thread
from time import perf_counter
from typing import Final

import msgspec

from actors.layout import shard_folder
from actors.mix_calls import mixing_name
from actors.settings import ServerSettings, mixes
from actors.training.history import Heard, Tell, decode_work
from recsys.engine import Engine
from recsys.errors import InvalidEvent, RecsysError
from recsys.events import Event, Feedback, ItemUpsert
from recsys.mixing.cut import Contribution
from recsys.mixing.port import Position
from recsys.store.base import Outcome

__all__ = [
    "Failed",
    "Finished",
    "Ready",
    "Report",
    "Taught",
    "Teacher",
    "decode_report",
    "prepare_process",
    "work",
]

_log = logging.getLogger(__name__)

_SNAPSHOT_EVERY_S: Final = 5.0
"""At the least; longer where snapshots take long."""
_SNAPSHOT_SHARE: Final = 0.02
"""Snapshots take at most this part of the time: they are for going on, not for being safe."""


_COLLECT_EVERY: Final = 100_000
"""Objects. Events come and go without leaving cycles; looking for some as often as Python does by
itself takes a tenth of the time."""


class Taught(msgspec.Struct, frozen=True, tag=True):
    """What became of the feedback of a batch; items count for nothing.

    Attributes
    ----------
    conflicts
        The same id was there with other content; the first one stays.
    other_items
        Items whose id was there with other content.
    pieces
        What others are to be told of it.
    """

    accepted: int = 0
    duplicates: int = 0
    conflicts: int = 0
    other_items: int = 0
    pieces: tuple[Contribution, ...] = ()


class Ready(msgspec.Struct, frozen=True, tag=True):
    """The first word of a shard that mixes."""

    position: Position


class Finished(msgspec.Struct, frozen=True, tag=True):
    """The last word of a shard whose state is in its snapshot.

    Attributes
    ----------
    sequence
        Of its last event.
    refused_items
        Items for which the catalogue had no room, ever.
    failed
        Events of its log that could not be learned, ever.
    """

    sequence: int
    refused_items: int
    failed: int


class Failed(msgspec.Struct, frozen=True, tag=True):
    """The last word of a shard that cannot go on; what it was sent before is durable."""

    reason: str


Report = Ready | Taught | Finished | Failed

_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[Report] = msgspec.msgpack.Decoder(Report)


def decode_report(payload: bytes) -> Report:
    """Return what a teacher has sent."""
    return _decoder.decode(payload)


class Teacher:
    """Feeds an engine.

    Parameters
    ----------
    name
        Under which the shard mixes; empty when it does not.
    """

    def __init__(self, engine: Engine, name: str = "") -> None:
        self._engine = engine
        self._told = 0
        if name and (begin := engine.mix.begin(name)) is not None:
            engine.apply([begin])
        self._next_s = perf_counter() + _SNAPSHOT_EVERY_S

    def teach(self, events: Sequence[Event]) -> Taught:
        """Make events durable and learn the new ones.

        Raises
        ------
        InvalidEvent
            When one breaks a limit, or the catalogue has no room; then none was taken.
        StoreError
            When they could not be written.
        """
        self._engine.check(events)
        appends = self._engine.append(events)
        self._engine.fold(events, appends)
        if perf_counter() >= self._next_s:
            self._snapshot()
        outcomes = Counter(
            (type(event), append.outcome) for event, append in zip(events, appends, strict=True)
        )
        return Taught(
            accepted=outcomes[Feedback, Outcome.ACCEPTED],
            duplicates=outcomes[Feedback, Outcome.DUPLICATE],
            conflicts=outcomes[Feedback, Outcome.CONFLICT],
            other_items=outcomes[ItemUpsert, Outcome.CONFLICT],
            pieces=self._pieces(),
        )

    def hear(self, pieces: Sequence[Contribution]) -> Taught:
        """Learn what others have seen; what is known already is not learned again."""
        self._engine.apply([self._engine.mix.mixed(piece) for piece in pieces])
        return Taught()

    def tell(self, after: int, stops: Sequence[int] = ()) -> Taught:
        """Tell what was learned since a sequence of the log, and from now on what comes.

        Parameters
        ----------
        stops
            Where others are, who could not go on in the middle of a piece.
        """
        self._told = after
        return Taught(pieces=self._pieces(stops))

    @property
    def position(self) -> Position:
        """How far it is with what others have seen."""
        return self._engine.mix.position

    def _pieces(self, stops: Sequence[int] = ()) -> tuple[Contribution, ...]:
        """Return what was learned since this was asked before, for others to learn."""
        cut = self._engine.mix.cut(self._told)
        if cut is None:
            return ()
        pieces = tuple(cut.seal(self._engine.settings.mix.slice, stops=stops))
        if pieces:
            # Where there are no lessons there is no piece: the next one follows the last.
            self._told = pieces[-1].upto
        return pieces

    def finish(self) -> Finished:
        """Take a last snapshot."""
        stats = self._engine.stats()
        if stats.sequence != stats.snapshot_sequence:
            self._engine.snapshot()
        return Finished(stats.sequence, stats.evicted["items"], stats.failed)

    def _snapshot(self) -> None:
        started_s = perf_counter()
        self._engine.snapshot()
        ended_s = perf_counter()
        self._next_s = ended_s + max(_SNAPSHOT_EVERY_S, (ended_s - started_s) / _SNAPSHOT_SHARE)


def prepare_process() -> None:
    """Set up a process that does nothing but learn."""
    logging.basicConfig(format="recsys: %(message)s")
    gc.set_threshold(_COLLECT_EVERY)


def work(index: int, settings: ServerSettings, pipe: Connection) -> None:
    """Be the process of shard ``index``."""
    prepare_process()
    report: Report
    try:
        folder = shard_folder(settings.shards.data_dir, index)
        with closing(Engine.open(folder, settings.engine)) as engine:
            name = mixing_name(index, engine.key) if mixes(settings) else ""
            teacher = Teacher(engine, name)
            if name:
                pipe.send_bytes(_encoder.encode(Ready(teacher.position)))
            report = _teach(teacher, pipe)
    except InvalidEvent as error:
        # The place within a batch says nothing to anybody.
        report = Failed(error.detail)
    except RecsysError as error:
        report = Failed(str(error))
    except Exception as error:
        # Nobody else would say it: the process ends here.
        _log.error("shard %d: %s", index, traceback.format_exc())
        report = Failed(f"{type(error).__name__}: {error}")
    try:
        pipe.send_bytes(_encoder.encode(report))
    except OSError:
        # Who sent is gone; the state is in the snapshot, or the log has it.
        if isinstance(report, Failed):
            _log.warning("shard %d: %s", index, report.reason)


def _teach(teacher: Teacher, pipe: Connection) -> Finished:
    # A batch is more than a pipe holds, and who sends has others to serve.
    inbox = SimpleQueue[bytes]()
    Thread(target=_fill, args=(inbox, pipe), daemon=True).start()
    while payload := inbox.get():
        match decode_work(payload):
            case Heard(pieces):
                taught = teacher.hear(pieces)
            case Tell(after, stops):
                taught = teacher.tell(after, stops)
            case events:
                taught = teacher.teach(events)
        try:
            pipe.send_bytes(_encoder.encode(taught))
        except OSError:
            break
    return teacher.finish()


def _fill(inbox: "SimpleQueue[bytes]", pipe: Connection) -> None:
    """Read ahead; the last payload is an empty one, who sends having asked for the end or gone."""
    payload = b"?"
    while payload:
        try:
            payload = pipe.recv_bytes()
        except (EOFError, OSError):
            payload = b""
        inbox.put(payload)
