"""Deploys the endpoint of ``benchmarks.noop`` in a running Ray: ``python -m benchmarks.noop_app``.

To be started in the environment of that Ray, which Ray and Serve read when they are imported.
"""

import typer
from ray import serve
from starlette.requests import Request
from starlette.responses import Response

from actors.guest import visiting

__all__ = ["main"]


class Noop:
    """Answers."""

    async def __call__(self, request: Request) -> Response:
        """Answer."""
        return Response(b"{}", media_type="application/json")


def main(address: str, prefix: str, replicas: int) -> None:
    """Deploy it in the Ray at an address; it stays when this process has gone."""
    deployment = serve.deployment(
        name="noop",
        num_replicas=replicas,
        max_ongoing_requests=256,
        ray_actor_options={"num_cpus": 0},
    )(Noop)
    with visiting(address):
        serve.run(deployment.bind(), name="noop", route_prefix=prefix)


if __name__ == "__main__":
    typer.run(main)
