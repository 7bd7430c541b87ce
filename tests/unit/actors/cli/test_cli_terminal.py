"""What Ray prints goes to a file, what we print to the terminal."""

import subprocess
import sys
from pathlib import Path

PROGRAM = """
import os, subprocess, sys
from pathlib import Path
from actors.cli.terminal import quiet

with quiet(Path("log")) as terminal:
    print("from Python")
    os.write(2, b"from C++\\n")
    subprocess.run([sys.executable, "-c", "print('from a child')"], check=True)
    terminal.out.print("for the user [b]")
    terminal.err.print("about a fault")
print("after")
"""


def test_only_the_console_reaches_the_terminal(tmp_path: Path) -> None:
    seen = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert (seen.stdout, seen.stderr) == ("for the user [b]\nafter\n", "about a fault\n")
    log = (tmp_path / "log").read_text()
    assert sorted(log.splitlines()) == ["from C++", "from Python", "from a child"]
