"""Costs of architectures that were measured before, from a table or a file.

Shapes: n architectures, m measured ones, p positions.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from hwprof.errors import OptionError
from hwprof.lut import Table
from hwprof.metrics import Metric
from hwprof.predictors.base import AdaptedPredictor, FloatArray, IntArray, MetricPrediction
from hwprof.predictors.setting import Setting
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
from hwprof.search.estimators.measured_values import Values, values_of

Missing = Literal["error", "nearest"] | AdaptedPredictor | Estimator
# Pairs of architectures compared at once.
_PAIRS = 4_000_000


class TableLookup(Estimator):
    """The measured cost of an architecture; what is missing is refused, or answered as was chosen.

    All values are of one device and one setting (batch, resolution, precision, threads): where a
    source has several, one has to be chosen. Measured values have their standard error; the
    nearest architecture's value says nothing of its own error.
    """

    def __init__(
        self,
        source: Table | str | Path,
        space: object,
        *,
        device: str | None = None,
        metric: Metric | str | None = None,
        missing: Missing = "error",
        batch: int | None = None,
        resolution: int | None = None,
        precision: str | None = None,
        threads: int | None = None,
    ) -> None:
        """What `source` holds of architectures of `space`: a table of hwprof, or a CSV file or JSON
        lines with the columns `arch` and `METRIC_UNIT` (`hwprof.predictors.measurements`).

        `device`, `batch`, `resolution`, `precision` and `threads` choose among what a table holds;
        a file of another kind does not tell them. `missing` is what becomes of an architecture that
        was not measured: an `error`, the value of the `nearest` one that was (the fewest positions
        that differ in canonical rows; the first in order of rows among several), or the answer of a
        predictor or another estimator. Raises OptionError for a source that holds none or several
        settings, and TableError for a table that cannot be read.
        """
        self.view = Architectures.of(space)
        found = values_of(
            *(source, self.view, device, metric),
            {"batch": batch, "resolution": resolution, "precision": precision, "threads": threads},
        )
        self.values: Values = found
        self.missing: Literal["error", "nearest"] | Estimator
        if isinstance(missing, str):
            if missing not in ("error", "nearest"):
                raise OptionError(
                    f"missing must be 'error', 'nearest', a predictor or an estimator, but is "
                    f"{missing!r}; 'error' answers for what was measured alone"
                )
            self.missing = missing
        else:
            self.missing = as_estimator(missing, self.view, found.metric)
        self._place = {row.tobytes(): i for i, row in enumerate(found.rows)}

    @property
    def space(self) -> Architectures:
        """See `Estimator.space`."""
        return self.view

    @property
    def metric(self) -> Metric:
        """See `Estimator.metric`."""
        return self.values.metric

    @property
    def kind(self) -> Kind:
        """See `Estimator.kind`."""
        return "table"

    @property
    def setting(self) -> Setting | None:
        """Under what everything was measured; None where the source does not tell."""
        return self.values.setting

    def __len__(self) -> int:
        """How many architectures were measured."""
        return len(self.values.rows)

    def answer(self, archs: ArrayLike) -> Looked:
        """Costs of texts or rows, and which were measured. Raises OptionError as `cost` does."""
        rows = canonical(self.view, archs)
        return Looked(self.cost(rows), self.covered(rows))

    def covered(self, rows: IntArray) -> BoolArray:
        """See `Estimator.covered`: which were measured."""
        return self._places(rows) >= 0

    def cost(self, rows: IntArray) -> FloatArray:
        """See `Estimator.cost`. Raises OptionError for what is missing, if that is to be so."""
        return self._told(rows)[0]

    def moments(self, rows: IntArray) -> tuple[FloatArray, FloatArray]:
        """See `Estimator.moments`: the standard error of what was measured."""
        return self._told(rows)

    def distribution(self, rows: IntArray) -> MetricPrediction:
        """See `Estimator.distribution`. Raises OptionError where a standard error is not known."""
        if np.isnan(self.values.std_error).all():
            return super().distribution(rows)
        held = self.covered(rows)
        if held.all() or not isinstance(self.missing, Estimator):
            return MeasuredPrediction.of(self.metric, *self._told(rows))
        own = MeasuredPrediction.of(self.metric, *self._told(rows[held]))
        return JoinedPrediction(held, own, self.missing.distribution(rows[~held]))

    def _told(self, rows: IntArray) -> tuple[FloatArray, FloatArray]:
        """Values and deviations, NaN where none is known, `[n]` each."""
        place = self._places(rows)
        held = place >= 0
        values, errors = self.values.values[place[held]], self.values.std_error[place[held]]
        if held.all():
            return values, errors
        if self.missing == "error":
            first = self.view.texts(rows[~held][:1])[0]
            raise OptionError(
                f"{self.values.where} has no {self.metric.name} of {int((~held).sum())} of "
                f"{len(rows)} architectures ({first}); measure them, or choose missing='nearest' "
                "or a predictor"
            )
        if isinstance(self.missing, Estimator):
            rest, deviation = self.missing.moments(rows[~held])
        else:
            rest = self.values.values[self._nearest(rows[~held])]
            deviation = np.full(len(rest), np.nan)
        return joined(held, values, rest), joined(held, errors, deviation)

    def _places(self, rows: IntArray) -> IntArray:
        """Where each row stands among those measured, -1 where it does not, `[n]`."""
        plain = np.ascontiguousarray(rows, dtype=np.int64)
        found = [self._place.get(row.tobytes(), -1) for row in plain]
        return np.array(found, dtype=np.int64)

    def _nearest(self, rows: IntArray) -> IntArray:
        known = self.values.rows
        step = max(1, _PAIRS // len(known))
        found = np.empty(len(rows), dtype=np.int64)
        for start in range(0, len(rows), step):
            part = rows[start : start + step]
            differ = np.zeros((len(part), len(known)), dtype=np.int64)
            for mine, theirs in zip(part.T, known.T, strict=True):
                differ += mine[:, None] != theirs
            found[start : start + step] = differ.argmin(axis=1)
        return found
