"""A broker that asks who is there: who is let in, who is not, and whose login runs out."""

import asyncio
import logging

import pytest

from actors.errors import StartupError
from actors.kafka.settings import PASSWORD_VARIABLE, SecuritySettings
from actors.kafka.startup import refuse_unfit_topics
from actors.settings import ServerSettings
from tests.kafka.broker import PASSWORD, USER, Broker, eventually
from tests.kafka.doors import reader_check, said_of_kafka, through
from tests.kafka.rig import Rig, click, gateway, user_in

MECHANISMS = ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]


def secured(settings: ServerSettings, broker: Broker, mechanism: str) -> ServerSettings:
    security = SecuritySettings.model_validate(
        {"protocol": "SASL_PLAINTEXT", "sasl_mechanism": mechanism, "username": USER}
    )
    return through(settings, broker.secured, security)


@pytest.mark.parametrize("mechanism", MECHANISMS)
async def test_the_right_password_is_let_in(
    rig: Rig, own_broker: Broker, monkeypatch: pytest.MonkeyPatch, mechanism: str
) -> None:
    monkeypatch.setenv(PASSWORD_VARIABLE, PASSWORD)
    user = user_in(0, 4)
    await rig.feed(0, 3, [user])
    await rig.start(0, settings=secured(rig.settings, own_broker, mechanism))
    await rig.caught_up(3)
    assert rig.ids(0) == ["e0", "e1", "e2"]


@pytest.mark.parametrize("mechanism", MECHANISMS)
async def test_a_wrong_password_is_told_not_shown_and_does_not_end_the_shard(
    rig: Rig,
    own_broker: Broker,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    mechanism: str,
) -> None:
    caplog.set_level(logging.DEBUG)
    wrong = f"{PASSWORD}-wrong"
    monkeypatch.setenv(PASSWORD_VARIABLE, wrong)
    settings = secured(rig.settings, own_broker, mechanism)
    warning = await refuse_unfit_topics(settings.model_copy())
    refusal = f"{own_broker.secured} refuses the login of {USER} by {mechanism}"
    assert warning.startswith(f"starting without Kafka, and trying again all the while: {refusal}")

    await rig.start(settings=settings)
    stats = await rig.until("it was tried often", lambda s: s.reconnects >= 5)
    assert stats.state == "connecting"
    assert stats.detail.startswith(refusal)
    assert f"kafka.security.username or {PASSWORD_VARIABLE} is wrong" in stats.detail
    assert rig.shards[0].trouble() == (f"it does not read from Kafka: {stats.detail}",), (
        "the operator's console shows it"
    )
    async with gateway(rig) as client:
        assert await reader_check(client, 0) == (False, f"connecting: {stats.detail}")
        answer = await client.post("/v1/recommend", json={"user_id": user_in(0, 4), "n": 1})
        assert answer.status_code == 200
        shown = (await client.get("/v1/stats")).text
    assert said_of_kafka(caplog) == [
        f"shard {n}: not reading from Kafka: {stats.detail}" for n in (0, 1)
    ]
    said = caplog.text + repr(settings) + settings.model_dump_json() + shown + warning
    assert PASSWORD not in said


