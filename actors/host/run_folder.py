"""The private folder of one running server: Ray's session, HAProxy's sockets, and who we are.

A run that ends well removes its folder. A folder whose owner is gone is what a killed run left
behind, and the processes that bear its mark are its leftovers.
"""

import os
import shutil
import tempfile
from pathlib import Path
from typing import Final

import msgspec

from actors.host.processes import SUPPORTED, Process, alive, end_marked, find, marked

__all__ = ["Cluster", "RunFolder", "base_folder", "clean_leftovers", "cluster_on", "run_of"]

_PREFIX: Final = "recsys-"
_OWNER: Final = "owner.json"
_CLUSTER: Final = "cluster.json"
# Sockets have paths of at most 97 bytes in HAProxy, and Ray's node id takes 56 of them, so that the
# system's temporary folder is used only where its name is short.
_LONGEST: Final = 8


class _Owner(msgspec.Struct):
    pid: int
    started: int
    port: int


def base_folder() -> Path:
    """Return where run folders lie."""
    folder = Path(tempfile.gettempdir())
    return folder if len(str(folder)) <= _LONGEST else Path("/tmp")


class Cluster(msgspec.Struct, frozen=True):
    """The Ray cluster of a running server.

    Attributes
    ----------
    address
        Where Ray is reached, by who has the user's token.
    data_dir
        Absolute.
    """

    address: str
    data_dir: str


class RunFolder:
    """A fresh folder that only its user can enter.

    Attributes
    ----------
    ray, haproxy
        Where these two put their files.
    log
        What Ray and Serve would have printed.
    logs
        One file per actor.
    """

    def __init__(self, port: int) -> None:
        self.path = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=base_folder()))
        self.ray = self.path / "r"
        self.haproxy = self.path / "h"
        self.logs = self.ray / "session_latest" / "logs"
        self.log = self.path / "output.log"
        self.haproxy.mkdir()
        me = find(os.getpid())
        owner = _Owner(pid=os.getpid(), started=0 if me is None else me.started, port=port)
        (self.path / _OWNER).write_bytes(msgspec.json.encode(owner))

    def announce(self, cluster: Cluster) -> None:
        """Say where this server's Ray is, for ``cluster_on``."""
        (self.path / _CLUSTER).write_bytes(msgspec.json.encode(cluster))

    def keep(self) -> None:
        """Leave it to its reader: it is no leftover any more."""
        (self.path / _OWNER).unlink(missing_ok=True)

    def remove(self) -> None:
        """Delete it all, unless it is to be kept."""
        if (self.path / _OWNER).exists():
            shutil.rmtree(self.path, ignore_errors=True)


def clean_leftovers() -> list[str]:
    """End what killed runs of this user left behind.

    Returns
    -------
    list[str]
        One sentence per run that had left processes.
    """
    reports: list[str] = []
    if not SUPPORTED:
        return reports
    for folder in sorted(base_folder().glob(f"{_PREFIX}*")):
        owner = _owner(folder)
        if owner is None or alive(Process(owner.pid, owner.started)):
            continue
        left = marked(folder)
        end_marked(folder, grace_s=1.0)
        shutil.rmtree(folder, ignore_errors=True)
        if left:
            processes = f"{len(left)} process{'es' if len(left) > 1 else ''}"
            reports.append(
                f"an earlier server on port {owner.port} was killed; "
                f"ended {processes} it left behind"
            )
    return reports


def cluster_on(data_dir: Path) -> Cluster | None:
    """Return the cluster of this user's running server on a data directory, if there is one."""
    for folder in sorted(base_folder().glob(f"{_PREFIX}*")):
        owner = _owner(folder)
        if owner is None or not alive(Process(owner.pid, owner.started)):
            continue
        try:
            cluster = msgspec.json.decode((folder / _CLUSTER).read_bytes(), type=Cluster)
        except (OSError, msgspec.DecodeError):
            continue  # it has not started yet
        if Path(cluster.data_dir) == data_dir.absolute():
            return cluster
    return None


def run_of(pid: int) -> Path | None:
    """Return the folder of the server that a process runs, if it runs one."""
    for folder in sorted(base_folder().glob(f"{_PREFIX}*")):
        owner = _owner(folder)
        if owner is not None and owner.pid == pid and alive(Process(pid, owner.started)):
            return folder
    return None


def _owner(folder: Path) -> _Owner | None:
    try:
        if folder.is_symlink() or folder.stat().st_uid != os.getuid():
            return None
        return msgspec.json.decode((folder / _OWNER).read_bytes(), type=_Owner)
    except (OSError, msgspec.DecodeError):
        return None  # somebody else's, or a run that began a moment ago
