"""Fuzz every reader of files and texts that come from somewhere else.

What must hold, for ten minutes of changed inputs per reader: the reader returns or raises
HwprofError; never another exception, a crash, more than five seconds, more than 256 MB of memory
over what it held before, a file outside the folder of its input, or a connection. Nothing that the
file holds is executed. Inputs that break it are kept; the exit status is then 1.

    python scripts/fuzz_readers.py --seconds 600
    python scripts/fuzz_readers.py --reader jsonl --seed 7 --seconds 60
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path

from fuzzing import Child, Result, fuzz, load

MODULES = ("fuzz_targets_tables", "fuzz_targets_models")


def main() -> int:
    """Fuzz what was asked for. Returns 1 where something was found."""
    asked = _arguments()
    modules = [name for name in MODULES if find_spec(name) is not None]
    results: list[Result] = []
    with tempfile.TemporaryDirectory(prefix="hwprof-fuzz-") as folder:
        found = load(modules, Path(folder, "made"))
        if asked.list:
            print("\n".join(found))
            return 0
        unknown = [name for name in asked.reader if name not in found]
        if unknown:
            print(f"no reader is named {unknown[0]}: choose of {', '.join(found)}", file=sys.stderr)
            return 2
        with Child(modules, Path(folder)) as child:
            for name in asked.reader or found:
                result = fuzz(
                    child, name, found[name], asked.keep, seed=asked.seed, seconds=asked.seconds
                )
                results.append(result)
                _tell(result)
    if asked.json is not None:
        document = {"seed": asked.seed, "readers": [asdict(result) for result in results]}
        asked.json.write_text(json.dumps(document, indent=2) + "\n")
    found_any = sum(len(result.findings) for result in results)
    print(f"{sum(result.runs for result in results):,} inputs, {found_any} findings")
    return 1 if found_any else 0


def _arguments() -> argparse.Namespace:
    made = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument("--reader", action="append", default=[], help="only this one; repeatable")
    made.add_argument("--list", action="store_true", help="print the readers' names and end")
    made.add_argument("--seconds", type=float, default=600.0, help="for each reader (600)")
    made.add_argument("--seed", type=int, default=0, help="the same inputs for the same seed (0)")
    made.add_argument(
        "--keep",
        type=Path,
        default=Path("fuzz-findings"),
        help="folder for inputs that fail (fuzz-findings)",
    )
    made.add_argument("--json", type=Path, help="write counts and findings to this file")
    return made.parse_args()


def _tell(result: Result) -> None:
    print(
        f"{result.reader:24} {result.runs:8,} inputs  {result.accepted:7,} accepted  "
        f"{result.refused:8,} refused  slowest {result.slowest_s:.2f} s  "
        f"most {result.largest_bytes / 2**20:.0f} MiB  {len(result.findings)} findings",
        flush=True,
    )
    for finding in result.findings:
        print(f"    {finding.kind} {finding.detail}\n      {finding.kept}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
