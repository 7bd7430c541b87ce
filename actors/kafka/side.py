"""A shard's side of Kafka: what reads, what writes, and what they say of themselves."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final, TypeVar

from actors.errors import StartupError
from actors.kafka.base import Home, LockedOut, Reader, Writer
from actors.kafka.clients import KafkaReader, KafkaWriter
from actors.kafka.connection import connection
from actors.kafka.dead_letters import DeadLetters
from actors.kafka.decisions import DecisionOutlet
from actors.kafka.intake import Intake
from actors.kafka.observer import KafkaObserver, SilentKafka
from actors.kafka.positions import DECISIONS
from actors.kafka.publisher import Publisher
from actors.kafka.settings import KafkaSettings
from actors.kafka.settler import Settler
from actors.kafka.stats import KafkaStats
from actors.settings import ServerSettings

__all__ = ["Clients", "KafkaSide", "attach", "real_clients"]

_STOP_S: Final = 10.0

T = TypeVar("T")


@dataclass(frozen=True)
class Clients:
    """Makes connections of one kind: real ones, or those of a test.

    Attributes
    ----------
    greet
        Instead of the look at the topics that a gateway takes with each new connection.
    """

    reader: Callable[[], Reader]
    writer: Callable[[], Writer]
    greet: Callable[[], Awaitable[None]] | None = None


def real_clients(settings: ServerSettings, name: str) -> Clients:
    """Return what makes connections by aiokafka.

    Raises
    ------
    StartupError
        When the settings lack what a connection needs.
    """
    connection(settings.kafka, name)  # complains now rather than with every attempt
    return Clients(
        reader=lambda: _made(KafkaReader, settings, name),
        writer=lambda: _made(KafkaWriter, settings, name),
    )


def _made(make: Callable[[KafkaSettings, str], T], settings: ServerSettings, name: str) -> T:
    """Make a client; a file of certificates that is being renewed is there again soon."""
    try:
        return make(settings.kafka, name)
    except StartupError as error:
        raise LockedOut(str(error)) from error


class KafkaSide:
    """One shard's; made with the shard, started and stopped by it.

    Parameters
    ----------
    stored
        The positions of the shard's store.
    """

    def __init__(
        self,
        home: Home,
        settings: ServerSettings,
        stored: Mapping[str, int],
        clients: Clients,
        observer: KafkaObserver | None = None,
    ) -> None:
        observer = SilentKafka() if observer is None else observer
        kafka = settings.kafka
        self._publisher = Publisher(clients.writer, kafka.answer_timeout_s)
        letters = DeadLetters(self._publisher, kafka.topics.dead_letters, home.index)
        self._settler = Settler(home, settings, letters, observer)
        self._intake = Intake(home, settings, clients.reader, self._settler, observer)
        self._outlet = DecisionOutlet(
            home,
            self._publisher,
            kafka.topics.decisions,
            stored.get(DECISIONS),
            observer,
            longest_pause_s=kafka.longest_pause_s,
        )
        self._stopping = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to read and write; waits for nothing, as HTTP is served without Kafka, too."""
        self._tasks = [
            asyncio.create_task(self._intake.run(), name="kafka-intake"),
            asyncio.create_task(self._outlet.run(self._stopping), name="kafka-decisions"),
        ]

    async def settled(self) -> None:
        """Wait for the batch at hand; the next one has nothing of what the shard does not own."""
        await self._intake.settled()

    async def stop(self) -> None:
        """End reading after the batch at hand, publish what can be, and let go."""
        self._intake.stop()
        self._stopping.set()
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=_STOP_S)
            for task in late:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._publisher.stop()

    def stats(self) -> KafkaStats:
        """Return the state."""
        intake, settler, outlet = self._intake, self._settler, self._outlet
        return KafkaStats(
            state=intake.state,
            detail=intake.detail,
            lag={partition.name: lag for partition, lag in sorted(intake.lag().items())},
            records=settler.records,
            tombstones=settler.tombstones,
            dead_letters=dict(sorted(settler.dead.items())),
            gaps=tuple(gap for _, gap in sorted(intake.gaps.items())),
            reconnects=intake.reconnects,
            decisions_behind=outlet.behind,
            decisions_published=outlet.published,
            decisions_missed=outlet.missed,
        )

    def trouble(self) -> tuple[str, ...]:
        """Return what the operator should read, one sentence each; empty when all is well."""
        intake = self._intake
        troubles = [str(gap) for _, gap in sorted(intake.gaps.items())]
        if intake.state == "refused":
            troubles.append(intake.detail)
        elif intake.locked_out:
            troubles.append(f"it does not read from Kafka: {intake.detail}")
        return tuple(troubles)


def attach(
    settings: ServerSettings, observer: KafkaObserver | None = None
) -> Callable[[Home, Mapping[str, int]], KafkaSide]:
    """Return what gives a shard its side of Kafka.

    Raises
    ------
    StartupError
        See ``real_clients``.
    """

    def make(home: Home, stored: Mapping[str, int]) -> KafkaSide:
        clients = real_clients(settings, f"recsys-shard-{home.index}")
        return KafkaSide(home, settings, stored, clients, observer)

    return make
