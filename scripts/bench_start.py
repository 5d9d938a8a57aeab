"""Start-up: `hwprof --help`, and what `import hwprof` loads.

Must show: help in under 0.3 s; neither torch nor onnxruntime imported.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

from common import parser, write

HEAVY = ("torch", "onnxruntime", "onnx", "numpy")


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--runs", type=int, default=11)
    arguments = options.parse_args()
    times = []
    for _ in range(arguments.runs):
        start = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "hwprof", "--help"], check=True, stdout=subprocess.DEVNULL
        )
        times.append(time.perf_counter() - start)
    listing = "import hwprof, sys; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", listing], check=True, capture_output=True, text=True
    ).stdout.split()
    heavy = [module for module in HEAVY if module in loaded]
    print(
        f"hwprof --help: median {statistics.median(times):.3f} s, slowest {max(times):.3f} s; "
        f"import hwprof loads {', '.join(heavy) or 'none of ' + ', '.join(HEAVY)}"
    )
    write(arguments.json, {"help_s": times, "heavy_imports": heavy})


if __name__ == "__main__":
    main()
