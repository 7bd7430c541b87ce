"""The composition root: the only place that makes actors and deployments.

``serve run actors.graph:build`` starts the server on Ray's own terms, with
``config=FILE`` and ``data_dir=FOLDER`` as arguments; ``recsys serve`` does the same and looks after
the machine as well.
"""

import asyncio
import logging
from pathlib import Path
from typing import Final, cast

import ray
from fastapi import FastAPI
from pydantic import BaseModel, ConfigDict
from ray import serve
from ray.exceptions import RayError
from ray.serve.config import BackpressureConfig
from ray.serve.schema import LoggingConfig

from actors.auth.startup import prepare_keys
from actors.errors import RuntimeFault, StartupError
from actors.garbage import look_seldom
from actors.gateway import build_app
from actors.gateway_metrics import CallMetrics
from actors.handles import ShardHandle, SupervisorHandle
from actors.http.bypass import BYPASS
from actors.logs import log_to_stderr
from actors.overrides import override
from actors.ports import ShardPort
from actors.ray_errors import reason
from actors.ray_port import RayPort
from actors.refit.job import Order, Outcome
from actors.refit.task import refit_shard
from actors.settings import ServerSettings, load_settings
from actors.shard_actor import ShardActor
from actors.shard_map import ShardMap
from actors.supervisor import SupervisorActor
from actors.wire.port import WirePort, frame_bytes

__all__ = [
    "NAMESPACE",
    "BuildArguments",
    "application",
    "build",
    "find_shard",
    "find_supervisor",
    "start_refits",
    "start_shards",
]

_log = logging.getLogger(__name__)

NAMESPACE: Final = "recsys"
_LOOK_EVERY_S: Final = 1.0
_MAP_S: Final = 1.0
_CALLS: Final = 10_000
"""Calls that may wait inside one actor: questions to a shard must never queue behind its writes."""


class BuildArguments(BaseModel):
    """What ``serve run actors.graph:build`` takes as ``key=value``."""

    model_config = ConfigDict(extra="forbid")

    config: Path | None = None
    data_dir: Path | None = None


class GatewayReplica:
    """A gateway replica: HTTP in front, the shards behind, no state of its own."""

    def __init__(self, settings: ServerSettings) -> None:
        log_to_stderr()
        look_seldom()
        supervisor = start_shards(settings)
        self._settings = settings
        self._supervisor = supervisor
        self._map = ray.get(supervisor.shard_map.remote())
        self._port = _port(settings)

    def __serve_build_asgi_app__(self) -> FastAPI:
        BYPASS.count = CallMetrics(serve.get_replica_context().app_name).count
        return build_app(
            self._port,
            self._settings,
            self._map,
            fetch=self._fetch_map,
            echo_request_id=False,
            bypass=BYPASS,
        )

    async def _fetch_map(self) -> ShardMap:
        try:
            async with asyncio.timeout(_MAP_S):
                return await self._supervisor.shard_map.remote()
        except (RayError, TimeoutError) as error:
            raise RuntimeFault(f"the supervisor does not answer: {error}") from error


def build(arguments: BuildArguments) -> serve.Application:
    """Build the application from a settings file."""
    settings = load_settings(arguments.config)
    if not settings.http.asks_for_keys:
        # Where Serve listens is not ours to know.
        _log.warning(
            "API keys are not asked for: set http.auth.always where other machines reach Serve"
        )
    return application(override(settings, data_dir=arguments.data_dir))


def application(settings: ServerSettings) -> serve.Application:
    """Build the application: one deployment, the gateway.

    Raises
    ------
    StartupError
        When it asks for API keys that cannot be read or made.
    """
    prepare_keys(settings)
    http = settings.http
    deployment = serve.deployment(
        name="gateway",
        num_replicas=http.replicas,
        max_ongoing_requests=http.max_ongoing_requests,
        max_queued_requests=http.max_queued_requests,
        backpressure_config=BackpressureConfig(status_code=429, retry_after_s=1),
        # A dead replica is replaced when a check finds it dead; until then requests wait in vain.
        health_check_period_s=_LOOK_EVERY_S,
        logging_config=LoggingConfig(enable_access_log=http.access_log),
        ray_actor_options={"num_cpus": 0},
    )(serve.ingress()(GatewayReplica))
    return deployment.bind(_rooted(settings))


def start_shards(settings: ServerSettings) -> SupervisorHandle:
    """Open the shards, if they are not open, and return their supervisor.

    Raises
    ------
    StartupError
        When the data directory or a shard in it cannot be opened.
    """
    rooted = _rooted(settings)
    handle = _supervisor(rooted)
    try:
        ray.get(handle.start.remote(rooted))
    except RayError as error:
        raise StartupError(reason(error)) from error
    return handle


def _rooted(settings: ServerSettings) -> ServerSettings:
    """Make paths absolute: actors run elsewhere."""
    rooted = override(settings, data_dir=settings.shards.data_dir.absolute())
    auth = rooted.http.auth
    if auth.keys is not None:
        auth = auth.model_copy(update={"keys": auth.keys.absolute()})
    return rooted.model_copy(update={"http": rooted.http.model_copy(update={"auth": auth})})


def _supervisor(settings: ServerSettings) -> SupervisorHandle:
    actor = ray.remote(SupervisorActor).options(
        name="supervisor",
        namespace=NAMESPACE,
        lifetime="detached",
        get_if_exists=True,
        max_restarts=-1,
        num_cpus=0,
    )
    return cast(
        SupervisorHandle,
        actor.remote(settings, _get_or_create_shard, _shard_exists, _kill, _port),
    )


def find_supervisor() -> SupervisorHandle:
    """Return the running supervisor; raises ``ValueError`` when there is none."""
    return cast(SupervisorHandle, ray.get_actor("supervisor", namespace=NAMESPACE))


def _get_or_create_shard(index: int, settings: ServerSettings) -> ShardHandle:
    actor = ray.remote(ShardActor).options(
        name=f"shard-{index}",
        namespace=NAMESPACE,
        lifetime="detached",
        get_if_exists=True,
        max_restarts=-1,
        max_task_retries=0,
        max_concurrency=_CALLS,
        num_cpus=0,
    )
    return cast(ShardHandle, actor.remote(index, settings))


def find_shard(index: int) -> ShardHandle:
    """Return a running shard; raises ``ValueError`` when there is none."""
    return cast(ShardHandle, ray.get_actor(f"shard-{index}", namespace=NAMESPACE))


def _port(settings: ServerSettings) -> ShardPort:
    """Return what reaches the shards, which must be there."""
    calls = RayPort(settings.shards.count, find_shard)
    return WirePort(calls, calls.door, frame_bytes(settings)) if settings.shards.wire else calls


def _shard_exists(index: int) -> bool:
    try:
        find_shard(index)
    except ValueError:
        return False
    return True


def _kill(shard: ShardHandle, for_good: bool) -> None:
    ray.kill(cast(ray.actor.ActorHandle[ShardActor], shard), no_restart=for_good)


def start_refits(settings: ServerSettings, order: Order) -> list[ray.ObjectRef[Outcome]]:
    """Begin to refit every running shard in the background; one task each, by shard.

    Raises
    ------
    StartupError
        When the shards run with other settings.
    """
    start_shards(settings)
    # A process that made itself nice cannot go back: it serves one task.
    task = ray.remote(num_cpus=0, max_calls=1, max_retries=0)(refit_shard)
    return [
        task.remote(shard, find_shard(shard), settings.engine, order)
        for shard in range(settings.shards.count)
    ]
