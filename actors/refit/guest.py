"""A visitor in the Ray of a running server, who has its shards refit.

Import this after ``actors.host.environment.prepare_guest``.
"""

import logging

import ray
from ray.exceptions import RayError

from actors.errors import StartupError
from actors.graph import NAMESPACE, start_refits
from actors.ray_errors import reason, translate
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
        return [_result(shard, task) for shard, task in enumerate(start_refits(settings, order))]
    finally:
        # Ends the tasks that still run, too.
        ray.shutdown()


def _result(shard: int, task: "ray.ObjectRef[Outcome]") -> Outcome:
    try:
        return ray.get(task)
    except RayError as error:
        raise translate(error, shard) from error
