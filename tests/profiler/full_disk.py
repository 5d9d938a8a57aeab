"""A sweep whose table may grow no more: `python full_disk.py MODEL TABLE`.

Three devices take turns once a fourth was saved. Prints how many threads each outcome is of, and
whether it was saved. The limit on the size of files stands in for a full disk.
"""

from __future__ import annotations

import resource
import sys
from pathlib import Path

import numpy as np

from hwprof.lut import Table
from hwprof.machine.host import snapshot
from hwprof.profiler.plan import Plan
from hwprof.profiler.sweep import sweep
from hwprof.samples import Samples
from hwprof.testing.replay import ReplayDevice, ReplayTarget, replay_spec


def recorded(threads: int) -> ReplayTarget:
    wall = np.full(64, 1e-3)
    samples = Samples(wall, wall, np.zeros(64, dtype=np.int64))
    return ReplayTarget([ReplayDevice(samples, spec=replay_spec(threads))], snapshot())


def main(model: Path, path: Path) -> None:
    plan = Plan(pin="none", per_op=False, restarts=1)
    with Table.open(path) as table:
        for _ in sweep(model, recorded(4), plan=plan, table=table, check_outputs=False):
            pass
        written = path.with_name(f"{path.name}-wal").stat().st_size
        hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
        resource.setrlimit(resource.RLIMIT_FSIZE, (written, hard))
        targets = [recorded(threads) for threads in (1, 2, 3)]
        for outcome in sweep(model, targets, plan=plan, table=table, check_outputs=False):
            assert outcome.measurement is not None
            saved = "saved" if outcome.unsaved is None else "unsaved"
            print(outcome.measurement.device.threads, saved)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
