"""All that a pool has taught: what the predictor, its adapted devices and the file share."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hwprof.blocks import blocks
from hwprof.errors import OptionError
from hwprof.metrics import LATENCY, Metric
from hwprof.predictors.fewshot.calibration import Calibration
from hwprof.predictors.fewshot.checks import check_rows
from hwprof.predictors.fewshot.folds import Folds
from hwprof.predictors.fewshot.lookup import RowLookup
from hwprof.predictors.fewshot.posterior import Grid
from hwprof.predictors.fewshot.prior import PriorFeatures, PriorRows
from hwprof.predictors.fewshot.weighted import weighted
from hwprof.predictors.pool import check_features
from hwprof.predictors.setting import Setting
from hwprof.similarity import Identity

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

# Rows that stand for all where a share of them is asked for.
_SAMPLE = 4000


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """Shapes: n architectures, d features, m devices, P prior features, g grid points."""

    features: FloatArray
    """Shape `[n, d]`."""
    devices: tuple[str, ...]
    names: tuple[str, ...] | None
    scale_s: FloatArray
    """Mean cost of each pool device, shape `[m]`: seconds, or the base unit of `metric`."""
    prior: PriorFeatures
    grid: Grid
    calibration: Calibration
    similarity: str
    """Name of the `Similarity` it was fitted with, which a space's own shares with the space."""
    metric: Metric = LATENCY
    """What the pool holds."""
    logs: Any = None
    """A `LogScale`, which holds a fitted model of its own: it answers in place of the rest where
    the pool spans decades. None elsewhere."""
    unusual: IntArray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    """Rows that most of the pool's devices lack, increasing."""
    beyond: float = 0.0
    """Share of the rows that cost less or more than all that any device of the pool measured."""
    setting: Setting | None = None
    """Under what the pool was measured; None where nobody says."""
    foreign: int = 0
    """Rows at the end that the pool never held: they were measured on a new device."""
    compact: NDArray[np.float32] = field(init=False)
    """What means are made from: features of the rows if the model is linear in them and they are
    narrower, else their prior features. Ranking a whole space is bound by memory: single precision
    halves it, and is a thousand times finer than any clock."""
    lookup: RowLookup | None = field(init=False)
    """Finds the pool's row of a feature row, where that is quicker than to map its features."""
    folds: Folds = field(init=False)
    """Means of many feature rows, where each is one of the choices at some positions."""

    def __post_init__(self) -> None:
        narrow = self.linear and self.features.shape[1] < len(self.prior.constant)
        compact = self.features.astype(np.float32) if narrow else self.prior.table(self.features)
        object.__setattr__(self, "compact", compact)
        object.__setattr__(self, "lookup", None if self.linear else RowLookup.of(self.features))
        object.__setattr__(self, "folds", Folds(self.prior, self.features))

    @property
    def own(self) -> int:
        """How many rows the pool itself has."""
        return len(self.features) - self.foreign

    def find(self, features: FloatArray) -> IntArray:
        """The row that each feature row is, `[k, d] -> [k]`; -1 where there is none."""
        if self.lookup is not None:
            return self.lookup(features)
        found = np.full(len(features), -1, dtype=np.int64)
        for place, one in enumerate(features):
            rows = np.flatnonzero(self.features[:, 0] == one[0])
            # A column at a time: few rows are left after some.
            for column in range(1, len(one)):
                rows = rows[self.features[rows, column] == one[column]]
            found[place] = rows[0] if rows.size else -1
        return found

    def extended(self, features: FloatArray) -> Self:
        """With more rows, `[k, d]`, that the pool never held.

        Such rows stand in an order of their own, so that it does not matter which came first: rows
        of theirs move (`outside.moved`).
        """
        known = self.features[self.own :]
        return self.with_foreign(np.unique(np.concatenate([known, features]), axis=0))

    def with_foreign(self, features: FloatArray) -> Self:
        """With these rows, `[k, d]`, in place of all that the pool never held."""
        new = copy(self)
        set_ = object.__setattr__
        set_(new, "features", np.concatenate([self.features[: self.own], features]))
        set_(new, "foreign", len(features))
        same = self.compact.shape[1] == len(self.prior.constant)
        more = self.prior.table(features) if same else features.astype(np.float32)
        set_(new, "compact", np.concatenate([self.compact[: self.own], more]))
        set_(new, "lookup", None if self.lookup is None else RowLookup.of(new.features))
        set_(new, "logs", None if self.logs is None else self.logs.with_foreign(features))
        return new

    @property
    def speeds(self) -> FloatArray:
        """Scale of each pool device as `typical` is relative to it, base unit, `[m]`."""
        found: FloatArray = self.scale_s if self.logs is None else self.logs.inner.scale_s
        return found

    def typical(self, rows: IntArray) -> FloatArray:
        """Cost of rows on the pool's mean device, relative to its mean, `[k] -> [k]`."""
        found: FloatArray
        found = self.rows[rows, 0] if self.logs is None else np.exp(self.logs.phi(rows)[0])
        return found

    def share_below(self, typical: float) -> float:
        """Share of the pool's rows that cost less on its mean device."""
        step = max(1, self.own // _SAMPLE)
        return float(np.mean(self.typical(np.arange(0, self.own, step)) < typical))

    @property
    def rows(self) -> PriorRows:
        """Prior features of the pool's rows, `[n, P]`, exact."""
        return PriorRows(self.prior, self.features)

    @property
    def linear(self) -> bool:
        """Whether predictions are linear in the features."""
        return self.logs is None and all(isinstance(basis, Identity) for basis in self.prior.bases)

    def below(self, limit: float) -> bool:
        """Whether all features and prior features are numbers of a smaller magnitude."""
        tables: list[NDArray[np.floating[Any]]] = [self.features, self.compact]
        if not all(-limit < table.min() and table.max() < limit for table in tables):
            return False
        if self.compact.shape[1] == len(self.prior.constant):
            return True
        parts = (self.rows[rows] for rows in blocks(len(self.features)))
        return all(bool((np.abs(part) < limit).all()) for part in parts)

    def folded(self, weights: FloatArray) -> FloatArray:
        """Weights on prior features `[P]` as weights on features and a constant, `[d + 1]`.

        Only for a linear model.
        """
        (folded,), constant = self.prior.fold(weights)
        return np.append(folded, constant)

    def means(self, rows: NDArray[np.int64], weights: FloatArray) -> FloatArray:
        """Weighted prior features of rows of the pool, shape `[n]`."""
        direct, constant = weights, 0.0
        if self.compact.shape[1] != len(weights):
            folded = self.folded(weights)
            direct, constant = folded[:-1], float(folded[-1])
        single = direct.astype(np.float32)
        if rows.size == len(self.compact) and bool((rows == np.arange(rows.size)).all()):
            return (self.compact @ single).astype(np.float64) + constant
        means = np.empty(rows.size)
        for part in blocks(rows.size):
            means[part] = self.compact[rows[part]] @ single
        return means + constant

    def means_at(self, features: ArrayLike, weights: FloatArray) -> FloatArray:
        """Weighted prior features of feature rows, `[n, d] -> [n]`.

        Raises OptionError for features that do not fit.
        """
        checked = check_features(features, self.features.shape[1], copy=False)
        if self.lookup is None:
            return self._outside(checked, weights)
        rows = self.lookup(checked)
        new = rows < 0
        if new.all():
            return self._outside(checked, weights)
        means = np.empty(len(rows))
        means[~new] = self.means(rows[~new], weights)
        if new.any():
            means[new] = self._outside(checked[new], weights)
        return means

    def _outside(self, features: FloatArray, weights: FloatArray) -> FloatArray:
        found = self.folds(features, weights, lambda rows: self.mapped(rows, weights))
        return self.mapped(features, weights) if found is None else found

    def mapped(self, features: FloatArray, weights: FloatArray) -> FloatArray:
        """Weighted prior features of any feature rows, `[n, d] -> [n]`, by their bases."""
        # Folding first: one weight per basis function, and no prior features at all.
        folded, constant = self.prior.fold(weights)
        total = np.full(len(features), constant)
        # The first weight is the speed of the device: what its latencies are like.
        for basis, direct in zip(self.prior.bases, folded, strict=True):
            total += weighted(basis, features, direct, abs(float(weights[0])))
        return total

    def phi(self, architectures: ArrayLike) -> FloatArray:
        """Prior features of rows of the pool (integers `[n]`) or of feature rows (floats `[n, d]`).

        Raises OptionError for rows that are not of the pool and features that do not fit.
        """
        array = np.asarray(architectures)
        if array.ndim == 1:
            return self._known(check_rows(array, len(self.features), "architectures"))
        if array.ndim != 2:
            raise OptionError(
                f"architectures must be rows of the pool [n] or features [n, d], but has shape "
                f"{array.shape}; pass one of the two"
            )
        if len(array) == 0:
            return np.zeros((0, len(self.prior.constant)))
        features = check_features(array, self.features.shape[1], copy=False)
        if self.lookup is None:
            return self.prior(features)
        rows = self.lookup(features)
        missing = rows < 0
        phi = self._known(rows)
        if missing.any():
            phi[missing] = self.prior(features[missing])
        return phi

    def _known(self, rows: IntArray) -> FloatArray:
        """Prior features of rows of the pool, to single precision, `[n, P]`."""
        if self.compact.shape[1] == len(self.prior.constant):
            return self.compact[rows].astype(np.float64)
        return self.rows[rows]
