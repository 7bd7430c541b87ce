"""The settings of who may call the API: ``http.auth``."""

from ipaddress import ip_address
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["AuthSettings", "is_loopback"]


class AuthSettings(BaseModel):
    """Keys are asked for on every address that other machines can reach, and where it is wanted."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    always: bool = False
    keys: Path | None = None
    refusals_per_s: float = Field(10.0, gt=0)
    person_events_per_s: float = Field(5.0, ge=0)
    person_burst: int = Field(2500, ge=1)


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach an address; of names, only localhost is known."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
