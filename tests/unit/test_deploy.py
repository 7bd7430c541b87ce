"""The files that start Kafka, Prometheus and Grafana beside a server; they are parsed, not run."""

from pathlib import Path

import yaml

from actors.settings import load_settings

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"


def test_the_broker_is_where_the_shipped_settings_look_for_it() -> None:
    services = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
    kafka = services["kafka"]
    assert kafka["ports"] == ["127.0.0.1:9092:9092"]
    assert kafka["image"].startswith("apache/kafka:4.")
    advertised = kafka["environment"]["KAFKA_ADVERTISED_LISTENERS"].removeprefix("PLAINTEXT://")
    assert load_settings(ROOT / "config" / "kafka.yaml").kafka.bootstrap_servers == [advertised]


def test_whatever_is_mounted_is_there_and_nothing_listens_beyond_this_machine() -> None:
    document = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    for name, service in document["services"].items():
        for volume in service["volumes"]:
            source = volume.split(":")[0]
            if source.startswith("./"):
                assert (DEPLOY / source).exists(), source
            elif not source.startswith("$"):
                assert source in document["volumes"]
        listens = str(service.get("ports", "")) + str(service.get("command", ""))
        listens += (
            str(service["environment"].get("GF_SERVER_HTTP_ADDR", ""))
            if ("environment" in service)
            else ""
        )
        assert "127.0.0.1" in listens, name


def test_grafana_asks_the_prometheus_that_is_started() -> None:
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
    source = yaml.safe_load((DEPLOY / "grafana/datasources/prometheus.yaml").read_text())
    (datasource,) = source["datasources"]
    address = datasource["url"].removeprefix("http://")
    assert f"--web.listen-address={address}" in compose["prometheus"]["command"]
    jobs = yaml.safe_load((DEPLOY / "prometheus/prometheus.yaml").read_text())["scrape_configs"]
    mounted = {
        volume.split(":")[1] for volume in compose["prometheus"]["volumes"] if "$" not in volume
    }
    assert "/prometheus" in mounted
    (file,) = jobs[0]["file_sd_configs"][0]["files"]
    assert any(f":{Path(file).parent}:ro" in volume for volume in compose["prometheus"]["volumes"])
