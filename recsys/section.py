"""What every section of the settings is: frozen, nothing unknown, nothing infinite."""

from pydantic import BaseModel, ConfigDict

__all__ = ["Section"]


class Section(BaseModel):
    """Base of the sections of ``recsys.settings``."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
