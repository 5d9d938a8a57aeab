"""Measured kernels, summed up by the part of the network whose nodes they run.

Shapes: n architectures, s parts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hwprof.measurement import Measurement
from hwprof.spaces.analytic import CountedSpace

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Observed:
    """What was measured on some architectures."""

    rows: IntArray
    """Of choices, `[n, p]`."""
    parts_s: FloatArray
    """Seconds of each part's kernels, `[n, s]`."""
    latency_s: FloatArray
    """End to end, `[n]`."""
    std_error_s: FloatArray
    """Of these, `[n]`; NaN where unknown."""

    def some(self, kept: NDArray[np.bool_] | IntArray) -> Observed:
        """Of some architectures."""
        return Observed(
            self.rows[kept], self.parts_s[kept], self.latency_s[kept], self.std_error_s[kept]
        )


def parts_of(measurement: Measurement, space: CountedSpace) -> FloatArray | str:
    """Seconds of each part's kernels, `[s]`, or why there are none.

    A kernel belongs to the part of the first node that it covers. One that covers none, such as a
    change of layout, belongs to the part of the kernel before it.
    """
    profile = measurement.profile
    if profile is None:
        return measurement.profile_reason or "its kernels were not measured (--no-per-op)"
    place = {part.layer: i for i, part in enumerate(space.part_works)}
    total, part = np.zeros(len(place)), place[""]
    for occurrence in profile.occurrences:
        latency_s = profile.latency_s(occurrence)
        if latency_s is None:
            return (
                profile.node_cost_reason or "what the profiler itself costs per kernel is not known"
            )
        if occurrence.source_nodes:
            part = place[space.layer_of(occurrence.source_nodes[0])]
        total[part] += latency_s
    if not (total > 0).any():
        return "its kernels took no time that can be told"
    return total
