"""Creates the shards, knows who owns what, and has each of them watched."""

import asyncio
import importlib
import logging
from collections import deque
from collections.abc import Callable
from time import time_ns
from typing import Final

from typing_extensions import override

from actors.errors import ShardUnavailable, StartupError
from actors.fleet import Fleet, RayFleet, ShardLost
from actors.giving import Moved
from actors.handles import Notice, Ready, ShardHandle
from actors.layout import DataFolder
from actors.logs import log_to_stderr
from actors.mixer import MixerAtWork
from actors.moves import Moves
from actors.ports import ShardPort
from actors.settings import ServerSettings, mixes
from actors.shard_map import ShardMap
from actors.watch import Watch

__all__ = ["Supervisor", "SupervisorActor"]

_log = logging.getLogger(__name__)

_NOTICES: Final = 200

MakeMixer = Callable[[Callable[[str], None]], MixerAtWork]


class Supervisor:
    """Watches the shards of one data directory.

    Parameters
    ----------
    folder
        Owned by this supervisor.
    interval_s
        Pause between two questions to a shard that is well.
    patience_s
        A shard that takes longer to answer is reported: it may be busy.
    make_mixer
        Called when the shards are open; takes what takes notices. Without it, nobody mixes.
    """

    def __init__(
        self,
        fleet: Fleet,
        folder: DataFolder,
        settings: ServerSettings,
        *,
        interval_s: float = 1.0,
        patience_s: float = 10.0,
        make_mixer: MakeMixer | None = None,
    ) -> None:
        self._make_mixer = make_mixer
        self._mixer: MixerAtWork | None = None
        self._fleet = fleet
        self._folder = folder
        self._shards = settings.shards
        self._interval_s = interval_s
        self._patience_s = patience_s
        self._opening = asyncio.Lock()
        self._watches: list[asyncio.Task[None]] = []
        self._answers: dict[int, Ready] = {}
        self._moves = Moves(fleet, folder, self.notice)
        self._notices: deque[Notice] = deque(maxlen=_NOTICES)
        self._noticed = 0

    async def start(self) -> ShardMap:
        """Open all shards and begin to watch them; return at once if that was done.

        Raises
        ------
        StartupError
            When a shard cannot be opened; none is left open.
        """
        async with self._opening:
            if not self._watches:
                await self._open_all()
        return self.shard_map()

    async def _open_all(self) -> None:
        shards = range(self._shards.count)
        for shard in shards:
            self._fleet.open(shard)
        answers = await asyncio.gather(
            *(self._opened(shard) for shard in shards), return_exceptions=True
        )
        try:
            failures = [answer for answer in answers if isinstance(answer, BaseException)]
            if failures:
                raise failures[0]
            self._folder.advance()
            await self._moves.tend({})
        except BaseException:
            await self._close_all(timeout_s=self._patience_s)
            raise
        self._watches = [
            asyncio.create_task(self._watch(shard).run(answer), name=f"watch-{shard}")
            for shard, answer in zip(shards, answers, strict=True)
            if isinstance(answer, Ready)
        ]
        self._watches.append(asyncio.create_task(self._tend(), name="moves"))
        self._mix()

    def _mix(self) -> None:
        if self._make_mixer is not None:
            self._mixer = self._make_mixer(self.notice)
            self._mixer.start()

    async def _opened(self, shard: int) -> Ready:
        """Wait until a shard works, however long its recovery takes."""
        while True:
            try:
                return await self._fleet.ready(shard, timeout_s=None)
            except ShardLost as error:
                message = f"shard {shard} cannot be opened: {error.reason}"
                raise StartupError(message) from error
            except ShardUnavailable:
                await asyncio.sleep(self._interval_s)

    def resume(self) -> None:
        """Take up the watch again after the supervisor itself was restarted; ends no shard."""
        for shard in range(self._shards.count):
            watch = self._watch(shard)
            watch.open_anew()
            self._watches.append(asyncio.create_task(watch.run(None), name=f"watch-{shard}"))
        self._watches.append(asyncio.create_task(self._tend(), name="moves"))
        self._mix()

    def _watch(self, shard: int) -> Watch:
        return Watch(
            shard,
            self._fleet,
            self._folder,
            self.notice,
            self._hear,
            interval_s=self._interval_s,
            patience_s=self._patience_s,
            stuck_s=self._shards.stuck_s,
        )

    def _hear(self, shard: int, answer: Ready) -> None:
        self._answers[shard] = answer

    async def _tend(self) -> None:
        fault = ""
        while True:
            await asyncio.sleep(self._interval_s / 10)
            try:
                # Each answer once: what a shard held then it may hold no more.
                answers, self._answers = self._answers, {}
                await self._moves.tend(answers)
            except Exception as error:
                # Nobody else would end a move that was broken off.
                if fault != (fault := f"{type(error).__name__}: {error}"):
                    _log.exception("the care for moves failed")
                    self.notice(f"the care for moves failed and goes on: {fault}")
            else:
                fault = ""

    def shard_map(self) -> ShardMap:
        """Return who owns which users."""
        return self._folder.shard_map

    async def move(self, partition: int, new: int) -> Moved:
        """See ``Moves.move``."""
        return await self._moves.move(partition, new)

    def notices(self, after: int) -> list[Notice]:
        """Return the notices with a number above ``after``, of the last 200."""
        return [notice for notice in self._notices if notice.number > after]

    async def shutdown(self, timeout_s: float = 30.0) -> None:
        """Stop to watch, drain the shards, end them, and release the data directory."""
        if self._mixer is not None:
            await self._mixer.stop()
        for watch in self._watches:
            watch.cancel()
        await asyncio.gather(*self._watches, return_exceptions=True)
        self._watches = []
        await self._close_all(timeout_s)
        self._folder.release()

    async def _close_all(self, timeout_s: float) -> None:
        await asyncio.gather(
            *(self._fleet.close(shard, timeout_s) for shard in range(self._shards.count))
        )

    def notice(self, text: str) -> None:
        """Tell the operator."""
        # The clock, so that the numbers go on after the supervisor itself was restarted.
        self._noticed = max(self._noticed + 1, time_ns())
        self._notices.append(Notice(self._noticed, text))
        _log.warning("%s", text)


