"""What the benchmark scripts share: the models, a busy neighbour, and writing results down."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import onnx

# A neighbour that never rests, and one that comes and goes like a build or a browser does.
STEADY = "while True: pass"
BURSTS = """
import random, time
r = random.Random({seed})
while True:
    end = time.perf_counter() + r.uniform(0.05, 1.5)
    while time.perf_counter() < end: pass
    time.sleep(r.uniform(0.05, 1.5))
"""


def light_models() -> list[Path]:
    """The nine light models of the onnx package: real topologies, constant weights."""
    folder = Path(onnx.__file__).parent / "backend/test/data/light"
    return sorted(folder.glob("*.onnx"))


def parser(description: str | None) -> argparse.ArgumentParser:
    """Options of every benchmark: where to write, which models, which processor."""
    made = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument("--json", type=Path, help="write every figure to this file")
    made.add_argument("--models", type=Path, nargs="*", default=light_models())
    made.add_argument("--cpu", type=int, default=max(os.sched_getaffinity(0)))
    return made


@contextmanager
def neighbour(cpu: int, program: str = STEADY) -> Iterator[None]:
    """Keep processor `cpu` busy with another process inside the block."""
    # It asks to be killed with this script (PR_SET_PDEATHSIG): an orphan would spoil what follows.
    start = f"import ctypes, os; ctypes.CDLL(None).prctl(1, 9); os.sched_setaffinity(0, {{{cpu}}})"
    process = subprocess.Popen([sys.executable, "-c", f"{start}\n{program}"])
    try:
        yield
    finally:
        process.kill()
        process.wait()


def write(path: Path | None, document: Any) -> None:
    """Write the figures where they were asked for."""
    if path is not None:
        path.write_text(json.dumps(document, indent=2) + "\n")


def name(model: Path) -> str:
    """Short name of a light model."""
    return model.stem.removeprefix("light_")
