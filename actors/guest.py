"""A visitor in the Ray of a running server: what commands do beside it.

Import this after ``actors.host.environment.prepare_guest``.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import ray
from ray.exceptions import RayError

from actors.errors import StartupError
from actors.giving import Moved
from actors.graph import NAMESPACE, find_supervisor
from actors.ray_errors import reason, translate

__all__ = ["move_partition", "visiting"]


@contextmanager
def visiting(address: str) -> Iterator[None]:
    """Be in the Ray at an address; tasks that were begun there end with the visit.

    Raises
    ------
    StartupError
        When it is not reached.
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
        yield
    finally:
        ray.shutdown()


def move_partition(partition: int, shard: int) -> Moved:
    """Move a partition to a shard, during a visit.

    Raises
    ------
    StartupError
        When there is no supervisor.
    RecsysError
        When it was not moved.
    """
    try:
        supervisor = find_supervisor()
    except ValueError as error:
        message = "there is no supervisor: no server runs in this Ray"
        raise StartupError(message) from error
    try:
        return ray.get(supervisor.move.remote(partition, shard))
    except RayError as error:
        raise translate(error, shard) from error
