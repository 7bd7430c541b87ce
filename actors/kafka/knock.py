"""Finds out whether a broker lets us in, and if not, why.

aiokafka's clients write the reason into the log, with each attempt and for each broker, and raise
that they could not connect. So before one of them is started, somebody knocks.
"""

import asyncio

from aiokafka.conn import collect_hosts, create_conn
from aiokafka.errors import KafkaError
from aiokafka.protocol.metadata import MetadataRequest

from actors.kafka.base import KafkaUnreachable, LockedOut
from actors.kafka.connection import connection
from actors.kafka.refusals import explain, lasting
from actors.kafka.settings import KafkaSettings

__all__ = ["knock"]


async def knock(settings: KafkaSettings, client: str) -> None:
    """Return when one of the brokers has let us in and answered.

    Raises
    ------
    LockedOut
        When one says no, or is not to be trusted, and no other lets us in.
    KafkaUnreachable
        When none answers.
    """
    hosts = [(host, port) for host, port, _ in collect_hosts(settings.bootstrap_servers)]
    troubles = dict[str, bool]()
    # All together have the time of one: who waits has no more.
    patience_s = settings.answer_timeout_s / len(hosts)
    for host, port in hosts:
        try:
            async with asyncio.timeout(patience_s):
                await _ask(settings, client, host, port)
        except TimeoutError:
            troubles[f"{host}:{port} did not answer within {patience_s:g} s"] = False
        except (KafkaError, OSError, ValueError) as error:
            why = explain(error, settings.security)
            troubles[f"{host}:{port} {why}"] = lasting(error)
        else:
            return
    # In an order that does not change, so that the same is not told again.
    message = "; ".join(sorted(troubles))
    raise LockedOut(message) if any(troubles.values()) else KafkaUnreachable(message)


async def _ask(settings: KafkaSettings, client: str, host: str, port: int) -> None:
    how = connection(settings, client)
    door = await create_conn(
        host,
        port,
        client_id=client,
        request_timeout_ms=how["request_timeout_ms"],
        ssl_context=how["ssl_context"],
        security_protocol=how["security_protocol"],
        sasl_mechanism=how["sasl_mechanism"],
        sasl_plain_username=how["sasl_plain_username"],
        sasl_plain_password=how["sasl_plain_password"],
    )
    try:
        # Who asks for a login that we do not offer says so to the first question only.
        await door.send(MetadataRequest([]))
    finally:
        door.close()
