"""Progress bars appear on a terminal and nowhere else."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path


def test_a_terminal_shows_progress_and_standard_output_stays_clean(
    squeezenet: Path, tmp_path: Path
) -> None:
    terminal, line = pty.openpty()
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "hwprof", "measure", str(squeezenet), "--json"),
            *("--no-per-op", "--restarts", "1", "--lut", str(tmp_path / "t.db")),
        ],
        stdout=subprocess.PIPE,
        stderr=line,
    )
    os.close(line)
    shown = b""
    while True:
        try:
            part = os.read(terminal, 4096)
        except OSError:  # the other end of a terminal is gone
            break
        if not part:
            break
        shown += part
    out, _ = process.communicate()
    os.close(terminal)
    assert process.returncode == 0
    assert b"light_squeezenet (1/1)" in shown
    assert out.startswith(b"[")
