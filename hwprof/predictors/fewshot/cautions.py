"""Reasons to trust the intervals of a device less than usual, a sentence each.

They are found in what was measured, in what the pool holds, and in how the two go together. Which
thresholds: those at which the hard cases of `hwprof.testing.adversarial` begin to be covered less
than they should; none of them was chosen on measured devices.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from hwprof.predictors.base import Measured
from hwprof.predictors.fewshot.checks import ends_of, labels, mistaken, speed_of
from hwprof.predictors.fewshot.fitted import Fitted
from hwprof.predictors.fewshot.posterior import Evidence, Posterior
from hwprof.predictors.pool import tied_share

FloatArray = NDArray[np.float64]

# Fewer measurements than these cannot show that a device is unlike the pool.
_TELLING = 6
# Pools below this many devices teach hardly anything about how devices differ.
_DEVICES = 4
# Times beyond the slowest or the fastest device of the pool.
_BEYOND = 10.0
# Share of the pool's architectures that cost less than the cheapest measured one, or more than the
# costliest one.
_OUTSIDE = 0.5
# Noise of a measurement beyond which intervals rest on how it is distributed.
_NOISE = 0.15
# Share of the measurements taken for outliers.
_OUTLIERS = 0.15
# How much less the measured architectures may differ than they do on the pool's devices.
_FLAT = 0.25
# Share of the measured architectures that cost exactly what another one does.
_TIED = 0.2


def cautions(
    fitted: Fitted, measured: Measured, evidence: Evidence, posterior: Posterior, alike: bool
) -> Iterator[str]:
    """Sentences about one device; `alike` says that the pool is of the metric measured."""
    count = len(evidence.relative)
    if count < _TELLING:
        yield (
            f"{count} measurements do not tell whether the device is like those of the pool; "
            f"measure {_TELLING} or more"
        )
    if len(fitted.devices) < _DEVICES:
        yield (
            f"the pool has only {len(fitted.devices)} devices to learn from how devices differ; "
            f"intervals are a guess below {_DEVICES}"
        )
    if alike:
        yield from _speed(fitted, measured)
    yield from _reach(fitted, measured)
    noise = float(posterior.weight @ posterior.noises)
    if noise > _NOISE:
        yield (
            f"the measurements are {noise:.0%} off what the pool lets expect; measure more, or "
            "again on a quiet machine"
        )
    _, first = np.unique(measured.indices, return_index=True)
    tied = tied_share(measured.values[first])
    if tied >= _TIED:
        yield (
            f"{tied:.0%} of the measured architectures cost exactly what another one does: the "
            "clock or the formula behind them knows few levels; measure with a finer clock"
        )
    outliers = posterior.inflation > 1
    if outliers.mean() >= _OUTLIERS:
        yield (
            f"{int(outliers.sum())} of {count} measurements look like outliers "
            f"({labels(measured, first[outliers])}); measure them again"
        )


def _speed(fitted: Fitted, measured: Measured) -> Iterator[str]:
    scale = speed_of(measured, fitted.typical(measured.indices))
    slow, fast = float(fitted.speeds.max()), float(fitted.speeds.min())
    names = ends_of(measured.metric)
    if scale > _BEYOND * slow:
        yield (
            f"the device is {scale / slow:.0f} times beyond the {names[0]} of the pool; if that is "
            f"not so, {mistaken(measured.metric)}"
        )
    elif scale * _BEYOND < fast:
        yield (
            f"the device is {fast / scale:.0f} times below the {names[1]} of the pool; if that is "
            "not so, the unit is wrong"
        )


def _reach(fitted: Fitted, measured: Measured) -> Iterator[str]:
    typical = fitted.typical(measured.indices)
    low, high = fitted.share_below(float(typical.min())), fitted.share_below(float(typical.max()))
    if low + 1 - high > _OUTSIDE:
        yield (
            f"{low + 1 - high:.0%} of the pool's architectures cost less or more than all those "
            "measured; measure what select proposes"
        )
    flat = _spread(measured.values) / max(_spread(typical), 1e-9)
    if len(typical) >= _TELLING and flat < _FLAT:
        yield (
            f"architectures differ {1 / max(flat, 1e-3):.0f} times less than on the pool's "
            "devices: most of the cost is the same for all, and their order rests on the rest"
        )
    if fitted.beyond > _OUTSIDE:
        yield (
            f"{fitted.beyond:.0%} of the pool's architectures cost less or more than all those "
            "that its devices measured; measure more of them on the pool's devices"
        )


def _spread(values: FloatArray) -> float:
    return float(values.std() / values.mean())
