"""A server in a process of its own, for tests: started as in production, told what to do by lines.

Each line of standard input is a JSON list, a command and its arguments; each is answered by one
line. At the end of the input the server drains, so that nothing outlives the tests.
"""

import importlib
import os
import signal
import sys
from collections.abc import Callable, Iterator
from typing import IO, TYPE_CHECKING

import msgspec

from actors.cli.terminal import quiet
from actors.host.environment import prepare_environment
from actors.host.run_folder import RunFolder
from actors.settings import ServerSettings

if TYPE_CHECKING:
    from actors.handles import SupervisorHandle
    from actors.shard_actor import ShardActor

Answer = str | int | list[str]


def commands() -> dict[str, Callable[..., Answer]]:
    """Return what can be asked of a running server."""
    # Not before the environment is prepared.
    ray = importlib.import_module("ray")
    graph = importlib.import_module("actors.graph")

    def supervisor() -> "SupervisorHandle":
        handle: SupervisorHandle = ray.get_actor("supervisor", namespace=graph.NAMESPACE)
        return handle

    def shard_pid(index: int) -> int:
        return int(ray.get(graph.find_shard(index).ready.remote(), timeout=30).pid)

    def end_for_good(index: int) -> str:
        ray.kill(graph.find_shard(index), no_restart=True)
        return "done"

    def spin(index: int) -> str:
        def for_ever() -> None:
            while True:
                pass

        def begin(actor: "ShardActor") -> None:
            actor._started.get_loop().call_soon_threadsafe(for_ever)  # noqa: SLF001

        # Every actor of Ray's has this method; it runs beside the actor's event loop.
        graph.find_shard(index).__ray_call__.remote(begin)
        return "done"

    def epoch() -> int:
        return int(ray.get(supervisor().shard_map.remote(), timeout=30).epoch)

    def notices() -> list[str]:
        return [notice.text for notice in ray.get(supervisor().notices.remote(0), timeout=30)]

    return {
        function.__name__: function for function in (shard_pid, end_for_good, spin, epoch, notices)
    }


def serve(settings: ServerSettings, orders: Iterator[str], answers: IO[str]) -> None:
    """Run the server until the orders end."""
    folder = RunFolder(settings.http.port)
    prepare_environment(settings.http, folder)
    with quiet(folder.log):
        runtime = importlib.import_module("actors.runtime").Runtime(
            settings, folder, dashboard=False
        )
        try:
            runtime.start()
            print(msgspec.json.encode(str(folder.path)).decode(), file=answers, flush=True)
            known = commands()
            for order in orders:
                name, *arguments = msgspec.json.decode(order, type=list[str | int])
                answer = known[str(name)](*arguments)
                print(msgspec.json.encode(answer).decode(), file=answers, flush=True)
        finally:
            runtime.drain()
            folder.remove()


if __name__ == "__main__":
    # Ctrl-C is for the tests, which then end the input.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with os.fdopen(os.dup(1), "w") as replies:
        serve(ServerSettings.model_validate_json(sys.argv[1]), sys.stdin, replies)
