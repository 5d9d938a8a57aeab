"""A sound predictor, some of which can be changed, and changes that each break one law."""

from itertools import count

import numpy as np

from hwprof.errors import OptionError
from hwprof.predictors.base import Prediction
from hwprof.predictors.baselines import RidgeRegression
from hwprof.predictors.baselines.prediction import StudentPrediction
from tests.predictors.pools import small_pool

POOL, TARGET = small_pool()


class Bent(Prediction):
    """A prediction with some of it changed."""

    def __init__(self, inner, mean=None, std=None, quantile=None, cdf=None):
        self.inner, self.changed = inner, {"quantile": quantile, "cdf": cdf}
        self.mean_s = inner.mean_s if mean is None else mean(inner.mean_s)
        self.std_s = inner.std_s if std is None else std(inner.std_s)

    mean_s = std_s = None

    def quantile(self, q):
        change = self.changed["quantile"]
        return self.inner.quantile(q) if change is None else change(self.inner.quantile, q)

    def cdf(self, value_s):
        change = self.changed["cdf"]
        found = self.inner.cdf(value_s)
        return found if change is None else change(found)


class Careless(StudentPrediction):
    """Calls joules seconds."""

    @property
    def mean_s(self):
        return self.mean

    std_s = mean_s


class BrokenAdapted:
    """Adapted values go through `given`, predictions through `bend`."""

    def __init__(self, inner, bend=None, given=None, update=None, warnings=()):
        self.inner, self.bend, self.given, self.changed = inner, bend, given, update
        self.warnings = warnings
        self.calls = count()

    def predict(self, architectures):
        asked = np.asarray(architectures)
        found = self.inner.predict(asked if self.given is None else self.given(asked))
        return found if self.bend is None else self.bend(found, asked, next(self.calls))

    def update(self, indices, latency_s, std_error_s=None):
        if self.changed is not None:
            return self.changed(self, indices, latency_s)
        fresh = self.inner.update(indices, latency_s, std_error_s)
        return BrokenAdapted(fresh, self.bend, self.given)


class Broken:
    """Ridge regression with some of it changed."""

    def __init__(self, select=None, measured=None, bend_of=None, **adapted):
        self.inner = RidgeRegression.fit(POOL)
        self.chosen, self.measured, self.bend_of, self.adapted = (
            select,
            measured,
            bend_of,
            adapted,
        )
        self.calls = count()

    def select(self, k, candidates=None, exclude=None):
        if self.chosen is None:
            return self.inner.select(k, candidates, exclude)
        return self.chosen(self.inner.select, next(self.calls), k, candidates, exclude)

    def adapt(self, indices, latency_s, device=None, std_error_s=None):
        if self.measured is not None:
            indices, latency_s, std_error_s = self.measured(indices, latency_s, std_error_s)
        adapted = dict(self.adapted)
        if self.bend_of is not None:
            adapted["bend"] = self.bend_of(next(self.calls), np.asarray(indices))
        inner = self.inner.adapt(indices, latency_s, device, std_error_s)
        return BrokenAdapted(inner, **adapted)


class Stretched(Prediction):
    """A prediction times factors that may differ."""

    def __init__(self, inner, factor, std=None):
        self.inner, self.factor = inner, factor
        self.mean_s = inner.mean_s * factor
        self.std_s = inner.std_s * (factor if std is None else std)

    mean_s = std_s = None

    def quantile(self, q):
        return self.inner.quantile(q) * self.factor


def stretch(factor_of, std_of=None):
    """By what is asked and how often it was."""

    def bend(found, asked, call):
        std = None if std_of is None else std_of(asked)
        return Stretched(found, factor_of(asked, call), std)

    return bend


class Shifted(Prediction):
    """A prediction later by some seconds, or wider."""

    def __init__(self, inner, later=0.0, wider=0.0):
        self.inner, self.later = inner, later
        self.mean_s, self.std_s = inner.mean_s + later, inner.std_s + wider

    mean_s = std_s = None

    def quantile(self, q):
        return self.inner.quantile(q) + self.later


def replaced_bad(bad, value):
    """Latencies that are bad become something else."""

    def measured(indices, latency_s, std_error_s):
        latency = np.asarray(latency_s, dtype=float)
        return indices, np.where(bad(latency), value, latency), std_error_s

    return measured


def one_at_least(indices, latency_s, std_error_s):
    return (indices, latency_s, std_error_s) if len(indices) else ([0], [1e-3], None)


def indices_by(change):
    return lambda indices, latency_s, std_error_s: (
        change(np.asarray(indices)),
        latency_s,
        std_error_s,
    )


def two_lines(indices, latency_s, std_error_s):
    if len(indices) == 0:
        raise OptionError("there is no measurement;\ngive one")
    return indices, latency_s, std_error_s


def widened(asked):
    if asked.ndim == 2 and asked.shape[1] < POOL.width:
        return np.hstack([asked, np.zeros((len(asked), 1))])
    return asked


def in_place(adapted, indices, latency_s):
    adapted.inner = adapted.inner.update(indices, latency_s)
    return BrokenAdapted(adapted.inner)


def update_of_numbers(adapted, indices, latency_s):
    latency = np.nan_to_num(np.asarray(latency_s, dtype=float), nan=1e-3)
    return BrokenAdapted(adapted.inner.update(indices, latency), update=adapted.changed)
