"""Starts and stops a whole server on this machine: Ray, the shards, Serve, HAProxy.

Import this after ``actors.host.environment.prepare_environment``: Ray and Serve read their
environment when they are imported.
"""

import logging
import os
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import ray
from ray import serve
from ray.exceptions import RayError
from ray.serve.config import HTTPOptions
from ray.serve.exceptions import RayServeException

from actors.doorbell import Doorbell
from actors.errors import RuntimeFault, StartupError
from actors.graph import NAMESPACE, application, start_shards
from actors.handles import Notice, SupervisorHandle
from actors.host.haproxy import refused, serve_host
from actors.host.head import Head
from actors.host.processes import end_marked
from actors.host.run_folder import Cluster, RunFolder
from actors.ray_errors import reason
from actors.settings import ServerSettings

__all__ = ["Runtime"]

_log = logging.getLogger(__name__)

_APP: Final = "recsys"
_OBJECT_STORE: Final = 100 << 20
"""Bytes; nothing large is ever passed around, and small machines have a small ``/dev/shm``."""
_READY_S: Final = 60.0
_DRAIN_S: Final = 30.0
_GRACE_S: Final = 3.0
_PATIENCE: Final = 15
"""Questions to the supervisor that may stay without an answer, one after the other."""


class Runtime:
    """One server.

    Attributes
    ----------
    settings
        Of the server.
    folder
        Of this run; stays the caller's to remove.

    Parameters
    ----------
    dashboard
        Whether Ray's dashboard runs, too.
    """

    def __init__(
        self, settings: ServerSettings, folder: RunFolder, *, dashboard: bool = True
    ) -> None:
        self.settings = settings
        self.folder = folder
        self._dashboard = dashboard
        self._supervisor: SupervisorHandle | None = None
        self._head: Head | None = None
        self._noticed = 0
        self._silent = 0
        self._doorbell = Doorbell(self.url)

    def start(self) -> None:
        """Start everything and return when ``/readyz`` answers 200.

        Raises
        ------
        StartupError
            When a shard cannot be opened, or HTTP does not come up. Processes may be left.
        """
        for name in ("ray", "ray.serve"):
            logging.getLogger(name).setLevel(logging.WARNING)
        # Read by Serve's actors, which start with this environment.
        os.environ.setdefault(
            "RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH", "actors.http.ingress.middlewares"
        )
        shards = self.settings.shards
        ray.init(
            address="local",
            namespace=NAMESPACE,
            # Ray keeps that many workers warm; our actors ask for no processors at all.
            num_cpus=min(os.cpu_count() or 1, shards.count + 2),
            include_dashboard=self._dashboard,
            dashboard_host="127.0.0.1",
            dashboard_port=self.settings.http.dashboard_port,
            object_store_memory=_OBJECT_STORE,
            log_to_driver=False,
            logging_level=logging.WARNING,
            _temp_dir=str(self.folder.ray),
        )
        self._head = Head(self.folder.path)
        address = ray.get_runtime_context().gcs_address
        self.folder.announce(Cluster(address, str(shards.data_dir.absolute())))
        with ThreadPoolExecutor(1) as other:
            # Serve's actors and the shards start at the same time.
            shards_open = other.submit(start_shards, self.settings)
            self._start_serve()
            self._supervisor = shards_open.result()
        try:
            serve.run(application(self.settings), name=_APP, route_prefix="/")
        except (RayServeException, RuntimeError) as error:
            message = f"the gateway did not start: {reason(error)}"
            raise StartupError(message) from error
        self._wait_until_ready()

    def _start_serve(self) -> None:
        http = self.settings.http
        try:
            serve.start(http_options=HTTPOptions(host=serve_host(http), port=http.port))
        except (RayError, RuntimeError) as error:
            message = refused(self.folder.haproxy)
            if message:
                raise StartupError(message) from error
            raise

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + _READY_S
        answer = "no answer"
        while time.monotonic() < deadline:
            try:
                with urllib.request.urlopen(f"{self.url}/readyz", timeout=5):
                    return
            except urllib.error.HTTPError as error:
                answer = f"status {error.code}"
            except OSError as error:
                answer = str(error)
            time.sleep(0.1)
        message = f"{self.url}/readyz is not ready after {_READY_S:.0f} s: {answer}"
        raise StartupError(message)

    @property
    def url(self) -> str:
        """Where the API is, without a slash at the end."""
        http = self.settings.http
        host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(http.host, http.host)
        return f"http://{host}:{http.port}"

    @property
    def dashboard_url(self) -> str:
        """Where Ray's dashboard is."""
        return f"http://127.0.0.1:{self.settings.http.dashboard_port}"

    def news(self) -> list[Notice]:
        """Return what the supervisor noticed since the last call.

        Raises
        ------
        RuntimeFault
            When Ray's head has ended, or it did not answer for a long time: Ray has gone.
        """
        ended = self._head.missing() if self._head is not None else ""
        if ended:
            message = (
                f"Ray's {ended} has ended, and nothing brings it back: the server ends, too. What "
                "was acknowledged is on the disk; start it again"
            )
            raise RuntimeFault(message)
        if self._supervisor is None:
            return []
        try:
            notices = ray.get(self._supervisor.notices.remote(self._noticed), timeout=2.0)
        except RayError as error:
            # It restarts by itself, too.
            self._silent += 1
            if self._silent > _PATIENCE:
                message = f"Ray does not answer any more: {reason(error)}"
                raise RuntimeFault(message) from error
            return []
        self._silent = 0
        self._noticed = notices[-1].number if notices else self._noticed
        return notices

    def ring(self) -> str:
        """Ask the API whether it lives; return a sentence when that has changed, else nothing."""
        return self._doorbell.ring()

    def drain(self) -> None:
        """Stop to answer, write and snapshot what the shards hold, and end all processes."""
        end_serve: Callable[[], None] = serve.shutdown
        end_ray: Callable[[], None] = ray.shutdown
        try:
            end_serve()
            if self._supervisor is not None:
                ray.get(self._supervisor.shutdown.remote(), timeout=_DRAIN_S)
        except RayError as error:
            # What was acknowledged is on the disk; the next start folds it again.
            _log.warning("the shards did not drain: %s", reason(error))
        end_ray()
        end_marked(self.folder.path, _GRACE_S)