class SupervisorActor:
    """The supervisor as an actor; ``actors.handles.SupervisorHandle`` is its view from outside.

    Parameters
    ----------
    get_or_create, kill
        What ``RayFleet`` needs.
    exists
        Whether a shard's actor is there, which it is when this one was restarted.

    Raises
    ------
    StartupError
        When the data directory cannot be used.
    """

    def __init__(
        self,
        settings: ServerSettings,
        get_or_create: Callable[[int, ServerSettings], ShardHandle],
        exists: Callable[[int], bool],
        kill: Callable[[ShardHandle, bool], None],
        make_port: Callable[[ServerSettings], ShardPort],
    ) -> None:
        log_to_stderr()
        self._settings = settings
        self._looked = False
        fleet = RayFleet(lambda shard: get_or_create(shard, settings), kill)
        self._make_port = make_port
        self._supervisor = Supervisor(
            fleet,
            DataFolder(settings.shards, serving=True),
            settings,
            make_mixer=self._mixer if mixes(settings) else None,
        )
        if any(exists(shard) for shard in range(settings.shards.count)):
            self._supervisor.resume()

    def _mixer(self, notice: Callable[[str], None]) -> MixerAtWork:
        return MixerAtWork(self._make_port(self._settings), self._settings.engine.mix, notice)

    async def start(self, settings: ServerSettings) -> ShardMap:
        """Do as ``Supervisor.start``, for a server with these settings.

        Raises
        ------
        StartupError
            When a shard cannot be opened, when they run with other settings, or when Kafka's topics
            do not fit them.
        """
        if _of_shards(settings) != _of_shards(self._settings):
            message = (
                "the shards of this Ray cluster run with other settings; "
                "changes of shards, engine or kafka need a new cluster"
            )
            raise StartupError(message)
        if settings.kafka.enabled and not self._looked:
            # Not at the top: Kafka's client costs memory that others need not spend.
            startup = importlib.import_module("actors.kafka.startup")
            if warning := await startup.refuse_unfit_topics(settings):
                self._supervisor.notice(warning)
            self._looked = True
        return await self._supervisor.start()

    async def shard_map(self) -> ShardMap:
        """See ``Supervisor.shard_map``."""
        return self._supervisor.shard_map()

    async def notices(self, after: int) -> list[Notice]:
        """See ``Supervisor.notices``."""
        return self._supervisor.notices(after)

    async def move(self, partition: int, new: int) -> Moved:
        """See ``Moves.move``."""
        return await self._supervisor.move(partition, new)

    async def shutdown(self) -> None:
        """See ``Supervisor.shutdown``."""
        await self._supervisor.shutdown()

    @override
    def __repr__(self) -> str:
        return "supervisor"


def _of_shards(settings: ServerSettings) -> tuple[object, ...]:
    """Return what a running shard cannot change."""
    return settings.shards, settings.engine, settings.kafka
