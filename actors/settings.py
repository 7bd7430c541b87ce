"""The settings of a whole server: one YAML file, overridden by ``RECSYS__SECTION__KEY`` variables.

Precedence: environment, then the file named on the command line, then the defaults here and in
``recsys.settings``. ``config/default.yaml`` lists every knob; a test holds it equal to the code.
"""

from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    YamlConfigSettingsSource,
)
from typing_extensions import override

from actors.auth.settings import AuthSettings, is_loopback
from actors.kafka.settings import KafkaSettings
from recsys.settings import EngineSettings

__all__ = [
    "CopySettings",
    "HttpSettings",
    "ServerSettings",
    "ShardSettings",
    "load_settings",
    "mixes",
]


class HttpSettings(BaseModel):
    """The gateway's edge."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str = "127.0.0.1"
    port: int = Field(8000, ge=1, le=65_535)
    haproxy: bool = True
    haproxy_stats_port: int = Field(8404, ge=1, le=65_535)
    haproxy_metrics_port: int = Field(9101, ge=1, le=65_535)
    haproxy_side_host: str = "127.0.0.1"
    dashboard_port: int = Field(8265, ge=1, le=65_535)
    header_timeout_s: int = Field(10, ge=1, le=3600)
    stall_timeout_s: int = Field(60, ge=1, le=3600)
    replicas: int = Field(1, ge=1, le=64)
    access_log: bool = False
    max_body_bytes: int = Field(1 << 20, ge=1024)
    max_batch_events: int = Field(1000, ge=1, le=100_000)
    max_batch_lists: int = Field(100, ge=1, le=10_000)
    max_ongoing_requests: int = Field(256, ge=1)
    max_queued_requests: int = Field(512, ge=1)
    shard_timeout_s: float = Field(5.0, gt=0)
    future_skew_s: float = Field(300.0, ge=0)
    auth: AuthSettings = AuthSettings()

    @property
    def asks_for_keys(self) -> bool:
        """Whether callers must bring a key: always so where other machines can call."""
        return self.auth.always or not is_loopback(self.host)


class CopySettings(BaseModel):
    """Generations of the shards' stores off the machine; an empty ``url`` means none."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str = ""
    every_s: float = Field(300.0, ge=1)
    keep: int = Field(3, ge=3, le=10_000)


class ShardSettings(BaseModel):
    """How users are divided, and where their state lies."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    count: int = Field(2, ge=1, le=1024)
    partitions: int = Field(64, ge=1, le=65_536)
    data_dir: Path = Path("data")
    stuck_s: float = Field(60.0, ge=0)
    wire: bool = True
    copies: CopySettings = CopySettings()

    @model_validator(mode="after")
    def _enough_partitions(self) -> Self:
        if self.partitions < self.count:
            message = (
                f"shards.partitions ({self.partitions}) must be at least shards.count "
                f"({self.count}): every shard owns one or more"
            )
            raise ValueError(message)
        return self


class ServerSettings(BaseSettings):
    """The whole tree."""

    model_config = SettingsConfigDict(
        frozen=True,
        extra="forbid",
        env_prefix="RECSYS__",
        env_nested_delimiter="__",
        env_ignore_empty=True,
    )

    http: HttpSettings = HttpSettings()
    shards: ShardSettings = ShardSettings()
    engine: EngineSettings = EngineSettings()
    kafka: KafkaSettings = KafkaSettings()

    @classmethod
    @override
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return env_settings, init_settings


def mixes(settings: ServerSettings) -> bool:
    """Return whether shards learn of each other."""
    return settings.shards.count > 1 and settings.engine.mix.enabled


def load_settings(path: Path | None = None) -> ServerSettings:
    """Read the file, then the environment, and check it all.

    Raises
    ------
    FileNotFoundError
        When ``path`` does not exist.
    pydantic.ValidationError
        Naming each wrong or unknown key.
    """
    if path is None:
        return ServerSettings()
    if not path.is_file():
        raise FileNotFoundError(path)
    values = YamlConfigSettingsSource(ServerSettings, yaml_file=path)()
    return ServerSettings(**values)