async def test_events_for_a_log_that_lets_nobody_in_are_refused_and_lists_are_served(
    rig: Rig, own_broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    await rig.start()
    wrong = f"{PASSWORD}-wrong"
    monkeypatch.setenv(PASSWORD_VARIABLE, wrong)
    settings = secured(rig.settings, own_broker, "SCRAM-SHA-512")
    logged = settings.kafka.model_copy(update={"gateway_log": True})
    rig.settings = settings.model_copy(update={"kafka": logged})
    user = user_in(0, 4)
    async with gateway(rig) as client:
        refused = await client.post("/v1/events", json=[click(0, user)])
        assert (refused.status_code, "Retry-After" in refused.headers) == (503, True)
        assert f"refuses the login of {USER} by SCRAM-SHA-512" in refused.json()["detail"]
        assert PASSWORD not in refused.text
        answer = await client.post("/v1/recommend", json={"user_id": user, "n": 1})
        assert answer.status_code == 200


async def test_a_login_that_runs_out_is_made_anew_and_nobody_notices(
    rig: Rig, own_broker: Broker, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The broker closes each connection a few seconds after its login."""
    monkeypatch.setenv(PASSWORD_VARIABLE, PASSWORD)
    caplog.set_level(logging.INFO, "aiokafka.conn")
    user, sent = user_in(0, 4), 0
    await rig.start(0, settings=secured(rig.settings, own_broker, "SCRAM-SHA-256"))
    await rig.until("it reads", lambda s: s.state == "reading")
    login = "Authenticated as recsys via SCRAM-SHA-256"
    began = caplog.text.count(login)

    async def closed_twice() -> bool:
        nonlocal sent
        await rig.feed(sent, 1, [user])
        sent += 1
        await rig.caught_up(sent)
        # The reader has two connections and tells its offsets over a third.
        return caplog.text.count(login) >= began + 2 * 3

    await eventually("all connections were closed and made anew, twice", closed_twice)
    stats = rig.kafka(0)
    assert (stats.state, stats.reconnects) == ("reading", 0)
    assert rig.ids(0) == sorted(f"e{n}" for n in range(sent))
    assert said_of_kafka(caplog) == []


@pytest.mark.parametrize("now", [None, "another"], ids=["deleted", "changed"])
async def test_a_login_that_is_taken_away_while_reading_is_told_until_it_is_back(
    rig: Rig,
    own_broker: Broker,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    now: str | None,
) -> None:
    monkeypatch.setenv(PASSWORD_VARIABLE, PASSWORD)
    settings = secured(rig.settings, own_broker, "SCRAM-SHA-256")
    impatient = settings.kafka.model_copy(update={"answer_timeout_s": 2.0})
    user = user_in(0, 4)
    await rig.feed(0, 3, [user])
    await rig.start(settings=settings.model_copy(update={"kafka": impatient}))
    await rig.caught_up(3)
    await asyncio.to_thread(own_broker.set_password, "SCRAM-SHA-256", now)
    try:
        refusal = f"{own_broker.secured} refuses the login of {USER}"
        stats = await rig.until("it is told", lambda s: s.detail.startswith(refusal))
        await rig.feed(3, 3, [user])
        tried = stats.reconnects
        stats = await rig.until("it was tried again", lambda s: s.reconnects > tried + 2)
        async with gateway(rig) as client:
            assert await reader_check(client, 0) == (False, f"connecting: {stats.detail}")
            answer = await client.post("/v1/recommend", json={"user_id": user, "n": 1})
            assert answer.status_code == 200
            assert rig.shards[0].trouble() == (f"it does not read from Kafka: {stats.detail}",)
            assert rig.ids(0) == ["e0", "e1", "e2"]
    finally:
        await asyncio.to_thread(own_broker.set_password, "SCRAM-SHA-256", PASSWORD)
    await rig.until("the rest is read", lambda s: s.records == 6)
    await rig.until("it is well", lambda s: (s.state, s.detail) == ("reading", ""))
    async with gateway(rig) as client:
        assert await reader_check(client, 0) == (True, "reading")
    assert rig.shards[0].trouble() == ()
    assert rig.ids(0) == [f"e{n}" for n in range(6)]
    mine = [one for one in said_of_kafka(caplog) if one.startswith("shard 0:")]
    assert len(mine) <= 3, "that the connection is gone, why, and nothing for each attempt"
    library = [one for one in caplog.records if one.name.startswith("aiokafka")]
    templates = [(one.name, one.msg) for one in library if one.levelno >= logging.WARNING]
    assert len(templates) == len(set(templates)), "nothing of the library's twice within a minute"
    assert PASSWORD not in caplog.text


async def test_no_password_is_refused_at_the_start(
    rig: Rig, own_broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(PASSWORD_VARIABLE, raising=False)
    settings = secured(rig.settings, own_broker, "PLAIN")
    with pytest.raises(StartupError, match=PASSWORD_VARIABLE):
        await refuse_unfit_topics(settings)
    with pytest.raises(StartupError, match=PASSWORD_VARIABLE):
        await rig.start(0, settings=settings)
