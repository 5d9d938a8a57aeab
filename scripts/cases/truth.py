"""The right figure: the same model on the right inputs in a plain loop, without hwprof."""

from __future__ import annotations

import math
import os
import resource
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hwprof.measurement import Measurement
from hwprof.samples import Basis

WARM_UP = 5
LEAST, MOST, LONG_ENOUGH_S = 30, 200, 0.4
# A shorter sample is mostly the clock: several runs are timed together.
SAMPLE_S = 300e-6
LEAST_CLEAN = 8


@dataclass(frozen=True, slots=True)
class Truth:
    """Lower quartiles over the runs, seconds: a busy machine shows in the first alone."""

    wall_s: float | None
    """Of the runs that nobody interrupted; None when there were too few."""
    cpu_s: float
    """Of the calling thread's own processor time."""


@contextmanager
def on_processor(cpu: int) -> Iterator[None]:
    """Keep this thread on one processor inside the block."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {cpu})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def timed(run: Callable[[], object], cpu: int) -> Truth:
    """Time `run` on processor `cpu`."""
    with on_processor(cpu):
        for _ in range(WARM_UP):
            run()
        start = time.perf_counter()
        run()
        loops = max(1, math.ceil(SAMPLE_S / max(time.perf_counter() - start, 1e-9)))
        walls, cpus, clean = [], [], []
        begin = time.perf_counter()
        while len(walls) < LEAST or (
            len(walls) < MOST and time.perf_counter() - begin < LONG_ENOUGH_S
        ):
            switches = resource.getrusage(resource.RUSAGE_THREAD).ru_nivcsw
            wall, own = time.perf_counter(), time.thread_time()
            for _ in range(loops):
                run()
            walls.append((time.perf_counter() - wall) / loops)
            cpus.append((time.thread_time() - own) / loops)
            clean.append(resource.getrusage(resource.RUSAGE_THREAD).ru_nivcsw == switches)
    quiet = np.array(walls)[clean]
    wall_s = float(np.percentile(quiet, 25)) if quiet.size >= LEAST_CLEAN else None
    return Truth(wall_s, float(np.percentile(cpus, 25)))


def onnx_runtime(path: Path, feed: Mapping[str, np.ndarray], cpu: int) -> Callable[[], Truth]:
    """Opens the model in plain ONNX Runtime, on one thread; each call times it anew."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(str(path), options, ["CPUExecutionProvider"])
    return lambda: timed(lambda: session.run(None, dict(feed)), cpu)


def off_by(measurement: Measurement, before: Truth, after: Truth) -> tuple[float, float, float]:
    """(how far off, the figure, the truth nearest to it), seconds; like is held against like.

    Anything between the truths taken before and after the measurement is off by nothing.
    """
    latency = measurement.latency
    figure, walls = latency.headline_s, (before.wall_s, after.wall_s)
    known = [w for w in walls if w is not None]
    if latency.basis is Basis.CPU_TIME:
        ends = [before.cpu_s, after.cpu_s]
    elif len(known) == len(walls):
        ends = known
    else:
        columns = [r.steady.cpu_s for r in measurement.restarts]
        parts = [c for c in columns if c is not None]
        figure = float(np.percentile(np.concatenate(parts), 25)) if parts else figure
        ends = [before.cpu_s, after.cpu_s]
    nearest = min(max(figure, min(ends)), max(ends))
    return figure / nearest - 1, figure, nearest
