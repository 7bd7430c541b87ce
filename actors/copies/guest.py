"""Has the shards of a running server copied.

Import this after ``actors.host.environment.prepare_guest``.
"""

import ray
from ray.exceptions import RayError

from actors.copies.generations import Manifest
from actors.errors import StartupError
from actors.graph import find_shard
from actors.guest import visiting
from actors.ray_errors import translate
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
    with visiting(address):
        try:
            tasks = [find_shard(shard).copy.remote(copies) for shard in range(shards)]
        except ValueError as error:
            message = f"a shard of the running server is not there: {error}"
            raise StartupError(message) from error
        return [_result(shard, task) for shard, task in enumerate(tasks)]


def _result(shard: int, task: "ray.ObjectRef[Manifest | RecsysError | None]") -> Manifest | None:
    try:
        answer = ray.get(task)
    except RayError as error:
        raise translate(error, shard) from error
    if isinstance(answer, RecsysError):
        raise answer
    return answer
