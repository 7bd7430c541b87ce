"""The environment variables under which Ray and Serve start; they read them when imported."""

import os
import secrets
import sys
from pathlib import Path
from typing import Final

from actors.errors import StartupError
from actors.host.haproxy import PROGRAM, has_haproxy, program
from actors.host.ports import free_port
from actors.host.processes import MARK
from actors.host.run_folder import RunFolder
from actors.settings import HttpSettings

__all__ = ["prepare_environment", "prepare_guest"]

_ALWAYS: Final = {
    # Ray would start every worker through `uv run`, in another virtual environment.
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    # One machine: Ray listens on loopback, as it always does on other systems.
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    # Whoever reaches the cluster's ports can run code, so they ask for a token.
    "RAY_AUTH_MODE": "token",
}


def prepare_guest() -> None:
    """Set what a process needs that connects with a running server's Ray, before importing it."""
    for name, value in _ALWAYS.items():
        os.environ.setdefault(name, value)


def prepare_environment(http: HttpSettings, folder: RunFolder) -> None:
    """Set what must be set before ``ray`` is imported; what the user has set stays.

    Raises
    ------
    StartupError
        When Ray was imported before, so that nothing would have an effect, or when HAProxy is
        wanted and cannot be started.
    """
    if "ray" in sys.modules:
        message = "Ray was imported before its environment was set"
        raise StartupError(message)
    values = {
        **_ALWAYS,
        # Workers would run at niceness 15, behind everything else on the machine.
        "RAY_worker_niceness": "0",
        # Calls of a shard that has died fail at once, instead of waiting for two seconds whether
        # Ray has more to say about the death, even when the shard is back.
        "RAY_timeout_ms_task_wait_for_death_info": "0",
        "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1",
        # One machine, and HAProxy retries refused connections: nobody needs half a minute to
        # take note that a replica leaves.
        "RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S": "0",
        "RAY_SERVE_PROXY_MIN_DRAINING_PERIOD_S": "0.1",
        # Three missed checks replace a dead proxy: seconds, not half a minute.
        "RAY_SERVE_PROXY_HEALTH_CHECK_PERIOD_S": "2",
        # While Ray starts, SIGTERM is Ray's, and there is nothing yet that would have to drain.
        "RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S": "0",
        "RAY_SERVE_ENABLE_HA_PROXY": "0",
        **(_haproxy(http, folder.haproxy) if has_haproxy(http) else {}),
    }
    for name, value in values.items():
        os.environ.setdefault(name, value)
    if has_haproxy(http):
        # Around a program of the user's, too.
        os.environ[PROGRAM] = str(program(http, folder.haproxy))
    os.environ[MARK] = str(folder.path)
    _make_token()


def _haproxy(http: HttpSettings, folder: Path) -> dict[str, str]:
    return {
        "RAY_SERVE_ENABLE_HA_PROXY": "1",
        "RAY_SERVE_HAPROXY_CONFIG_FILE_LOC": str(folder / "haproxy.cfg"),
        "RAY_SERVE_HAPROXY_SOCKET_PATH": str(folder / "admin.sock"),
        "RAY_SERVE_HAPROXY_METRICS_SOCKET_PATH": str(folder / "metrics.sock"),
        "RAY_SERVE_HAPROXY_SERVER_STATE_BASE": str(folder),
        "RAY_SERVE_HAPROXY_SERVER_STATE_FILE": str(folder / "server-state"),
        "RAY_SERVE_HAPROXY_STATS_PORT": str(http.haproxy_stats_port),
        "RAY_SERVE_HAPROXY_METRICS_PORT": str(http.haproxy_metrics_port),
        # A line per request, which a Python process reads for Serve's metrics: 80 us of processor
        # time. Without it the gateways count the same themselves.
        "RAY_SERVE_HAPROXY_METRICS_ENABLED": "0",
        # One does for four cores of gateways and shards; four on two cores only wake each other,
        # which costs a list 30 us of processor time.
        "RAY_SERVE_HAPROXY_NBTHREAD": str(min(max((os.cpu_count() or 1) // 4, 1), 4)),
        # A replica that has ended is left out after two seconds, one that hangs is given up.
        "RAY_SERVE_HAPROXY_HEALTH_CHECK_INTER": "1s",
        "RAY_SERVE_HAPROXY_TIMEOUT_SERVER_S": "15",
        "RAY_SERVE_HAPROXY_TIMEOUT_CLIENT_S": str(http.stall_timeout_s),
        # Serve's own proxy stands by behind HAProxy; any free port will do.
        "RAY_SERVE_FALLBACK_PROXY_HTTP_PORT": str(free_port()),
        "RAY_SERVE_FALLBACK_PROXY_GRPC_PORT": str(free_port()),
    }


def _make_token() -> None:
    """Make the user's Ray token readable by them alone; Ray would make it readable by all."""
    if "RAY_AUTH_TOKEN" in os.environ or "RAY_AUTH_TOKEN_PATH" in os.environ:
        return
    path = Path.home() / ".ray" / "auth_token"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return
    except OSError as error:
        message = (
            f"Ray's token {path} cannot be written: {error.strerror}; "
            "name a file with RAY_AUTH_TOKEN_PATH"
        )
        raise StartupError(message) from error
    with os.fdopen(file, "w") as stream:
        stream.write(secrets.token_hex(32))
