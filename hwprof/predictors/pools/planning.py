"""What to measure next so that a device of a pool is predicted well enough: an estimate.

Each device is predicted from its own cells, with a model fitted on the others. What that model says
of its own error is set right by how wrong it was on cells held back, and measurements that nobody
made yet are drawn from its predictions (fantasies, as in Ginsbourger et al., Kriging is well-suited
to parallelize optimization, 2010), each where the model is least sure.

Shapes: n architectures, m devices, q architectures that stand for the space.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import pi, sqrt

import numpy as np
from numpy.typing import NDArray

from hwprof import spaces
from hwprof.errors import OptionError
from hwprof.predictors.fewshot import FewShotPredictor
from hwprof.predictors.fewshot.adapted import AdaptedFewShot
from hwprof.predictors.pool import DevicePool
from hwprof.predictors.pools.stored import StoredPool

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

# Architectures drawn from the space: what is asked about it, and what may be measured next.
_ASKED, _OFFERED = 150, 150
# Fantasies per device: beyond, the curve of errors is continued.
_STEPS = 24
# Cells that a device needs before anything can be said of its predictions.
_LEAST_CELLS = 6
# What the model says of its error is set right by at most such factors.
_CORRECTION = (0.5, 4.0)
# A curve is not continued to more measurements than this.
_MOST = 500
# Mean absolute deviation of a Gaussian, in standard deviations.
_ABSOLUTE = sqrt(2 / pi)


@dataclass(frozen=True, slots=True)
class DevicePlan:
    """What is expected of one device. All errors are mean absolute errors relative to the value."""

    device: str
    cells: int
    """Architectures measured on it."""
    now: float | None
    """Expected error on architectures of the space that it has not measured; None where it has
    too few cells to tell."""
    needed: int | None
    """More measurements until the target is expected; 0 where it is already, None where it is not
    to be expected from any number that can be foreseen."""
    archs: tuple[str, ...]
    """What to measure next on it, in this order."""
    then: float | None
    """Expected error once they are measured."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to measure next. Estimates, all of it: measure, and plan again."""

    target: float
    devices: tuple[DevicePlan, ...]
    correction: float
    """How many times larger errors are taken to be than the model says, after cells held back: by
    `_CORRECTION` at least and at most."""


@dataclass(frozen=True, slots=True, eq=False)
class _Device:
    """One device while it is planned for."""

    name: str
    predictor: FewShotPredictor
    rows: IntArray
    """Its measured rows."""
    adapted: AdaptedFewShot
    correction: float


def plan(
    stored: StoredPool,
    target: float,
    budget: int | None = None,
    seed: int = 0,
    *,
    listen: Callable[[str], object] = lambda device: None,
) -> Plan:
    """What to measure on which device until a mean relative error of `target` is expected.

    `budget` is how many measurements there may be in all; each goes where the expected error is
    largest. Takes a fit per device and some seconds. `listen` is told each device before. Raises
    OptionError for a target that is no share of at least 0.001, a budget below 1, and for a pool
    too small to leave a device out.
    """
    if not 0.001 <= target < 1:
        raise OptionError(f"the target must be an error from 0.1% to 100%, but is {target:.3g}")
    if budget is not None and budget < 1:
        raise OptionError(f"the budget must be at least 1 measurement, but is {budget}")
    pool = stored.pool
    if len(pool.devices) < 3:
        raise OptionError(
            f"the pool has {len(pool.devices)} devices, of which none can be left out; measure its "
            "architectures on more devices first"
        )
    wide, asked = _widened(stored, np.random.default_rng(seed))
    found: dict[str, _Device] = {}
    for column, name in enumerate(pool.devices):
        listen(name)
        if int(pool.measured[:, column].sum()) >= _LEAST_CELLS:
            found[name] = _prepared(stored, wide, column, seed)
    if not found:
        raise OptionError(
            f"no device of the pool has {_LEAST_CELLS} measured architectures: too few to plan "
            "with; measure some on each first"
        )
    correction = float(np.median([device.correction for device in found.values()]))
    curves = {
        name: _curve(device, wide, asked, target / correction, seed)
        for name, device in found.items()
    }
    errors = {name: [correction * e for e in curve[0]] for name, curve in curves.items()}
    needs = {
        name: _needed(each, int(pool.measured[:, pool.devices.index(name)].sum()), target)
        for name, each in errors.items()
    }
    # Where the target is out of reach, nothing is gained unless a budget is there to be spent.
    reachable = {name: errors[name] for name in errors if budget or needs[name] is not None}
    taken = dict.fromkeys(errors, 0) | _shared(reachable, target, budget)
    plans = []
    for column, name in enumerate(pool.devices):
        cells = int(pool.measured[:, column].sum())
        if name not in found:
            plans.append(DevicePlan(name, cells, None, None, (), None))
            continue
        names, count = wide.names or (), taken[name]
        archs = tuple(names[row] for row in curves[name][1][:count])
        own = errors[name]
        plans.append(DevicePlan(name, cells, own[0], needs[name], archs, own[count]))
    return Plan(target, tuple(plans), correction)


