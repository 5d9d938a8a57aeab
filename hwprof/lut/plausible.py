"""Whether a measurement's figures can be figures of a machine, so that they can be worked with.

Nothing that hwprof measures comes near these bounds. What a file that someone edited or damaged
holds beyond them would end in divisions by nothing, infinities and shapes of no tensor.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from hwprof.graph import Kernel, TensorSpec
from hwprof.latency import restart_headlines
from hwprof.measurement import Energy, Measurement, Memory, Restart
from hwprof.profile import Profile
from hwprof.samples import FloatArray, Samples

SHORTEST_S, LONGEST_S = 1e-12, 1e9
"""A picosecond, and thirty years."""
_MOST_BYTES = 2**60
_MOST_JOULES = 1e15
_MOST_THREADS = 2**16
_MOST_LOOPS = 2**40
_MOST_CALLS = 2**31
_MOST_RANK = 32
_MOST_ELEMENTS = 2**44


def check_measurement(measurement: Measurement) -> None:
    """Raises ValueError naming the first figure that no machine gives."""
    threads = measurement.device.threads
    if not 1 <= threads <= _MOST_THREADS:
        raise ValueError(f"its device has {threads} threads")
    for restart in measurement.restarts:
        _check_restart(restart)
    parts = [restart.steady for restart in measurement.restarts]
    headline_s = float(np.median(restart_headlines(parts, threads)))
    if not headline_s >= SHORTEST_S:
        raise ValueError(f"its latency is {headline_s:g} s")
    _check_memory(measurement.memory)
    _check_energy(measurement.energy)
    for tensor in measurement.subject.inputs:
        check_tensor(tensor)
    if measurement.profile is not None:
        _check_profile(measurement.profile)


def check_kernel(kernel: Kernel) -> None:
    """Raises ValueError for a tensor that no machine holds."""
    for tensor in (*kernel.inputs, *kernel.outputs):
        if tensor is not None:
            check_tensor(tensor)


def check_constant(value: float) -> None:
    """Raises ValueError for what no constant of a device is: they are times."""
    if not abs(value) <= LONGEST_S:
        raise ValueError(f"its value is {value:g}")


def check_tensor(tensor: TensorSpec) -> None:
    """Raises ValueError for a shape that no machine holds."""
    if len(tensor.shape) > _MOST_RANK:
        raise ValueError(f"a tensor has {len(tensor.shape)} dimensions")
    elements = 1
    for size in tensor.shape:
        # An empty tensor may not hide a huge one: sizes are multiplied in any order.
        elements *= max(size, 1)
        if size < 0 or elements > _MOST_ELEMENTS:
            raise ValueError("a tensor has sizes that no tensor has")


def _check_restart(restart: Restart) -> None:
    if not len(restart.steady):
        raise ValueError("a restart has no samples")
    for name, seconds in (("set-up", restart.setup_s), ("first run", restart.first_run_s)):
        if not 0 <= seconds <= LONGEST_S:
            raise ValueError(f"a {name} takes {seconds:g} s")
    for samples in (restart.steady, restart.warmup):
        if samples.loops > _MOST_LOOPS:
            raise ValueError(f"a sample is of {samples.loops} runs")
        for column in _columns(samples):
            _check_seconds(column, "a sample")


def _columns(samples: Samples) -> Iterator[FloatArray]:
    for column in (samples.wall_s, samples.cpu_s, samples.busy_s, samples.waited_s):
        if column is not None:
            yield column


def _check_memory(memory: Memory) -> None:
    for size in (
        memory.baseline_rss_bytes,
        memory.peak_rss_bytes,
        memory.arena_peak_bytes,
        memory.weights_bytes,
        memory.planned_activation_bytes,
        memory.accelerator_peak_bytes,
    ):
        if size is not None and not 0 <= size <= _MOST_BYTES:
            raise ValueError(f"it takes {size} bytes of memory")


def _check_energy(energy: Energy) -> None:
    reading = energy.reading
    if reading is None:
        return
    for joules in (reading.gross_j, reading.idle_j):
        if not abs(joules) <= _MOST_JOULES:
            raise ValueError(f"it takes {joules:g} J")
    if reading.runs > _MOST_LOOPS:
        raise ValueError(f"its energy is that of {reading.runs} runs")
    for seconds in (reading.window_s, reading.idle_window_s):
        if not 1e-6 <= seconds <= LONGEST_S:
            raise ValueError(f"a window of its energy is {seconds:g} s")


def _check_profile(profile: Profile) -> None:
    known: Sequence[FloatArray | None] = (
        profile.run_wall_s,
        profile.run_cpu_s,
        profile.run_waited_s,
        *(occurrence.durations_s for occurrence in profile.occurrences),
    )
    for column in known:
        if column is not None:
            _check_seconds(column, "a profiled run")
    for cost in (profile.node_cost_s, profile.pass_cost_s):
        if cost is not None:
            check_constant(cost)
    for occurrence in profile.occurrences:
        if max(occurrence.calls, occurrence.passes) > _MOST_CALLS:
            raise ValueError("a kernel is called more often than any is")


def _check_seconds(column: FloatArray, what: str) -> None:
    if column.size and not float(np.abs(column).max()) <= LONGEST_S:
        raise ValueError(f"{what} takes more than {LONGEST_S:g} s")
