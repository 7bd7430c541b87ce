"""What a command line says wins over the file and the environment."""

from pathlib import Path

from actors.settings import ServerSettings

__all__ = ["override"]


def override(
    settings: ServerSettings, *, port: int | None = None, data_dir: Path | None = None
) -> ServerSettings:
    """Return the settings with what was given put in place; ``None`` leaves a value as it is."""
    http = settings.http if port is None else settings.http.model_copy(update={"port": port})
    shards = settings.shards
    if data_dir is not None:
        shards = shards.model_copy(update={"data_dir": data_dir})
    return settings.model_copy(update={"http": http, "shards": shards})
