"""A broker that is encrypted: what does not fit is told, and reading begins when it does."""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from actors.errors import StartupError
from actors.kafka.settings import PASSWORD_VARIABLE, SecuritySettings
from actors.kafka.startup import refuse_unfit_topics
from actors.settings import ServerSettings
from tests.kafka.broker import PASSWORD, USER, Broker
from tests.kafka.certificates import Authority
from tests.kafka.doors import reader_check, said_of_kafka, through
from tests.kafka.rig import Rig, gateway, user_in


def by(settings: ServerSettings, address: str, ca_file: Path, **how: str) -> ServerSettings:
    """Return settings for one of the broker's addresses."""
    security = SecuritySettings.model_validate({"username": USER, "ca_file": ca_file, **how})
    return through(settings, address, security)


@pytest.fixture(autouse=True)
def password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PASSWORD_VARIABLE, PASSWORD)


@pytest.mark.parametrize("protocol", ["SSL", "SASL_SSL"])
async def test_what_fits_is_read(rig: Rig, own_broker: Broker, protocol: str) -> None:
    address = own_broker.tls if protocol == "SSL" else own_broker.both
    user = user_in(0, 4)
    await rig.feed(0, 3, [user])
    settings = by(rig.settings, address, own_broker.authority.file, protocol=protocol)
    assert await refuse_unfit_topics(settings) == ""
    await rig.start(0, settings=settings)
    await rig.caught_up(3)
    assert rig.ids(0) == ["e0", "e1", "e2"]
    assert rig.kafka(0).reconnects == 0


@pytest.mark.parametrize(
    ("door", "protocol", "mechanism", "said"),
    [
        ("tls", "PLAINTEXT", "PLAIN", "speaks TLS, but kafka.security.protocol is PLAINTEXT"),
        ("both", "SASL_PLAINTEXT", "PLAIN", "speaks TLS, but kafka.security.protocol is SASL_PL"),
        ("bootstrap", "SSL", "PLAIN", "broke off the greeting of TLS"),
        ("bootstrap", "SASL_PLAINTEXT", "PLAIN", "asks for no login, but kafka.security.protocol"),
        ("secured", "PLAINTEXT", "PLAIN", "kafka.security.protocol is PLAINTEXT: does it want"),
        ("both", "SASL_SSL", "SCRAM-SHA-256", "offers no login by SCRAM-SHA-256"),
    ],
)
async def test_a_protocol_that_does_not_fit_is_told(
    rig: Rig,
    own_broker: Broker,
    caplog: pytest.LogCaptureFixture,
    door: str,
    protocol: str,
    mechanism: str,
    said: str,
) -> None:
    address = getattr(own_broker, door)
    settings = by(
        rig.settings, address, own_broker.authority.file,
        protocol=protocol, sasl_mechanism=mechanism,
    )  # fmt: skip
    warning = await refuse_unfit_topics(settings)
    assert said in warning
    await rig.start(settings=settings)
    stats = await rig.until("it was tried often", lambda s: s.reconnects >= 4)
    assert stats.detail.startswith(f"{address} ")
    assert said in stats.detail
    async with gateway(rig) as client:
        assert await reader_check(client, 0) == (False, f"connecting: {stats.detail}")
        answer = await client.post("/v1/recommend", json={"user_id": user_in(0, 4), "n": 1})
        assert answer.status_code == 200
    assert said_of_kafka(caplog) == [
        f"shard {shard}: not reading from Kafka: {stats.detail}" for shard in (0, 1)
    ]
    assert PASSWORD not in caplog.text + warning + repr(stats)


async def test_certificates_that_are_not_to_be_trusted_are_told_until_they_are(
    rig: Rig, own_broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    authority, user = own_broker.authority, user_in(0, 4)
    await rig.feed(0, 3, [user])
    own = "127.0.0.1"
    settings = by(rig.settings, own_broker.tls, authority.file, protocol="SSL")
    try:
        await asyncio.to_thread(own_broker.show, authority.keystore("broker.example"))
        await rig.start(settings=settings)
        other = await rig.until("whose it is", lambda s: "it is another host's" in s.detail)
        assert "certificate is not valid for '127.0.0.1'" in other.detail
        await asyncio.to_thread(own_broker.show, authority.keystore(own, timedelta(days=-1)))
        late = await rig.until("that it is late", lambda s: "it has expired" in s.detail)
        assert late.detail == (
            f"{own_broker.tls} has a certificate that is not trusted: it has expired"
        )
        assert rig.shards[0].trouble() == (f"it does not read from Kafka: {late.detail}",)
        async with gateway(rig) as client:
            assert await reader_check(client, 0) == (False, f"connecting: {late.detail}")
    finally:
        await asyncio.to_thread(own_broker.show, authority.keystore(own))
    await rig.until("it is renewed, and what was there is read", lambda s: s.records == 3)
    assert rig.ids(0) == ["e0", "e1", "e2"]
    assert rig.shards[0].trouble() == ()
    assert len(said_of_kafka(caplog)) == 2 * 2, "once for each cause and shard"


async def test_an_authority_that_is_not_known_is_told_until_it_is(
    rig: Rig, own_broker: Broker, tmp_path: Path
) -> None:
    user = user_in(0, 4)
    await rig.feed(0, 3, [user])
    known = Authority(tmp_path, "stranger").file
    await rig.start(0, settings=by(rig.settings, own_broker.tls, known, protocol="SSL"))
    stats = await rig.until("it is told", lambda s: "certificate" in s.detail)
    assert f"those who may sign are in {known}" in stats.detail
    # While it is being renewed there may be no file, or half of one.
    known.unlink()
    stats = await rig.until("it is gone", lambda s: "No such file" in s.detail)
    assert stats.detail == f"kafka.security.ca_file: {known}: No such file or directory"
    known.write_text("no certificate")
    await rig.until("it is none", lambda s: s.detail.endswith("it holds no certificate"))
    assert rig.shards[0].trouble() == (f"it does not read from Kafka: {rig.kafka(0).detail}",)
    await rig.recommend(0, user, "d1")
    known.write_bytes(own_broker.authority.file.read_bytes())
    await rig.until("all is read", lambda s: s.records == 3)
    await rig.read_all(rig.topics.decisions, 4, 1)


async def test_a_file_without_certificates_is_refused_at_the_start(
    settings: ServerSettings, own_broker: Broker, tmp_path: Path
) -> None:
    empty = tmp_path / "ca.pem"
    empty.write_text("")
    with pytest.raises(StartupError, match=r"ca_file: .*ca\.pem: it holds no certificate"):
        await refuse_unfit_topics(by(settings, own_broker.tls, empty, protocol="SSL"))
