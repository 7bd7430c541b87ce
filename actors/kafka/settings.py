"""The settings of Kafka. The password is no setting: it comes from the environment alone."""

from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

__all__ = ["PASSWORD_VARIABLE", "KafkaSettings", "SecuritySettings", "TopicSettings"]

PASSWORD_VARIABLE: Final = "RECSYS_KAFKA_PASSWORD"
"""Of the environment of the server."""

Topic = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{1,200}$")]
"""What Kafka allows, but for the longest names."""


class TopicSettings(BaseModel):
    """What is read and written."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    feedback: Topic = "recsys.feedback"
    catalogue: Topic = "recsys.catalogue"
    decisions: Topic = "recsys.decisions"
    dead_letters: Topic = "recsys.dead-letters"

    @model_validator(mode="after")
    def _differ(self) -> Self:
        names = list(self.model_dump().values())
        if len(set(names)) < len(names):
            message = f"each topic needs a name of its own, got {', '.join(names)}"
            raise ValueError(message)
        return self


class SecuritySettings(BaseModel):
    """How to reach the brokers."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "SCRAM-SHA-512"
    username: str | None = None
    ca_file: Path | None = None

    @model_validator(mode="after")
    def _user(self) -> Self:
        if self.protocol.startswith("SASL") and not self.username:
            message = f"{self.protocol} needs a username (and {PASSWORD_VARIABLE} beside it)"
            raise ValueError(message)
        return self


class KafkaSettings(BaseModel):
    """Whether and how the shards read from Kafka and write to it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    enabled: bool = False
    bootstrap_servers: Annotated[list[str], Field(min_length=1)] = ["127.0.0.1:9092"]
    topics: TopicSettings = TopicSettings()
    security: SecuritySettings = SecuritySettings()
    gateway_log: bool = False
    first_start: Literal["earliest", "latest"] = "earliest"
    group: str = Field("recsys", min_length=1)
    batch_records: int = Field(200, ge=1, le=10_000)
    max_record_bytes: int = Field(1 << 20, ge=1024)
    buffer_events: int = Field(10_000, ge=1)
    probe_every_s: float = Field(2.0, gt=0)
    answer_timeout_s: float = Field(10.0, gt=0)
    longest_pause_s: float = Field(15.0, gt=0)
    withheld_s: float = Field(60.0, gt=0)

    @model_validator(mode="after")
    def _gateway(self) -> Self:
        if self.gateway_log and not self.enabled:
            message = "gateway_log needs enabled: true, or nobody reads what the gateway writes"
            raise ValueError(message)
        return self
