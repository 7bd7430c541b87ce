"""A busy port is found before anything is started."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from actors.errors import StartupError
from actors.host import ports
from actors.host.ports import check_ports, free_port, ports_of, with_free_side_ports
from actors.settings import HttpSettings


@pytest.fixture
def http() -> HttpSettings:
    free: dict[int, None] = {}
    while len(free) < 4:
        free[free_port()] = None
    port, dashboard, stats, metrics = free
    return HttpSettings(
        port=port,
        dashboard_port=dashboard,
        haproxy_stats_port=stats,
        haproxy_metrics_port=metrics,
    )


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def test_free_ports_are_good(http: HttpSettings) -> None:
    check_ports(ports_of(http))


@pytest.mark.parametrize(
    ("given", "below"),
    [("30000\t60999\n", 30_000), ("1024 65535", 65_536), ("", 65_536), (None, 65_536)],
)
def test_a_free_port_is_none_that_the_system_gives_to_others(
    given: str | None, below: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "range"
    if given is not None:
        file.write_text(given)
    monkeypatch.setattr(ports, "_GIVEN", file)
    found = {free_port() for _ in range(20)}
    assert all(1024 <= number < below for number in found)
    assert all(ports.refusal("127.0.0.1", number) is None for number in found)
    assert len(found) > 1


@pytest.mark.parametrize(
    ("field", "message"),
    [
        (
            "port",
            "port {} is in use by another process; stop it or choose another with --port",
        ),
        (
            "dashboard_port",
            "port {} (Ray dashboard) is in use by another process; "
            "stop it or set http.dashboard_port",
        ),
        (
            "haproxy_stats_port",
            "port {} (HAProxy statistics) is in use by another process; "
            "stop it or set http.haproxy_stats_port",
        ),
        (
            "haproxy_metrics_port",
            "port {} (HAProxy metrics) is in use by another process; "
            "stop it or set http.haproxy_metrics_port",
        ),
    ],
)
def test_a_busy_port_is_named_with_its_cure(
    http: HttpSettings, taken: int, field: str, message: str
) -> None:
    with pytest.raises(StartupError) as refusal:
        check_ports(ports_of(http.model_copy(update={field: taken})))
    assert str(refusal.value) == message.format(taken)


def test_two_uses_of_one_port_are_found(http: HttpSettings) -> None:
    twice = http.model_copy(update={"dashboard_port": http.port})
    with pytest.raises(StartupError, match=r"\(Ray dashboard\) is wanted twice"):
        check_ports(ports_of(twice))


def test_an_address_that_is_not_ours_is_named(http: HttpSettings) -> None:
    elsewhere = http.model_copy(update={"host": "203.0.113.7"})
    with pytest.raises(StartupError, match=r"on 203\.0\.113\.7 cannot be used: .*; choose another"):
        check_ports(ports_of(elsewhere))


def test_without_haproxy_its_ports_do_not_matter(http: HttpSettings, taken: int) -> None:
    plain = http.model_copy(update={"haproxy": False, "haproxy_stats_port": taken})
    check_ports(ports_of(plain))


def test_the_demo_moves_out_of_the_way_but_keeps_its_port(http: HttpSettings, taken: int) -> None:
    moved = with_free_side_ports(http.model_copy(update={"haproxy_metrics_port": taken}))
    assert moved.haproxy_metrics_port != taken
    assert moved.model_copy(update={"haproxy_metrics_port": http.haproxy_metrics_port}) == http
    check_ports(ports_of(moved))
