"""A Serve endpoint that does nothing, in the Ray and behind the HAProxy of a running server.

What it takes is what Ray Serve, HAProxy, uvicorn and the kernel take: the share of a request's time
that no recommender can save. ``start_noop`` begins it from a process of its own with the environment
of the server's Ray, so that both run under the same settings of Serve.
"""

import subprocess
import sys
from typing import Final

import typer
from starlette.requests import Request
from starlette.responses import Response

from actors.host.environment import prepare_guest
from actors.settings import ServerSettings
from benchmarks.server import Server

__all__ = ["PREFIX", "start_noop"]

PREFIX: Final = "/noop"
_START_S: Final = 90.0


class Noop:
    """Answers."""

    async def __call__(self, request: Request) -> Response:
        """Answer."""
        return Response(b"{}", media_type="application/json")


def start_noop(server: Server) -> str:
    """Begin it, and return its path.

    Raises
    ------
    RuntimeError
        When it does not start; the message ends with what Ray said.
    """
    command = [sys.executable, "-m", "benchmarks.noop", server.cluster]
    command.append(str(ServerSettings().http.replicas))
    try:
        subprocess.run(
            command,
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
    return PREFIX


def main(address: str, replicas: int) -> None:
    """Deploy it in the Ray at an address; it stays when this process has gone."""
    prepare_guest()
    # Not at the top: Ray reads its environment when it is imported.
    from ray import serve

    from actors.guest import visiting

    deployment = serve.deployment(
        name="noop",
        num_replicas=replicas,
        max_ongoing_requests=256,
        ray_actor_options={"num_cpus": 0},
    )(Noop)
    with visiting(address):
        serve.run(deployment.bind(), name="noop", route_prefix=PREFIX)


if __name__ == "__main__":
    typer.run(main)
