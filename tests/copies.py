"""Who copies shards in tests, and what."""

import asyncio
from collections.abc import Callable
from pathlib import Path

from typer.testing import CliRunner, Result
from typing_extensions import override

from actors.cli.main import app
from actors.layout import DataFolder, shard_folder
from actors.observer import Silent
from actors.settings import CopySettings, ShardSettings
from recsys.keyfile import load_key
from tests.stores import filled

__all__ = ["Witness", "filled_folder", "recsys", "shards_in"]


class Witness(Silent):
    """Remembers how copies ended, and lets a test wait for the next one."""

    def __init__(self) -> None:
        self.copies: list[bool] = []
        self.news = asyncio.Event()

    @override
    def on_copy(self, seconds: float | None) -> None:
        self.copies.append(seconds is not None)
        self.news.set()

    async def until(self, reached: Callable[[], bool]) -> None:
        """Wait until something holds of the copies."""
        async with asyncio.timeout(20):
            while not reached():
                self.news.clear()
                await self.news.wait()


def shards_in(tmp_path: Path, url: str) -> ShardSettings:
    """Return settings of one shard in ``tmp_path / "data"`` that copies itself all the time."""
    # More often than settings allow.
    copies = CopySettings(url=url).model_copy(update={"every_s": 0.05})
    return ShardSettings(count=1, partitions=8, data_dir=tmp_path / "data", copies=copies)


def recsys(*arguments: str | Path) -> Result:
    """Run a command in this process."""
    return CliRunner().invoke(app, list(map(str, arguments)))


def filled_folder(data: Path) -> Path:
    """Make a data directory of two shards with 20 events each, and return it."""
    DataFolder(ShardSettings(count=2, partitions=8, data_dir=data)).release()
    for index in range(2):
        folder = shard_folder(data, index)
        filled(folder / "log.sqlite")
        load_key(folder / "key")
    return data
