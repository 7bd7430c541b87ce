"""Several brokers are asked: one that refuses us is told of, though another one is away."""

import pytest
from aiokafka.errors import SaslAuthenticationFailed

from actors.kafka import knock as knock_module
from actors.kafka.base import KafkaUnreachable, LockedOut
from actors.kafka.knock import knock
from actors.kafka.settings import KafkaSettings

REFUSED = SaslAuthenticationFailed("no")
AWAY = ConnectionRefusedError()


@pytest.mark.parametrize(
    ("said", "raised"),
    [
        ({"a": REFUSED, "b": REFUSED}, LockedOut),
        ({"a": REFUSED, "b": AWAY}, LockedOut),
        ({"a": AWAY, "b": AWAY}, KafkaUnreachable),
        ({"a": REFUSED, "b": None}, None),
        ({"a": AWAY, "b": None}, None),
    ],
)
async def test_who_is_let_in_by_one_is_let_in(
    monkeypatch: pytest.MonkeyPatch,
    said: dict[str, Exception | None],
    raised: type[Exception] | None,
) -> None:
    async def ask(settings: KafkaSettings, client: str, host: str, port: int) -> None:
        answer = said[host]
        if answer is not None:
            raise answer

    monkeypatch.setattr(knock_module, "_ask", ask)
    settings = KafkaSettings(bootstrap_servers=["a:1", "b:2"])
    if raised is None:
        await knock(settings, "test")
        return
    with pytest.raises(KafkaUnreachable) as told:
        await knock(settings, "test")
    assert type(told.value) is raised
    assert "a:1 " in str(told.value)
    assert "b:2 " in str(told.value)
