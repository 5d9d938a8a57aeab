"""Ratios of two latencies, with intervals."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from hwprof.errors import TableError
from hwprof.lut import Table
from hwprof.measurement import Measurement
from hwprof.models.base import Model
from hwprof.profiler.agreement import Agreement
from hwprof.profiler.bench import Bench, Listener
from hwprof.profiler.plan import Plan
from hwprof.statistics import student_t95
from hwprof.targets.base import Target

# Facts that must agree before two figures say something about what differs otherwise.
CHECKED = ("hardware", "runtime", "runtime_version", "runtime_build", "precision", "threads")
MIN_PAIRS = 3


@dataclass(frozen=True, slots=True)
class Comparison:
    """Latency of `a` over latency of `b`: 2.0 means that a takes twice as long."""

    a: Measurement
    b: Measurement
    ratio: float
    ci95: tuple[float, float] | None
    """95 % interval of the ratio; None when one of the two has none."""
    method: str
    notes: tuple[str, ...]

    @property
    def different(self) -> bool | None:
        """Whether the interval excludes 1; None without an interval."""
        if self.ci95 is None:
            return None
        return not self.ci95[0] <= 1.0 <= self.ci95[1]


def stored(table: Table, text: str) -> Measurement:
    """The measurement whose id begins with `text`, else the newest of the model of that name.

    Raises TableError when there is neither.
    """
    try:
        return table.get(text)
    except TableError as error:
        newest = next(table.measurements(model=text, limit=1), None)
        if newest is None:
            raise TableError(
                f"'{text}' is neither a model file nor the id or model name of a measurement in "
                f"{table.path}; 'hwprof lut show' lists what it holds"
            ) from error
        return newest


def compare_stored(a: Measurement, b: Measurement) -> Comparison:
    """Ratio of two finished measurements; the interval joins theirs as independent errors."""
    one, two = a.latency, b.latency
    ci95 = None
    ratio = one.headline_s / two.headline_s
    if one.ci95_s and two.ci95_s and one.ci95_s[0] > 0 and two.ci95_s[0] > 0:
        halves = [math.log(ci[1] / ci[0]) / 2 for ci in (one.ci95_s, two.ci95_s)]
        half = math.hypot(*halves)
        ci95 = (ratio * math.exp(-half), ratio * math.exp(half))
    notes = notes_on(a, b)
    if min(len(a.restarts), len(b.restarts)) == 1:
        notes = (
            *notes,
            "at least one side has a single restart, and restarts differ by 1-2 %: "
            "measure with --restarts 5 before believing a small difference",
        )
    return Comparison(a, b, ratio, ci95, "two stored measurements", notes)


def compare_now(
    a: tuple[Model, Target],
    b: tuple[Model, Target],
    plan: Plan,
    *,
    run_id: str | None = None,
    agreement: Agreement | None = None,
    listen: Listener = lambda progress: None,
) -> Comparison:
    """Measure both sides in turn, a b b a ..., one fresh process each, and pair them.

    Drift of the machine hits both halves of a pair alike, so the interval is Student's t over the
    pairs' log ratios. `plan.restarts` is the number of pairs, at least 3. With `agreement`, the
    outputs of both are compared with ONNX Runtime's first.
    """
    plan = replace(plan, restarts=max(MIN_PAIRS, plan.restarts), per_op=False)
    benches = [
        Bench(
            model,
            target,
            plan,
            run_id=run_id,
            check=None if agreement is None else agreement.of(model, target.spec),
            listen=listen,
        )
        for model, target in (a, b)
    ]
    for pair in range(plan.restarts):
        order = benches if pair % 2 == 0 else benches[::-1]
        for bench in order:
            bench.step()
    first, second = (bench.finish() for bench in benches)
    return compare_turns(first, second)


def compare_turns(a: Measurement, b: Measurement) -> Comparison:
    """Ratio of two measurements whose restarts were made in turns: pair by pair where it can be.

    Fewer than 3 pairs carry no interval of their own; then the two are compared as stored ones.
    """
    pairs = len(a.restarts)
    if pairs != len(b.restarts) or pairs < MIN_PAIRS:
        return compare_stored(a, b)
    logs = np.log(restart_headlines(a)) - np.log(restart_headlines(b))
    centre = float(logs.mean())
    half = student_t95(pairs - 1) * float(logs.std(ddof=1)) / math.sqrt(pairs)
    return Comparison(
        a,
        b,
        math.exp(centre),
        (math.exp(centre - half), math.exp(centre + half)),
        f"{pairs} interleaved pairs of fresh processes",
        notes_on(a, b),
    )


def restart_headlines(measurement: Measurement) -> np.ndarray:
    """Headline of each restart alone, seconds, shape `[restarts]`."""
    return np.array(
        [replace(measurement, restarts=(r,)).latency.headline_s for r in measurement.restarts]
    )


def notes_on(a: Measurement, b: Measurement) -> tuple[str, ...]:
    """What else differs between the two, and what either was warned about."""
    notes = []
    differing = [name for name in CHECKED if getattr(a.device, name) != getattr(b.device, name)]
    differing += [
        key
        for key in sorted(set(a.device.options) | set(b.device.options))
        if a.device.options.get(key) != b.device.options.get(key)
    ]
    if differing:
        notes.append(f"the devices differ in {', '.join(differing)}")
    if a.latency.basis is not b.latency.basis:
        notes.append(f"a is {a.latency.basis.value}, b is {b.latency.basis.value}")
    for label, side in (("a", a), ("b", b)):
        notes += [f"{label}: {w.code.value}: {w.message}" for w in side.warnings]
    return tuple(notes)
