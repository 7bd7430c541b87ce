"""Where the processes of a server listen, and what must hold of it."""

import importlib
import socket
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import NamedTuple

import pytest

from actors.host.processes import Process, marked
from tests.integration.cluster import Cluster

__all__ = ["check_doors"]

LISTENS = "0A"


class Listener(NamedTuple):
    address: IPv4Address | IPv6Address
    port: int


def decoded(words: str) -> IPv4Address | IPv6Address:
    """Decode an address as ``/proc/net/tcp`` has it: words of four bytes in the host's order."""
    raw = bytes.fromhex(words)
    packed = b"".join(
        socket.htonl(int.from_bytes(raw[at : at + 4])).to_bytes(4) for at in range(0, len(raw), 4)
    )
    found = ip_address(packed)
    return (isinstance(found, IPv6Address) and found.ipv4_mapped) or found


def listeners(processes: list[Process]) -> dict[Listener, str]:
    """Return where processes listen, and what they are called."""
    sockets = dict[str, str]()
    for process in processes:
        folder = Path("/proc") / str(process.pid)
        try:
            name = (folder / "comm").read_text().strip()
            sockets |= {str(file.readlink()): name for file in (folder / "fd").iterdir()}
        except OSError:
            continue  # it has ended, or closed a file meanwhile
    found = dict[Listener, str]()
    for table in ("tcp", "tcp6"):
        for fields in map(str.split, Path(f"/proc/net/{table}").read_text().splitlines()[1:]):
            name = sockets.get(f"socket:[{fields[9]}]", "")
            if fields[3] == LISTENS and name:
                words, port = fields[1].split(":")
                found[Listener(decoded(words), int(port, 16))] = name
    return found


def refused(port: int) -> bool:
    """Return whether a gateway's inner door sends a stranger without Ray's token away."""
    grpc = importlib.import_module("grpc")
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        call = channel.unary_unary("/ray.serve.ASGIService/HandleRequest")
        with pytest.raises(grpc.RpcError) as error:
            call(b"", timeout=10)
    return bool(error.value.code() is grpc.StatusCode.UNAUTHENTICATED)


def check_doors(cluster: Cluster) -> None:
    """Everything listens on loopback, but for one door of each gateway, which is locked."""
    found = listeners(marked(cluster.folder))
    http = cluster.settings.http
    for port in (http.port, http.haproxy_stats_port, http.haproxy_metrics_port):
        assert found[Listener(IPv4Address("127.0.0.1"), port)] == "haproxy"
    assert {"gcs_server", "raylet", "ray::ShardActor"} <= set(found.values())
    # Where Serve's processes reach a gateway; Serve has no setting for its address.
    ((inner, name),) = (
        (one.port, name) for one, name in found.items() if not one.address.is_loopback
    )
    assert name.startswith("ray::ServeRepli")
    assert refused(inner)
