"""A real broker of Apache Kafka in KRaft mode, for tests: on loopback, ended by its pid."""

import asyncio
import base64
import os
import ssl
import subprocess
import time
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final, TypeVar

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from actors.host.ports import free_port
from tests.kafka.certificates import Authority
from tests.kafka.jars import find_java, jars

__all__ = ["PASSWORD", "ROLL_S", "USER", "Broker", "eventually"]

USER: Final = "recsys"
PASSWORD: Final = "canary-7f3c1e"
"""Of the listener that asks who is there; must never be seen in a log."""
ROLL_S: Final = 600.0
"""A record that is so much younger than the first one of a file begins the next file."""
_SESSION_S: Final = 3.0
"""So long a login by SCRAM-SHA-256 counts; one by another mechanism counts for ever."""
_READY_S: Final = 60.0
_MECHANISMS: Final = ("SCRAM-SHA-256", "SCRAM-SHA-512")
_SCRAM: Final = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
_CONFIG: Final = """\
process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers=127.0.0.1:{controller}
controller.listener.names=CONTROLLER
listeners={listeners},CONTROLLER://127.0.0.1:{controller}
advertised.listeners={listeners}
inter.broker.listener.name=PLAIN
listener.security.protocol.map=PLAIN:PLAINTEXT,SECURED:SASL_PLAINTEXT,TLS:SSL,BOTH:SASL_SSL,CONTROLLER:PLAINTEXT
sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512
listener.name.both.sasl.enabled.mechanisms=SCRAM-SHA-512
listener.name.secured.scram-sha-256.sasl.jaas.config={scram}
listener.name.secured.scram-sha-512.sasl.jaas.config={scram}
listener.name.both.scram-sha-512.sasl.jaas.config={scram}
listener.name.secured.scram-sha-256.connections.max.reauth.ms={session_ms}
listener.name.tls.ssl.keystore.type=PEM
listener.name.tls.ssl.keystore.location={keystore}
ssl.allow.dn.changes=true
ssl.allow.san.changes=true
listener.name.both.ssl.keystore.type=PEM
listener.name.both.ssl.keystore.location={keystore}
listener.name.secured.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_{user}="{password}";
num.network.threads=1
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
log.roll.ms={roll_ms}
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
    tls, both
        The address that is encrypted, and the one that asks for user and password as well.
    authority
        Who signed their certificate.
    data
        Where its logs lie, a folder for each partition.
    """

    def __init__(self, folder: Path) -> None:
        self._java = find_java()
        self._classpath = f"{jars()}/*"
        self._folder = folder
        self.data = folder / "data"
        plain, secured, tls, both, controller = _ports(5)
        self.bootstrap = f"127.0.0.1:{plain}"
        self.secured = f"127.0.0.1:{secured}"
        self.tls = f"127.0.0.1:{tls}"
        self.both = f"127.0.0.1:{both}"
        self.authority = Authority(folder, "authority")
        keystore = folder / "keystore.pem"
        keystore.write_bytes(self.authority.keystore("127.0.0.1"))
        listeners = {
            "PLAIN": self.bootstrap, "SECURED": self.secured, "TLS": self.tls, "BOTH": self.both,
        }  # fmt: skip
        self._config = folder / "server.properties"
        self._config.write_text(
            _CONFIG.format(
                listeners=",".join(f"{name}://{at}" for name, at in listeners.items()),
                controller=controller, data=self.data, keystore=keystore, scram=_SCRAM,
                session_ms=int(_SESSION_S * 1000), roll_ms=int(ROLL_S * 1000), user=USER,
                password=PASSWORD,
            )
        )  # fmt: skip
        (folder / "log4j2.yaml").write_text(_LOG4J)
        self._process: subprocess.Popen[bytes] | None = None
        self._format()

    def _run(self, entry: str, *arguments: str) -> None:
        """Run one of Kafka's own commands to its end."""
        done = subprocess.run(
            self._command(entry, *arguments),
            capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr

    def _command(self, entry: str, *arguments: str) -> list[str]:
        return [
            self._java, "-Xmx512m", "-Xms128m", "-XX:TieredStopAtLevel=1",
            f"-Dlog4j2.configurationFile={self._folder / 'log4j2.yaml'}",
            "-cp", self._classpath, entry, *arguments,
        ]  # fmt: skip

    def _format(self) -> None:
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode()
        # An id that begins with a dash would be taken for an option.
        self._run(
            "kafka.tools.StorageTool", "format", "--standalone", f"--cluster-id=R{cluster[1:]}",
            f"--config={self._config}",
            *(f"--add-scram={name}=[name={USER},password={PASSWORD}]" for name in _MECHANISMS),
        )  # fmt: skip

    def _alter(self, *arguments: str) -> None:
        self._run(
            "kafka.admin.ConfigCommand", "--bootstrap-server", self.bootstrap, "--alter",
            *arguments,
        )  # fmt: skip

    def set_password(self, mechanism: str, password: str | None) -> None:
        """Change the user's password of one mechanism; ``None`` takes it away."""
        change = f"--add-config={mechanism}=[iterations=4096,password={password}]"
        if password is None:
            change = f"--delete-config={mechanism}"
        self._alter("--entity-type", "users", "--entity-name", USER, change)

    def show(self, keystore: bytes) -> None:
        """Have those that connect from now on shown another certificate."""
        # A file of the same name would be looked at only with the change after this one.
        file = self._folder / f"keystore-{uuid.uuid4().hex}.pem"
        file.write_bytes(keystore)
        where = "ssl.keystore.location"
        both = ",".join(f"listener.name.{name}.{where}={file}" for name in ("tls", "both"))
        self._alter("--entity-type", "brokers", "--entity-name", "1", f"--add-config={both}")

        async def shown() -> bool:
            host, _, port = self.tls.partition(":")
            certificate = await asyncio.to_thread(ssl.get_server_certificate, (host, int(port)))
            return certificate.strip().encode() in keystore

        asyncio.run(eventually("it is shown", shown))

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


def _ports(count: int) -> list[int]:
    ports: dict[int, None] = {}
    while len(ports) < count:
        ports[free_port()] = None
    return list(ports)
