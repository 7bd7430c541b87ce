"""What is replaced is the old file or the new one, and the folder knows of it."""

import os
import stat
from pathlib import Path

import pytest

from recsys.durable import replace_file


def test_a_file_is_replaced_and_then_its_folder_is_flushed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    done = list[str]()
    fsync, rename = os.fsync, Path.replace

    def flushed(descriptor: int) -> None:
        is_folder = stat.S_ISDIR(os.fstat(descriptor).st_mode)
        done.append("flush the folder" if is_folder else "flush the file")
        fsync(descriptor)

    def replaced(self: Path, target: Path) -> Path:
        done.append(f"{self.name} -> {target.name}")
        return rename(self, target)

    monkeypatch.setattr(os, "fsync", flushed)
    monkeypatch.setattr(Path, "replace", replaced)
    replace_file(path, b"one", mode=0o600)
    assert done == ["flush the file", "file.new -> file", "flush the folder"]
    assert path.stat().st_mode & 0o777 == 0o600
    (tmp_path / "file.new").write_bytes(b"left by one who was killed")
    replace_file(path, b"two", mode=0o600)
    assert path.read_bytes() == b"two"


def test_what_fails_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    replace_file(path, b"one")

    def refuse(_: int) -> None:
        raise PermissionError

    with pytest.raises(PermissionError):
        replace_file(path, b"two", before=refuse)
    assert path.read_bytes() == b"one"
