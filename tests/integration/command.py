"""``recsys serve`` as its users run it, in a folder and on ports of a test."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Final

from actors.host.processes import marked
from actors.settings import HttpSettings
from tests.integration.cluster import wait_until

__all__ = ["RECSYS", "Server", "recsys", "run_folders"]

RECSYS = [sys.executable, "-m", "actors.cli.main"]
HOST: Final = "127.0.0.2" if sys.platform == "linux" else "127.0.0.1"
"""An address that is not Ray's, as another network's would be; only Linux has more of loopback."""


def recsys(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    command = [*RECSYS, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def run_folders() -> set[Path]:
    """Return the folders of all servers on this machine."""
    return set(Path("/tmp").glob("recsys-*"))


class Server:
    """A running ``recsys serve`` in a process group of its own, as a terminal would have it."""

    def __init__(self, folder: Path, http: HttpSettings, engine: str = "{}") -> None:
        self.data_dir = folder / "data"
        self.port = http.port
        self.url = f"http://{HOST}:{http.port}"
        self.config = folder / "server.yaml"
        self.config.write_text(
            f"http: {{host: {HOST}, dashboard_port: {http.dashboard_port}, "
            f"haproxy_stats_port: {http.haproxy_stats_port}, "
            f"haproxy_metrics_port: {http.haproxy_metrics_port}}}\n"
            f"engine: {engine}\n"
        )
        self.command = [*RECSYS, "serve", "--config", str(self.config), "--port", str(http.port)]
        self.command += ["--data-dir", str(self.data_dir)]
        self.run_folders: list[Path] = []
        self.process: subprocess.Popen[bytes] | None = None
        self._log = folder / "output"

    def start(self) -> None:
        """Start it and wait until it is ready."""
        before = run_folders()
        with self._log.open("w") as output:
            self.process = subprocess.Popen(
                self.command, stdout=output, stderr=output, start_new_session=True
            )
        wait_until("the command says that it is ready", self._is_ready)
        self.run_folders += run_folders() - before

    def _is_ready(self) -> bool:
        assert self.running, self.output()
        return "recsys is ready" in self.output()

    def output(self) -> str:
        """Return what it has said since its last start."""
        return self._log.read_text()

    @property
    def running(self) -> bool:
        """Whether the command has been started and has not ended."""
        return self.process is not None and self.process.poll() is None

    def kill(self) -> None:
        """End the command, but none of what it started."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def interrupt(self) -> int:
        """Press Ctrl-C and return the exit status."""
        assert self.process is not None
        os.killpg(self.process.pid, signal.SIGINT)
        return self.process.wait(timeout=60)

    def close(self) -> None:
        """Leave nothing of it."""
        if self.running:
            self.kill()
        for folder in self.run_folders:
            for left in marked(folder):
                os.kill(left.pid, signal.SIGKILL)
