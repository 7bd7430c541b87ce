"""A visitor in the Ray of a running server, who has its shards copied.

Import this after ``actors.host.environment.prepare_guest``.
"""

import logging

import ray
from ray.exceptions import RayError

from actors.copies.generations import Manifest
from actors.errors import StartupError
from actors.graph import NAMESPACE, find_shard
from actors.ray_errors import reason, translate
from actors.settings import CopySettings
from recsys.errors import RecsysError

__all__ = ["copy_all"]


def copy_all(address: str, shards: int, copies: CopySettings) -> list[Manifest | None]:
    """Have all shards copy themselves at the same time; return what was made, by shard.

    Raises
    ------
    StartupError
        When Ray or a shard is not reached.
    RecsysError
        When a shard could not be copied.
    """
    try:
        ray.init(
            address=address,
            namespace=NAMESPACE,
            log_to_driver=False,
            logging_level=logging.WARNING,
        )
    except (ConnectionError, RuntimeError, RayError) as error:
        message = f"the Ray of the running server at {address} is not reached: {reason(error)}"
        raise StartupError(message) from error
    try:
        tasks = [find_shard(shard).copy.remote(copies) for shard in range(shards)]
        return [_result(shard, task) for shard, task in enumerate(tasks)]
    except ValueError as error:
        message = f"a shard of the running server is not there: {error}"
        raise StartupError(message) from error
    finally:
        ray.shutdown()


def _result(shard: int, task: "ray.ObjectRef[Manifest | RecsysError | None]") -> Manifest | None:
    try:
        answer = ray.get(task)
    except RayError as error:
        raise translate(error, shard) from error
    if isinstance(answer, RecsysError):
        raise answer
    return answer
