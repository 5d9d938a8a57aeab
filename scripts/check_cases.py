"""Models after users' reports: is every figure right, warned of, or asked about?

    python scripts/check_cases.py [--only NAME ...] [--json FILE] [--cpu N]

Where the inputs' values decide the work, the truth is a plain loop around ONNX Runtime (or PyTorch)
on the right inputs, timed right before and after the measurement on the same processor; wall time
of uninterrupted runs is held against the same, and processor time against processor time. With the
right inputs given, hwprof must come within 5 %. With made-up ones it must too, or carry the warning
that names the reason, or refuse in a sentence that asks for the right ones. The other cases are
about something else: a profile that fails, sums and owners of kernels, agreement of runtimes,
memory, shapes, errors, names.

Each case ends right, warned, asked or wrong; one that is wrong makes the exit status 1.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

# The models are the tests' own.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from cases import devices, profiles, refusals, timed
from cases.verdicts import Case, Outcome, Setting, Verdict
from common import write

CASES: Sequence[Case] = (*timed.CASES, *profiles.CASES, *refusals.CASES, *devices.CASES)
ORDER: Sequence[Outcome] = ("right", "warned", "asked", "wrong")


def verdicts(case: Case, setting: Setting) -> Iterator[Verdict]:
    """How a case ended; what breaks the check itself is one more way of being wrong."""
    try:
        yield from case.check(setting)
    except Exception as error:
        yield Verdict(case.name, "the check itself", "wrong", f"{type(error).__name__}: {error}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", metavar="NAME", help="only these cases")
    parser.add_argument("--list", action="store_true", help="name the cases and end")
    parser.add_argument("--json", type=Path, help="write every verdict to this file")
    parser.add_argument("--cpu", type=int, default=max(os.sched_getaffinity(0)))
    parser.add_argument("--budget", type=float, default=2.0, help="seconds per measurement")
    options = parser.parse_args()
    known = {case.name: case for case in CASES}
    if options.list:
        for case in CASES:
            print(f"{case.name:28s} {case.kind}")
        return
    unknown = set(options.only or ()) - known.keys()
    if unknown:
        parser.error(f"no case is called {', '.join(sorted(unknown))}; see --list")
    chosen = [known[name] for name in options.only or known]
    found: list[Verdict] = []
    with tempfile.TemporaryDirectory(prefix="cases-") as folder:
        setting = Setting(Path(folder), options.cpu, options.budget)
        for case in chosen:
            for verdict in verdicts(case, setting):
                found.append(verdict)
                called = f"{case.name}, {verdict.way}" if verdict.way else case.name
                print(f"{verdict.outcome:6s}  {called}: {verdict.text!r:.300s}", flush=True)
    counts = Counter(verdict.outcome for verdict in found)
    write(options.json, {"counts": counts, "verdicts": [asdict(v) for v in found]})
    print(" / ".join(f"{counts[outcome]} {outcome}" for outcome in ORDER))
    raise SystemExit(1 if counts["wrong"] else 0)


if __name__ == "__main__":
    main()
