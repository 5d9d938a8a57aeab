"""A few kills of the many that scripts/check_kills.py makes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from hwprof.codec import from_json

SCRIPT = Path(__file__).parents[2] / "scripts" / "check_kills.py"


def test_a_campaign_survives_a_few_kills(tmp_path: Path) -> None:
    report = tmp_path / "kills.json"
    options = ["--kills", "3", "--known", "1", "--models", "2", "--fresh"]
    command = [sys.executable, str(SCRIPT), *options, "--json", str(report)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    found = from_json(report.read_bytes(), dict)
    assert (found["known"], found["kept"], found["faults"]) == (1, 1, [])
    assert sum(found["kills"].values()) == 3
