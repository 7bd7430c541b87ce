"""Has the shards of a running server refit.

Import this after ``actors.host.environment.prepare_guest``.
"""

import ray
from ray.exceptions import RayError

from actors.graph import start_refits
from actors.guest import visiting
from actors.ray_errors import translate
from actors.refit.job import Order, Outcome
from actors.settings import ServerSettings

__all__ = ["refit_all"]


def refit_all(address: str, settings: ServerSettings, order: Order) -> list[Outcome]:
    """Refit all shards at the same time and return what came of it, by shard.

    Raises
    ------
    StartupError
        When Ray is not reached, or the shards run with other settings.
    RecsysError
        When a shard could not be refit.
    """
    with visiting(address):
        return [_result(shard, task) for shard, task in enumerate(start_refits(settings, order))]


def _result(shard: int, task: "ray.ObjectRef[Outcome]") -> Outcome:
    try:
        return ray.get(task)
    except RayError as error:
        raise translate(error, shard) from error
