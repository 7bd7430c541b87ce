"""``recsys demo``: a server, two thousand simulated people, and what they made of it."""

import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from actors.auth.startup import admin_key
from actors.cli.problems import read_settings
from actors.cli.serve import PortOption
from actors.cli.server import run_server, show_news
from actors.cli.terminal import say
from actors.host.ports import with_free_side_ports
from actors.overrides import override

if TYPE_CHECKING:
    from actors.runtime import Runtime

__all__ = ["demo", "find_settings"]

_SETTINGS = "demo.yaml"
_PLOT = Path("demo-clickrate.png")
_LAST_WORDS_S = 20.0


def demo(
    duration: Annotated[
        int, typer.Option(min=0, help="Seconds of simulated clicking; 0 goes on until Ctrl-C.")
    ] = 120,
    port: PortOption = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the simulated world.")] = 1,
) -> None:
    """Run a server and simulated people on it, and show how the click rate rises."""
    settings = override(read_settings(find_settings()), port=port)
    http = with_free_side_ports(settings.http)
    run_server(
        settings.model_copy(update={"http": http}),
        lambda runtime, console: _simulate(runtime, console, duration, seed),
        keep_data=False,
    )


def find_settings() -> Path:
    """Return the demo's settings: beside the package in a checkout, inside it in a wheel."""
    package = Path(__file__).parents[1]
    inside = package / "config" / _SETTINGS
    return inside if inside.is_file() else package.parent / "config" / _SETTINGS


def _simulate(runtime: "Runtime", console: Console, duration: int, seed: int) -> int:
    command = [
        *(sys.executable, "-c", "from simulators.cli import main; main()", "run"),
        *("--url", runtime.url),
        *("--seed", str(seed)),
        *("--duration", str(duration)),
        *("--plot", str(_PLOT)),
    ]
    key = admin_key(runtime.settings) if runtime.settings.http.asks_for_keys else None
    if key is not None:
        command += ["--key-file", str(key)]
    output = console.file.fileno()
    # In a session of its own, so that Ctrl-C reaches it once, through us.
    with subprocess.Popen(
        command, stdout=output, stderr=output, start_new_session=True
    ) as simulator:
        try:
            while simulator.poll() is None:
                show_news(runtime, console)
                _wait(simulator, 1.0)
        except KeyboardInterrupt:
            # It sums up what it has seen and draws its picture.
            simulator.send_signal(signal.SIGINT)
            _wait(simulator, _LAST_WORDS_S)
            raise
        finally:
            if simulator.poll() is None:
                simulator.kill()
    if simulator.returncode:
        say(console, f"recsys: the simulator ended with status {simulator.returncode}")
    elif _PLOT.exists():
        say(console, f"the picture of it is in {_PLOT.absolute()}")
    return simulator.returncode


def _wait(simulator: "subprocess.Popen[bytes]", timeout_s: float) -> bool:
    """Return whether the simulator has ended, after waiting so long for it."""
    try:
        simulator.wait(timeout_s)
    except subprocess.TimeoutExpired:
        return False
    return True