def _widened(stored: StoredPool, rng: np.random.Generator) -> tuple[DevicePool, IntArray]:
    """The pool with architectures that nobody measured, and the rows that stand for the space."""
    known, pool = spaces.get(stored.space), stored.pool
    names = pool.names or ()
    drawn = dict.fromkeys(known.texts(known.sample(_ASKED + _OFFERED, rng)))
    fresh = [name for name in drawn if name not in set(names)]
    features = np.concatenate([pool.features, known.encode(fresh).astype(np.float64)])
    values = np.concatenate([pool.values, np.full((len(fresh), len(pool.devices)), np.nan)])
    wide = DevicePool(
        *(features, values, pool.devices, (*names, *fresh)),
        metric=pool.metric,
        setting=pool.setting,
    )
    # In a space as small as its pool there is nothing else to ask for.
    asked = np.arange(len(names), len(names) + len(fresh))[:_ASKED]
    return wide, asked if len(asked) else rng.permutation(len(names))[:_ASKED]


def _prepared(stored: StoredPool, wide: DevicePool, column: int, seed: int) -> _Device:
    from hwprof.predictors.shipped import FITTED_ROWS, thinned

    name = wide.devices[column]
    rest = wide.subset([other for other in wide.devices if other != name])
    similarity = spaces.get(stored.space).similarity()
    predictor = FewShotPredictor.fit(thinned(rest, FITTED_ROWS), similarity=similarity, seed=seed)
    rows = np.flatnonzero(wide.measured[:, column])[:FITTED_ROWS]
    values = wide.values[:, column]
    # Half of the cells for the other half: how wrong is the model, and how wrong does it think?
    halves = np.array_split(np.random.default_rng(seed).permutation(rows), 2)
    ratios = []
    for given, held in (halves, halves[::-1]):
        prediction = predictor.adapt(given, values[given], check_units=False).predict(held)
        wrong = np.mean(np.abs(prediction.mean / values[held] - 1))
        ratios.append(wrong / _relative(prediction.mean, prediction.std))
    correction = float(np.clip(np.mean(ratios), *_CORRECTION))
    adapted = predictor.adapt(rows, values[rows], check_units=False)
    return _Device(name, predictor, rows, adapted, correction)


def _curve(
    device: _Device, wide: DevicePool, asked: IntArray, target: float, seed: int
) -> tuple[list[float], list[int]]:
    """Error that the model expects after each further measurement, and which they are."""
    rng = np.random.default_rng(seed)
    adapted = device.adapted
    free = np.setdiff1d(np.arange(len(wide.features)), device.rows)
    # What is asked about stays unmeasured, as long as there is anything else.
    others = np.setdiff1d(free, asked)
    free = others if len(others) else free
    errors, chosen = [_expected(adapted, asked)], list[int]()
    while errors[-1] > target and len(chosen) < _STEPS and len(free):
        prediction = adapted.predict(free)
        place = int(np.argmax(prediction.std / prediction.mean))
        row = int(free[place])
        # Drawn, not expected: values that agree with the model too well would make it too sure.
        fantasy = prediction.quantile(float(rng.uniform(0.05, 0.95)))[place]
        adapted = adapted.update([row], [fantasy])
        free = np.delete(free, place)
        chosen.append(row)
        errors.append(_expected(adapted, asked))
    return errors, chosen


def _expected(adapted: AdaptedFewShot, asked: IntArray) -> float:
    prediction = adapted.predict(asked)
    return _relative(prediction.mean, prediction.std)


def _relative(mean: FloatArray, std: FloatArray) -> float:
    """Mean absolute error that a prediction expects of itself, relative."""
    return float(np.mean(_ABSOLUTE * std / mean))


def _shared(errors: dict[str, list[float]], target: float, budget: int | None) -> dict[str, int]:
    """How many measurements each device gets: the next one where the error is largest."""
    taken = dict.fromkeys(errors, 0)
    left = sum(len(curve) for curve in errors.values()) if budget is None else budget
    while left > 0:
        open_ = [
            name
            for name, count in taken.items()
            if errors[name][count] > target and count + 1 < len(errors[name])
        ]
        if not open_:
            break
        worst = max(open_, key=lambda name: errors[name][taken[name]])
        taken[worst] += 1
        left -= 1
    return taken


def _needed(errors: Sequence[float], cells: int, target: float) -> int | None:
    """Measurements until the target, on the curve or where it leads; None where it does not."""
    for count, error in enumerate(errors):
        if error <= target:
            return count
    if len(errors) < _STEPS // 2:
        return None
    # Squared errors fall to a floor with one over the number of measurements.
    inverse = 1 / (cells + np.arange(len(errors)))
    slope, floor = np.polyfit(inverse, np.square(errors), 1)
    floor = max(float(floor), 0.0)
    if slope <= 0 or floor >= target**2:
        return None
    count = int(np.ceil(slope / (target**2 - floor))) - cells
    return count if len(errors) <= count <= _MOST else None
