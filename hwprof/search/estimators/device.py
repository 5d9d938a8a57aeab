"""Costs that are measured when they are asked for.

Shapes: n architectures, p positions.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from hwprof.device_spec import DeviceSpec
from hwprof.errors import HwprofError, MeasurementError, OptionError
from hwprof.lut import Table
from hwprof.machine.host import Pin
from hwprof.measurement import Measurement
from hwprof.metrics import LATENCY, Metric, check_metric, parse_limit
from hwprof.models.base import Model
from hwprof.predictors.base import AdaptedPredictor, FloatArray, IntArray, MetricPrediction
from hwprof.predictors.setting import Setting
from hwprof.predictors.table_costs import OF_MEASUREMENT
from hwprof.profiler.plan import Plan
from hwprof.profiler.sweep import sweep, target_of
from hwprof.search.architectures import Architectures
from hwprof.search.estimators.base import (
    BoolArray,
    Estimator,
    Kind,
    Looked,
    as_estimator,
    canonical,
)
from hwprof.search.estimators.distributions import JoinedPrediction, MeasuredPrediction, joined
from hwprof.spaces import Space
from hwprof.targets.base import ANYWHERE, Run, Target


class BudgetSpent(OptionError):
    """No measurement is left to make; what was measured is kept."""


class MeasuredDevice(Estimator):
    """Builds an architecture, measures it on a device, and remembers it.

    What the table holds of the same model on the same device under the same plan is taken from
    there, and costs nothing of the budget. Measured values have their standard error where the
    metric has one (latency). Not for use by several threads.
    """

    def __init__(
        self,
        space: Space | str,
        device: str | Target = "onnxruntime-cpu",
        *,
        table: Table | str | Path | None = None,
        budget: int | str | None = None,
        metric: Metric | str = LATENCY,
        batch: int = 1,
        resolution: int | None = None,
        threads: int | None = None,
        plan: Plan | None = None,
        meter: str | None = None,
        check_outputs: bool = True,
        fallback: AdaptedPredictor | Estimator | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        """Measure architectures of `space` on `device`, as `hwprof.sweep` does.

        With `table` every result is kept there at once. `budget` is a number of measurements or a
        time such as `10min` or `90s`, after which nothing new is begun: then `fallback` answers, or
        BudgetSpent is raised, an OptionError; None measures whatever is asked. `plan` without more
        is that of `hwprof.sweep` without a profile of the operators. `clock` gives seconds. Raises
        OptionError for options that cannot be, and DeviceError for a device that is not there.
        """
        self.view = Architectures.of(space)
        self._metric = check_metric(metric)
        if self._metric.name not in OF_MEASUREMENT:
            raise OptionError(
                f"{self._metric.name} cannot be measured; choose among {', '.join(OF_MEASUREMENT)}"
            )
        if not isinstance(self.view.space, Space):
            raise OptionError(
                f"the space {self.view.space.name} builds no models, so that nothing of it can be "
                "measured; give one that is a hwprof.spaces.Space"
            )
        self.table, self.batch, self.resolution = table, batch, resolution
        self.plan = plan or Plan(per_op=False)
        self.check_outputs = check_outputs
        self._left, self._left_s = _budget(budget)
        self._clock = clock
        self._target = _Guarded(target_of(device, threads, meter))
        spec = self._target.spec  # a device that is away is known before anything is built
        name = str(self.view.space.name)
        self.setting = Setting(name, batch, resolution, spec.precision, spec.threads)
        """Under what everything is measured."""
        self.fallback = None if fallback is None else as_estimator(fallback, self.view, self.metric)
        self.measurements = 0
        """How many were made so far; those taken from the table do not count."""
        self.seconds = 0.0
        """How long they took, building the models included."""
        self._known: dict[bytes, tuple[float, float]] = {}

    @property
    def space(self) -> Architectures:
        """See `Estimator.space`."""
        return self.view

    @property
    def metric(self) -> Metric:
        """See `Estimator.metric`."""
        return self._metric

    @property
    def kind(self) -> Kind:
        """See `Estimator.kind`."""
        return "measured"

    @property
    def spent(self) -> bool:
        """Whether the budget is used up."""
        counted = self._left is not None and self.measurements >= self._left
        return counted or (self._left_s is not None and self.seconds >= self._left_s)

    def answer(self, archs: ArrayLike) -> Looked:
        """Costs of texts or rows, and which were measured. Raises as `cost` does."""
        rows = canonical(self.view, archs)
        values = self.cost(rows)
        return Looked(values, self.covered(rows))

    def covered(self, rows: IntArray) -> BoolArray:
        """See `Estimator.covered`: what was measured, or taken from the table, by now."""
        return np.array([_key(row) in self._known for row in rows], dtype=np.bool_)

    def cost(self, rows: IntArray) -> FloatArray:
        """See `Estimator.cost`: measures what is not known yet.

        Raises BudgetSpent, or what went wrong with a measurement: MeasurementError, ModelError,
        DeviceError, TableError. What was measured before stays known.
        """
        return self.moments(rows)[0]

    def moments(self, rows: IntArray) -> tuple[FloatArray, FloatArray]:
        """See `Estimator.moments`: values with their standard errors. Measures as `cost` does."""
        held = self._measured(rows)
        values, errors = self._told(rows[held])
        if held.all() or self.fallback is None:
            return values, errors
        rest, deviation = self.fallback.moments(rows[~held])
        return joined(held, values, rest), joined(held, errors, deviation)

    def distribution(self, rows: IntArray) -> MetricPrediction:
        """See `Estimator.distribution`. Measures as `cost` does.

        Raises OptionError for a metric that is measured without a standard error.
        """
        if not self.metric.is_same(LATENCY):
            # Said before anything is measured for it.
            return super().distribution(rows)
        held = self._measured(rows)
        own = MeasuredPrediction.of(self.metric, *self._told(rows[held]))
        if held.all() or self.fallback is None:
            return own
        return JoinedPrediction(held, own, self.fallback.distribution(rows[~held]))

    def _told(self, rows: IntArray) -> tuple[FloatArray, FloatArray]:
        found = np.array([self._known[_key(row)] for row in rows]).reshape(-1, 2)
        return found[:, 0], found[:, 1]

    def _measured(self, rows: IntArray) -> BoolArray:
        """Measure what is not known; which of the rows are known then, `[n]`."""
        for row in rows:
            if _key(row) in self._known:
                continue
            try:
                self._known[_key(row)] = self._measure(row)
            except BudgetSpent:
                if self.fallback is None:
                    raise
        return self.covered(rows)

    def _measure(self, row: IntArray) -> tuple[float, float]:
        if self.spent and self.table is None:
            raise self._no_more()
        self._target.refusal = self._no_more() if self.spent else None
        (text,) = self.view.texts(row[None])
        started = self._clock()
        (outcome,) = sweep(
            (),
            self._target,
            space=self.view.space,
            archs=[text],
            batches=[self.batch],
            resolution=self.resolution,
            plan=self.plan,
            table=self.table,
            resume=self.table is not None,
            check_outputs=self.check_outputs,
        )
        if not outcome.resumed and not isinstance(outcome.error, BudgetSpent):
            # What failed was tried as well, and took its time.
            self.measurements += 1
            self.seconds += self._clock() - started
        if outcome.unsaved is not None:
            raise outcome.unsaved
        if outcome.measurement is None or outcome.error is not None:
            if isinstance(outcome.error, HwprofError):
                raise outcome.error
            reason = "it failed" if outcome.failure is None else outcome.failure.reason
            raise MeasurementError(f"{text} could not be measured: {reason}")
        return self._value(outcome.measurement, text)

    def _value(self, measurement: Measurement, text: str) -> tuple[float, float]:
        value, error, reason = OF_MEASUREMENT[self.metric.name](measurement)
        if value is None:
            raise MeasurementError(f"{text} was measured, but not its {self.metric.name}: {reason}")
        if not 0 < value < np.inf:
            raise MeasurementError(
                f"{text} has the {self.metric.name} {value:g} {self.metric.unit}, which is not "
                "positive and finite; measure it with a longer plan"
            )
        return value, np.nan if error is None else error

    def _no_more(self) -> BudgetSpent:
        return BudgetSpent(
            f"the budget is spent ({self.measurements} measurements in {self.seconds:.3g} s); "
            "raise it, or name a fallback that answers for what is not measured"
        )


class _Guarded(Target):
    """A target that starts nothing while it has a refusal; its identity is the target's."""

    def __init__(self, inner: Target) -> None:
        self.inner = inner
        self._spec = inner.spec  # asked once: it may start a process
        self.refusal: BudgetSpent | None = None

    @property
    def spec(self) -> DeviceSpec:
        return self._spec

    def start(self, model: Model, pin: Pin = ANYWHERE) -> Run:
        if self.refusal is not None:
            raise self.refusal
        return self.inner.start(model, pin)


def _budget(budget: int | str | None) -> tuple[int | None, float | None]:
    """Measurements and seconds, None where there is no bound."""
    if budget is None:
        return None, None
    if isinstance(budget, int) and not isinstance(budget, bool) and budget >= 0:
        return budget, None
    if isinstance(budget, str):
        minutes = re.fullmatch(r"\s*(\d+\.?\d*)\s*min\s*", budget)
        if minutes is not None and float(minutes[1]) > 0:
            return None, 60 * float(minutes[1])
        try:
            return None, parse_limit(budget, LATENCY)
        except OptionError:
            pass
    raise OptionError(
        f"budget must be a number of measurements or a time such as '10min' or '90s', but is "
        f"{budget!r}; None has no bound"
    )


def _key(row: IntArray) -> bytes:
    return np.ascontiguousarray(row, dtype=np.int64).tobytes()
