"""The pictures of the docs are those that their script draws."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_pictures_are_what_is_drawn() -> None:
    script = ROOT / "scripts/draw_pictures.py"
    subprocess.run([sys.executable, str(script), "--check"], check=True)
