"""Small files and names that outlive a power cut: the old content or the new one, never a part."""

import os
from collections.abc import Callable
from pathlib import Path

__all__ = ["replace_file", "sync_folder"]


def replace_file(
    path: Path,
    content: bytes,
    *,
    mode: int = 0o666,
    before: Callable[[int], object] | None = None,
) -> None:
    """Put a file in the place of another one, or of none.

    Parameters
    ----------
    mode
        Who may do what with it, less what the process takes away from everybody.
    before
        Is given the new file's descriptor before anybody else sees it.

    Raises
    ------
    OSError
        When it cannot be written; the old file is then as it was.
    """
    fresh = path.with_name(f"{path.name}.new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(content)
        file.flush()
        if before is not None:
            before(file.fileno())
        os.fsync(file.fileno())
    fresh.replace(path)
    sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    """Make the names in a folder durable; raises ``OSError``."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
