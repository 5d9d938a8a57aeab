"""Latency worked out from what layers have to do, on a machine of two numbers.

Shapes: n architectures, p positions, k measurements, b balances.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from hwprof.errors import OptionError
from hwprof.metrics import LATENCY, Metric
from hwprof.predictors.base import FloatArray, IntArray, MetricPrediction
from hwprof.predictors.baselines.prediction import Spread
from hwprof.search.architectures import Architectures
from hwprof.search.estimators.base import Estimator, Kind, canonical
from hwprof.spaces.layers import Summed, summed_layers

# FLOPs that a machine does while it moves one byte, as a fit tries them: from a machine that is
# short of arithmetic in every layer to one that is short of bandwidth in every layer.
BALANCES = np.array([2.0**power for power in range(-4, 10)])
# Errors count relative to the value down to this share of the mean, and absolute below it: a device
# that drops dead operations runs some cells in next to no time, which no roofline explains.
_LEVEL = 0.5
_FEWEST, _NOTHING = 4, 1e-6
# Beside the measured errors, what is believed of a fit: a roofline is rarely closer than this.
_PRIOR = 0.3


class Roofline(Estimator):
    """`overhead + sum over layers of (per_layer_overhead + max(flops / peak, bytes / bandwidth))`.

    Williams, Waterman, Patterson, "Roofline: an insightful visual performance model for multicore
    architectures", CACM 2009. An analytical estimate, and no measurement: nothing is fused, every
    layer reaches the peak or the bandwidth, and only multiply-accumulates count as arithmetic (two
    FLOPs each). At the space's own resolution, batch 1, float32. Without `fitted` nothing is known
    of its errors: there is no distribution.
    """

    def __init__(
        self,
        space: object,
        *,
        peak_flops: float,
        bandwidth: float,
        per_layer: bool = True,
        overhead_s: float = 0.0,
        per_layer_overhead_s: float = 0.0,
        spread: Spread | None = None,
    ) -> None:
        """On a machine of `peak_flops` FLOPs and `bandwidth` bytes per second.

        With `per_layer`, each layer takes the longer of the two; without, the whole network does,
        which is less or equal, and the layers have no overhead. `spread` is what is known of the
        errors; `fitted` finds it. Raises OptionError for numbers that cannot be, and for a space
        that counts no layers, or nothing.
        """
        for name, value in (("peak_flops", peak_flops), ("bandwidth", bandwidth)):
            if not _number(value) or not 0 < value < np.inf:
                raise OptionError(
                    f"{name} must be positive and finite, but is {value!r}; give FLOPs or bytes "
                    "per second"
                )
        for name, value in (
            ("overhead_s", overhead_s),
            ("per_layer_overhead_s", per_layer_overhead_s),
        ):
            if not _number(value) or not 0 <= value < np.inf:
                raise OptionError(
                    f"{name} must be finite and not negative, but is {value!r}; give seconds"
                )
        if per_layer_overhead_s and not per_layer:
            raise OptionError("per_layer_overhead_s goes with per_layer=True; leave one out")
        view = Architectures.of(space)

        def layers(products: FloatArray, traffic: FloatArray) -> FloatArray:
            longer = np.maximum(2 * products / peak_flops, traffic / bandwidth)
            return (longer + per_layer_overhead_s)[:, None]

        def whole(rows: IntArray) -> FloatArray:
            flops, moved = totals(rows)  # type: ignore[misc]
            longer: FloatArray = np.maximum(flops / peak_flops, moved / bandwidth)
            return longer[:, None]

        totals = None if per_layer else _totals(view)
        self.sums: Summed = summed_layers(view.space, layers) if per_layer else whole
        self.view, self.per_layer, self.spread = view, per_layer, spread
        self.peak_flops, self.bandwidth = float(peak_flops), float(bandwidth)
        self.overhead_s, self.per_layer_overhead_s = float(overhead_s), float(per_layer_overhead_s)

    @classmethod
    def fitted(cls, space: object, archs: ArrayLike, values: ArrayLike) -> Roofline:
        """The machine that explains `values` `[k]`, seconds, of `archs` best.

        Non-negative least squares (Lawson & Hanson, 1974, chapter 23) of the relative errors gives
        the peak and both overheads for each of 14 balances of arithmetic and bandwidth; the balance
        is the one with the least error on measurements left out, one at a time. Those errors are
        its distribution. Raises OptionError for fewer than 4 different architectures, values that
        are not positive, and values that do not grow with what the layers have to do.
        """
        view = Architectures.of(space)
        rows = canonical(view, archs)
        measured = np.asarray(values, dtype=np.float64)
        if measured.shape != (len(rows),) or not (np.isfinite(measured) & (measured > 0)).all():
            raise OptionError(
                f"values must be {len(rows)} positive seconds, one per architecture, but have "
                f"shape {measured.shape}; give what was measured"
            )
        if len(np.unique(rows, axis=0)) < _FEWEST:
            raise OptionError(
                f"a roofline is fitted to {_FEWEST} different architectures at least, but there "
                f"are {len(np.unique(rows, axis=0))}; measure more"
            )
        columns = _columns(view, rows)
        # Repeats of an architecture are left out together: one would tell of the others.
        alike = np.unique(rows, axis=0, return_inverse=True)[1].reshape(-1)
        solved = [_solved(each, measured) for each in columns]
        # Layers alone, whatever they do, are no roofline; nor is what rounding leaves.
        least = _NOTHING * float(measured.mean())
        working = [i for i, s in enumerate(solved) if s[0] * columns[i, :, 0].mean() > least]
        errors = {i: _left_out(columns[i], measured, alike) for i in working}
        best = min(working, key=lambda i: float((errors[i] ** 2).sum()), default=None)
        if best is None:
            raise OptionError(
                "the values do not grow with what the layers have to do, so that no roofline "
                "explains them; check that each belongs to its architecture, or measure more"
            )
        coefficients = solved[best]
        return cls(
            view,
            peak_flops=float(1 / coefficients[0]),
            bandwidth=float(1 / (coefficients[0] * BALANCES[best])),
            per_layer_overhead_s=float(coefficients[1]),
            overhead_s=float(coefficients[2]),
            spread=Spread.of(_PRIOR, errors[best], _LEVEL * float(measured.mean())),
        )

    @property
    def space(self) -> Architectures:
        """See `Estimator.space`."""
        return self.view

    @property
    def metric(self) -> Metric:
        """See `Estimator.metric`."""
        return LATENCY

    @property
    def kind(self) -> Kind:
        """See `Estimator.kind`."""
        return "analytical"

    def cost(self, rows: IntArray) -> FloatArray:
        """See `Estimator.cost`."""
        return self.sums(rows)[:, 0] + self.overhead_s

    def distribution(self, rows: IntArray) -> MetricPrediction:
        """See `Estimator.distribution`: of a fit alone."""
        if self.spread is None:
            return super().distribution(rows)
        return self.spread.around(self.cost(rows), self.metric)

    def moments(self, rows: IntArray) -> tuple[FloatArray, FloatArray]:
        """See `Estimator.moments`."""
        if self.spread is None:
            return super().moments(rows)
        found = self.spread.around(self.cost(rows), self.metric)
        return found.mean, found.std


def _columns(view: Architectures, rows: IntArray) -> FloatArray:
    """What a machine of each balance is asked for, `[b, k, 3]`: its arithmetic or what its traffic
    comes to, layers, calls."""

    def layers(products: FloatArray, traffic: FloatArray) -> FloatArray:
        longer = np.maximum(2 * products[:, None], traffic[:, None] * BALANCES)
        return np.column_stack([longer, np.ones(len(products))])

    found = summed_layers(view.space, layers)(rows)
    ones = np.ones(len(rows))
    return np.stack([np.column_stack([work, found[:, -1], ones]) for work in found[:, :-1].T])


def _solved(columns: FloatArray, values: FloatArray) -> FloatArray:
    """Seconds per FLOP, per layer and per call, `[3]`."""
    from scipy.optimize import nnls

    unit = np.maximum(values, _LEVEL * values.mean())
    relative = columns / unit[:, None]
    # So that no column's unit decides when the solver stops.
    size = relative.mean(axis=0)
    found: FloatArray = nnls(relative / size, values / unit)[0] / size
    return found


def _left_out(columns: FloatArray, values: FloatArray, alike: IntArray) -> FloatArray:
    """Relative errors on each architecture by a fit to the others, one per architecture."""
    errors = np.empty(int(alike.max()) + 1)
    level = _LEVEL * float(values.mean())
    for out in range(len(errors)):
        left, kept = alike == out, alike != out
        told = float(columns[left][0] @ _solved(columns[kept], values[kept]))
        errors[out] = (values[left].mean() - told) / max(told, level)
    return errors


def _totals(view: Architectures) -> Any:
    """Rows to FLOPs and bytes of whole networks, each `[n]`.

    Of a space that counts totals alone, weights and activations are moved once each.
    """
    if not callable(getattr(view.space, "costs", None)):
        raise OptionError(
            f"the space {view.space.name} does not tell what an architecture has to do; choose "
            "another space or another estimator"
        )
    first = view.space.costs(np.zeros(len(view.sizes), dtype=np.int64))
    if getattr(first, "work", None) is not None and first.work.layers:
        sums = summed_layers(view.space, lambda p, t: np.stack([2 * p, t], axis=1))
        return lambda rows: sums(rows).T

    def counted(rows: IntArray) -> FloatArray:
        names = ("flops", "parameters", "activation_bytes")
        flops, weights, moved = (view.cost(rows, name) for name in names)
        return np.stack([flops, 4 * weights + moved])

    return counted


def _number(value: object) -> bool:
    return isinstance(value, int | float | np.number) and not isinstance(value, bool)
