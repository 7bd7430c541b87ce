"""What would stop a server on this machine, or make it slow, found before it starts."""

import os
import platform
import resource
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from time import perf_counter
from typing import Final, Literal, NamedTuple

from actors.auth.key_file import keys_path, read_keys
from actors.errors import StartupError
from actors.host.haproxy import warnings
from actors.host.ports import Port, owner_of, ports_of, refusal
from actors.settings import ServerSettings
from recsys.clock import now_ms

__all__ = ["Finding", "diagnose", "file_system_of", "flush_latencies"]

_FLUSHES: Final = 100
_SLOW_FLUSH_S: Final = 0.02
_FEW_FILES: Final = 1024
_ENOUGH_FILES: Final = 4096
_LITTLE_SPACE: Final = 256 << 20
_ENOUGH_SPACE: Final = 2 << 30
_SKEW_S: Final = 2.0
_EARLIEST_MS: Final = 1_735_689_600_000  # 2025: a machine without a clock begins at 1970
_NETWORK: Final = {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "glusterfs"}
_MEMORY: Final = {"tmpfs", "ramfs"}
_WAL_RESET: Final = (3, 51, 3)
_PACKAGES: Final = ("ray", "river", "vowpalwabbit", "numba", "obstore", "pyarrow", "faiss-cpu")

Level = Literal["ok", "warning", "fault"]


class Finding(NamedTuple):
    """One line of the diagnosis; a fault would stop the server."""

    what: str
    level: Level
    text: str


def diagnose(settings: ServerSettings) -> Iterator[Finding]:
    """Yield what was found, in a fixed order."""
    for port in ports_of(settings.http):
        yield _port(port)
    for text in warnings(settings.http):
        yield Finding("strangers", "warning", text)
    yield _keys(settings)
    yield from _versions()
    yield _files()
    yield from _folder(settings.shards.data_dir)


def _port(port: Port) -> Finding:
    what = f"port {port.number}"
    purpose = port.purpose or "API"
    reason = refusal(port.host, port.number)
    if reason is None:
        return Finding(what, "ok", f"free, for the {purpose}")
    owner = owner_of(port.number)
    who = f" ({owner})" if owner else ""
    return Finding(what, "fault", f"{reason}{who}, wanted for the {purpose}; {port.cure}")


def _keys(settings: ServerSettings) -> Finding:
    what = "API keys"
    if not settings.http.asks_for_keys:
        return Finding(what, "ok", "not asked for: only this machine can call")
    path = keys_path(settings.http.auth.keys, settings.shards.data_dir)
    try:
        found = read_keys(path)
    except FileNotFoundError:
        return Finding(what, "ok", f"the first start makes one, and {path}")
    except StartupError as error:
        return Finding(what, "fault", str(error))
    good = sum(not key.expired(now_ms()) for key in found)
    if not good:
        text = f"none of those in {path} is good; make one with `recsys keys new`"
        return Finding(what, "warning", text)
    return Finding(what, "ok", f"{good} in {path}")


def _versions() -> Iterator[Finding]:
    yield Finding("Python", "ok", platform.python_version())
    for package in _PACKAGES:
        try:
            yield Finding(package, "ok", metadata.version(package))
        except metadata.PackageNotFoundError:
            needed = package in {"ray", "river", "vowpalwabbit", "numba"}
            yield Finding(package, "fault" if needed else "ok", "not installed")
    text = sqlite3.sqlite_version
    if sqlite3.sqlite_version_info < _WAL_RESET:
        text += (
            "; before 3.51.3 two connections that write at once could damage a log: a store has "
            "one, so keep other programs away from it"
        )
    yield Finding("SQLite", "ok", text)


def _files() -> Finding:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    text = f"{soft} (at most {hard}); raise it with `ulimit -n {_ENOUGH_FILES}`"
    if soft < _FEW_FILES:
        return Finding("open files", "fault", text)
    if soft < _ENOUGH_FILES:
        return Finding("open files", "warning", text)
    return Finding("open files", "ok", str(soft))


def _folder(data_dir: Path) -> Iterator[Finding]:
    """Yield what there is to say about the disk under the data directory, made or not."""
    place = data_dir.absolute()
    while not place.exists():
        place = place.parent
    kind = file_system_of(place)
    if kind in _NETWORK or kind.startswith("fuse"):
        text = f"{kind}: a write-ahead log needs a local disk; choose another --data-dir"
        yield Finding("file system", "fault", text)
    elif kind in _MEMORY:
        text = f"{kind}: all is lost when the machine ends; choose another --data-dir"
        yield Finding("file system", "fault", text)
    else:
        yield Finding("file system", "ok", kind)
    free = shutil.disk_usage(place).free
    level: Level = "ok" if free >= _ENOUGH_SPACE else "warning"
    yield Finding(
        "free space", "fault" if free < _LITTLE_SPACE else level, f"{free / (1 << 30):.1f} GiB"
    )
    try:
        with tempfile.TemporaryFile(dir=place) as probe:
            yield _flushes(flush_latencies(probe.fileno()))
            yield _clock(os.fstat(probe.fileno()).st_mtime)
    except OSError as error:
        text = f"cannot be written ({error.strerror}); choose another --data-dir"
        yield Finding("data directory", "fault", f"{place} {text}")


def file_system_of(path: Path, mounts: Path = Path("/proc/self/mountinfo")) -> str:
    """Return the type of the file system that a path lies on, ``unknown`` where nobody tells."""
    try:
        lines = mounts.read_text(errors="replace").splitlines()
    except OSError:
        return "unknown"
    found, longest = "unknown", -1
    resolved = path.resolve()
    for line in lines:
        before, _, after = line.partition(" - ")
        point = Path(before.split()[4].replace("\\040", " "))
        if resolved.is_relative_to(point) and len(point.parts) >= longest:
            found, longest = after.split()[0], len(point.parts)
    return found


def flush_latencies(file: int) -> list[float]:
    """Append and flush 4 KiB a hundred times; return the seconds of each, sorted."""
    block = b"\0" * 4096
    seconds = []
    for _ in range(_FLUSHES):
        os.write(file, block)
        started = perf_counter()
        os.fdatasync(file)
        seconds.append(perf_counter() - started)
    return sorted(seconds)


def _flushes(seconds: list[float]) -> Finding:
    p50, p99 = seconds[_FLUSHES // 2], seconds[_FLUSHES - 2]
    text = f"p50 {p50 * 1000:.2f} ms, p99 {p99 * 1000:.2f} ms: about {1 / p50:,.0f} commits/s"
    return Finding("flush", "warning" if p50 > _SLOW_FLUSH_S else "ok", text)


def _clock(written_s: float) -> Finding:
    now = now_ms()
    if now < _EARLIEST_MS:
        return Finding("clock", "fault", f"{now} ms since 1970 cannot be now; set the clock")
    if abs(now / 1000 - written_s) > _SKEW_S:
        text = f"the disk's differs by {now / 1000 - written_s:.1f} s"
        return Finding("clock", "warning", text)
    return Finding("clock", "ok", "agrees with the disk's")
