"""A server that asks for keys, for tests."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic, sleep

import httpx2

from actors.auth.key_file import changing_keys
from actors.auth.keys import Key, make_key
from actors.settings import HttpSettings
from tests.servers import SETTINGS, live

__all__ = ["Lock", "locked"]

_PATIENCE_S = 20.0


@dataclass
class Lock:
    """A running server and its keys.

    Attributes
    ----------
    reads, sends
        Keys with the scopes ``read`` and ``events``.
    """

    path: Path
    url: str = ""
    reads: str = field(init=False)
    sends: str = field(init=False)
    _keys: dict[str, Key] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self.reads, self._keys["reads"] = make_key("reads", ["read"], 0)
        self.sends, self._keys["sends"] = make_key("sends", ["events"], 0)
        self._write(self._keys)

    def withdraw(self) -> None:
        """Take all keys away; returns once the server knows."""
        self._write({})
        self._wait(401)

    def restore(self) -> None:
        """Make the keys good again; returns once the server knows."""
        self._write(self._keys)
        self._wait(200)

    def _write(self, wanted: dict[str, Key]) -> None:
        with changing_keys(self.path) as keys:
            keys.clear()
            keys.update(wanted)

    def _wait(self, status: int) -> None:
        last = monotonic() + _PATIENCE_S
        headers = {"X-API-Key": self.reads}
        while httpx2.get(f"{self.url}/v1/stats", headers=headers).status_code != status:
            if monotonic() > last:
                message = f"no {status} after {_PATIENCE_S:g} s"
                raise TimeoutError(message)
            sleep(0.05)


@contextmanager
def locked() -> Iterator[Lock]:
    """Run the server."""
    with TemporaryDirectory() as folder:
        lock = Lock(Path(folder) / "keys.json")
        auth = {"always": True, "keys": lock.path, "refusals_per_s": 1000}
        http = HttpSettings.model_validate({"auth": auth})
        with live(SETTINGS.model_copy(update={"http": http})) as lock.url:
            yield lock
