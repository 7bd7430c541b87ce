"""``recsys demo`` as its users run it."""

import subprocess
from pathlib import Path

from actors.settings import HttpSettings
from tests.integration.command import RECSYS, run_folders


def test_the_demo_learns_something_and_leaves_a_picture(
    tmp_path: Path, free_http: HttpSettings
) -> None:
    before = run_folders()
    command = [*RECSYS, "demo", "--duration", "3", "--port", str(free_http.port)]
    demo = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
    )
    assert (demo.returncode, demo.stderr) == (0, "")
    assert f"API            http://127.0.0.1:{free_http.port}\n" in demo.stdout
    for arm in ("learner", "popularity", "random"):
        assert f"│ {arm}" in demo.stdout
    assert "0 failed" in demo.stdout
    assert "errors:" not in demo.stdout
    assert demo.stdout.endswith("stopped\n")
    assert (tmp_path / "demo-clickrate.png").read_bytes().startswith(b"\x89PNG")
    # One that another server has left behind may have gone meanwhile.
    assert not run_folders() - before
