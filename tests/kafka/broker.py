"""A real broker of Apache Kafka in KRaft mode, for tests: on loopback, ended by its pid."""

import asyncio
import base64
import os
import subprocess
import time
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final, TypeVar

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from actors.host.ports import free_port
from tests.kafka.jars import find_java, jars

__all__ = ["PASSWORD", "USER", "Broker", "eventually"]

USER: Final = "recsys"
PASSWORD: Final = "canary-7f3c1e"
"""Of the listener that asks who is there; must never be seen in a log."""
_READY_S: Final = 60.0
_CONFIG: Final = """\
process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers=127.0.0.1:{controller}
controller.listener.names=CONTROLLER
listeners=PLAIN://127.0.0.1:{port},SECURED://127.0.0.1:{secured},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAIN://127.0.0.1:{port},SECURED://127.0.0.1:{secured}
inter.broker.listener.name=PLAIN
listener.security.protocol.map=PLAIN:PLAINTEXT,SECURED:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT
sasl.enabled.mechanisms=PLAIN
listener.name.secured.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_{user}="{password}";
log.dirs={data}
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=1
group.initial.rebalance.delay.ms=0
log.cleaner.dedupe.buffer.size=4194304
"""  # noqa: E501
_LOG4J: Final = """\
Configuration:
  Appenders:
    Console: {name: OUT, PatternLayout: {pattern: "%d %p %c %m%n"}}
  Loggers:
    Root: {level: WARN, AppenderRef: {ref: OUT}}
"""

T = TypeVar("T")


async def eventually(what: str, question: Callable[[], Awaitable[T]], timeout_s: float = 30.0) -> T:
    """Ask until the answer is true; return it."""
    deadline = time.monotonic() + timeout_s
    while not (answer := await question()):
        assert time.monotonic() < deadline, f"waited {timeout_s:g} s until {what}"
        await asyncio.sleep(0.05)
    return answer


class Broker:
    """One broker, with its data in a folder of the tests'.

    Attributes
    ----------
    bootstrap
        Its address.
    secured
        The address that asks for user and password.
    data
        Where its logs lie, a folder for each partition.
    """

    def __init__(self, folder: Path) -> None:
        self._java = find_java()
        self._classpath = f"{jars()}/*"
        self._folder = folder
        self.data = folder / "data"
        port, secured, controller = _three_ports()
        self.bootstrap = f"127.0.0.1:{port}"
        self.secured = f"127.0.0.1:{secured}"
        self._config = folder / "server.properties"
        self._config.write_text(
            _CONFIG.format(
                port=port, secured=secured, controller=controller, data=self.data,
                user=USER, password=PASSWORD,
            )
        )  # fmt: skip
        (folder / "log4j2.yaml").write_text(_LOG4J)
        self._process: subprocess.Popen[bytes] | None = None
        self._format()

    def _command(self, entry: str, *arguments: str) -> list[str]:
        return [
            self._java, "-Xmx512m", "-Xms128m", "-XX:TieredStopAtLevel=1",
            f"-Dlog4j2.configurationFile={self._folder / 'log4j2.yaml'}",
            "-cp", self._classpath, entry, *arguments,
        ]  # fmt: skip

    def _format(self) -> None:
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode()
        # An id that begins with a dash would be taken for an option.
        command = self._command(
            "kafka.tools.StorageTool", "format", "--standalone", f"--cluster-id=R{cluster[1:]}",
            f"--config={self._config}",
        )  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr

    def start(self) -> None:
        """Start it, and return when it answers."""
        with (self._folder / "broker.log").open("ab") as log:
            self._process = subprocess.Popen(
                self._command("kafka.Kafka", str(self._config)),
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, "LOG_DIR": str(self._folder)},
                start_new_session=True,
            )
        asyncio.run(eventually("the broker answers", self._answers, _READY_S))

    async def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self._folder / "broker.log").read_text()[-2000:]
        host, _, port = self.bootstrap.partition(":")
        try:
            # aiokafka complains loudly of a port where nobody listens yet.
            _, writer = await asyncio.open_connection(host, int(port))
        except OSError:
            return False
        writer.close()
        await writer.wait_closed()
        admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap, request_timeout_ms=5000)
        try:
            await admin.start()
            return bool((await admin.describe_cluster())["brokers"])
        except (KafkaError, OSError):
            return False
        finally:
            await admin.close()

    def stop(self) -> None:
        """End it by its pid; its data stays. A second call is fine."""
        if self._process is None:
            return
        with self._process:
            self._process.terminate()
            try:
                self._process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                self._process.kill()
        self._process = None

    def kill(self) -> None:
        """End it without a word."""
        assert self._process is not None
        with self._process:
            self._process.kill()
        self._process = None


def _three_ports() -> tuple[int, int, int]:
    ports: dict[int, None] = {}
    while len(ports) < 3:
        ports[free_port()] = None
    first, second, third = ports
    return first, second, third
