"""A Serve endpoint that does nothing, in the Ray and behind the HAProxy of a running server.

What it takes is what Ray Serve, HAProxy, uvicorn and the kernel take: the part of a request's time
that no recommender can save. It is begun by a process of its own (``benchmarks.noop_app``) with the
environment of the server's Ray, so that both run under the same settings of Serve.
"""

import subprocess
import sys
from typing import Final

from actors.settings import HttpSettings
from benchmarks.server import Server

__all__ = ["start_noop"]

_PREFIX: Final = "/noop"
_START_S: Final = 90.0


def start_noop(server: Server) -> str:
    """Begin it, and return its path.

    Raises
    ------
    RuntimeError
        When it does not start; the message ends with what Ray said.
    """
    command = [sys.executable, "-m", "benchmarks.noop_app", server.cluster, _PREFIX]
    try:
        subprocess.run(
            [*command, str(HttpSettings().replicas)],
            check=True,
            capture_output=True,
            text=True,
            timeout=_START_S,
            env=server.ray_environment(),
        )
    except subprocess.CalledProcessError as error:
        message = f"the endpoint that does nothing did not start:\n{error.stderr}"
        raise RuntimeError(message) from error
    except subprocess.TimeoutExpired as error:
        message = f"the endpoint that does nothing did not start within {_START_S:.0f} s"
        raise RuntimeError(message) from error
    return _PREFIX
