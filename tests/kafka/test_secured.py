"""A broker that asks who is there."""

import logging

import pytest

from actors.errors import StartupError
from actors.kafka.settings import PASSWORD_VARIABLE, SecuritySettings
from actors.settings import ServerSettings
from tests.kafka.broker import PASSWORD, USER, Broker
from tests.kafka.rig import Rig, user_in


def secured(settings: ServerSettings, broker: Broker) -> ServerSettings:
    security = SecuritySettings(protocol="SASL_PLAINTEXT", sasl_mechanism="PLAIN", username=USER)
    update = {"security": security, "bootstrap_servers": [broker.secured]}
    return settings.model_copy(update={"kafka": settings.kafka.model_copy(update=update)})


async def test_the_right_password_is_let_in(
    rig: Rig, own_broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(PASSWORD_VARIABLE, PASSWORD)
    user = user_in(0, 4)
    await rig.feed(0, 3, [user])
    await rig.start(0, settings=secured(rig.settings, own_broker))
    await rig.caught_up(3)
    assert rig.ids(0) == ["e0", "e1", "e2"]


async def test_a_wrong_password_is_told_not_shown_and_does_not_end_the_shard(
    rig: Rig,
    own_broker: Broker,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    wrong = f"{PASSWORD}-wrong"
    monkeypatch.setenv(PASSWORD_VARIABLE, wrong)
    settings = secured(rig.settings, own_broker)
    await rig.start(0, settings=settings)
    stats = await rig.until("it was tried twice", lambda s: s.reconnects >= 2)
    assert stats.state == "connecting"
    await rig.recommend(0, user_in(0, 4), "d1")
    assert "Authentication failed" in caplog.text
    said = caplog.text + repr(settings) + settings.model_dump_json() + repr(stats)
    assert PASSWORD not in said


async def test_no_password_is_refused_at_the_start(
    rig: Rig, own_broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(PASSWORD_VARIABLE, raising=False)
    with pytest.raises(StartupError, match=PASSWORD_VARIABLE):
        await rig.start(0, settings=secured(rig.settings, own_broker))
