"""Brings the jars of Apache Kafka into a cache folder, once, by Maven."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

__all__ = ["KAFKA", "Missing", "find_java", "jars"]

KAFKA: Final = os.environ.get("KAFKA_VERSION", "4.3.1")
_SCALA: Final = "2.13"
_OLDEST_JAVA: Final = 17
_POM: Final = """\
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>recsys</groupId>
  <artifactId>broker</artifactId>
  <version>1</version>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId>
      <artifactId>kafka_{scala}</artifactId>
      <version>{version}</version>
    </dependency>
  </dependencies>
</project>
"""


class Missing(Exception):
    """What a broker needs is not on this machine; says what."""


def find_java() -> str:
    """Return the path of Java, of a version that Kafka 4 runs on.

    Raises
    ------
    Missing
        When there is none.
    """
    home = os.environ.get("JAVA_HOME")
    java = shutil.which("java", path=str(Path(home) / "bin")) if home else shutil.which("java")
    if java is None:
        raise Missing("no Java on the PATH")
    asked = subprocess.run(
        [java, "-XshowSettings:properties", "-version"],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    for line in asked.stderr.splitlines():
        name, _, value = line.partition("=")
        if name.strip() == "java.specification.version":
            major = int(value.strip().removeprefix("1."))
            if major < _OLDEST_JAVA:
                raise Missing(f"Java is {major}, Kafka 4 needs {_OLDEST_JAVA}")
            return java
    raise Missing(f"{java} does not say its version")


def jars() -> Path:
    """Return the folder of the broker's jars; the first time they are downloaded.

    Raises
    ------
    Missing
        When there is no Maven, or it could not fetch them.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / f"recsys-kafka-{KAFKA}"
    if folder.is_dir():
        return folder
    maven = shutil.which("mvn")
    if maven is None:
        raise Missing("no Maven on the PATH to fetch Kafka's jars")
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache, prefix="recsys-kafka-") as work:
        (Path(work) / "pom.xml").write_text(_POM.format(scala=_SCALA, version=KAFKA))
        fetched = Path(work) / "jars"
        asked = subprocess.run(
            [maven, "-B", "-q", "dependency:copy-dependencies", "-DincludeScope=runtime",
             f"-DoutputDirectory={fetched}"],
            cwd=work, capture_output=True, text=True, check=False, timeout=600,
        )  # fmt: skip
        if asked.returncode != 0:
            raise Missing(f"Maven could not fetch Kafka {KAFKA}: {asked.stdout[-500:]}")
        # Whole or not at all: another test run may be fetching, too.
        if not folder.is_dir():
            fetched.rename(folder)
    return folder
