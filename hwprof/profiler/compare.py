"""Ratios of two latencies, with intervals."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from hwprof.errors import OptionError, TableError
from hwprof.latency import restart_headlines as headlines
from hwprof.lut import Table
from hwprof.measurement import Measurement
from hwprof.models.base import Model
from hwprof.models.inputs.given import Asked
from hwprof.presented import Presented
from hwprof.profiler.agreement import Agreement
from hwprof.profiler.bench import Bench, Listener
from hwprof.profiler.plan import Plan
from hwprof.samples import FloatArray
from hwprof.statistics import student_t95
from hwprof.targets.base import Target

# Facts that must agree before two figures say something about what differs otherwise.
CHECKED = ("hardware", "runtime", "runtime_version", "runtime_build", "precision", "threads")
MIN_PAIRS = 3


PAIRS = 5
"""Pairs where nobody says how many: 3 carry an interval, a wide one."""


@dataclass(frozen=True, slots=True, repr=False)
class Comparison(Presented):
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

    @property
    def brief(self) -> str:
        sides = [f"{side.subject.name} on {side.device.slug}" for side in (self.a, self.b)]
        interval = "no interval" if self.ci95 is None else "{:.3f} to {:.3f}".format(*self.ci95)
        return f"{' / '.join(sides)} = {self.ratio:.3f} ({interval})"


def compare(
    a: str | Path | Target,
    b: str | Path | Target,
    *,
    model: str | Path | None = None,
    device: str | Target | None = None,
    threads: int | None = None,
    batch: int | None = None,
    shapes: Mapping[str, Sequence[int]] | None = None,
    inputs: Asked = None,
    plan: Plan | None = None,
    meter: str | None = None,
    table: Table | str | Path | None = None,
    check_outputs: bool = True,
    listen: Listener = lambda progress: None,
) -> Comparison:
    """Ratio of two latencies, a over b, with its 95 % interval.

    With `model`, a file, `a` and `b` are devices, as `hwprof.measure` takes them; without, they are
    two model files, measured on `device`. Both are measured now, in turn, in `plan.restarts` pairs
    of fresh processes (5 without a plan) on the same `inputs`, if they are given, and saved where
    there is a `table` (open, or a file's name). Where neither names a file, they are two
    measurements of `table`, by the first letters of their ids or by model name, of which the
    newest counts. Without `device` each model file has its own, as in `hwprof.measure`.
    Raises OptionError for sides that do not go together, and HwprofError with one sentence on what
    else is wrong: ModelError, DeviceError, MeasurementError or TableError.
    """
    # Imported here: whoever reads stored measurements does without.
    from hwprof.models.load import load_model
    from hwprof.profiler.campaign import jobs_for
    from hwprof.profiler.sweep import opened, target_of
    from hwprof.profiler.usual_device import usual_device

    if model is not None:
        devices = (side if isinstance(side, Target) else str(side) for side in (a, b))
        targets = [target_of(name, threads, meter) for name in devices]
        room = min(target.spec.hardware.memory_bytes for target in targets) or None
        loaded = load_model(model, shapes=shapes, batch=batch, inputs=inputs, room_bytes=room)
        first, second = ((loaded, target) for target in targets)
    else:
        files = [side for side in (a, b) if not isinstance(side, Target) and Path(side).is_file()]
        if not files:
            return _compare_of_table(a, b, table)
        if len(files) == 1:
            stranger = b if files[0] == a else a
            raise OptionError(
                f"'{stranger}' is not a model file, but the other side is; give two model files, "
                "two devices with a model, or two measurements of a table"
            )
        names = [usual_device(file) if device is None else device for file in files]
        target = target_of(names[0], threads, meter)
        targets = [target, target]
        if names[1] != names[0]:
            targets = [target, target_of(names[1], threads, meter)]
        jobs = jobs_for([Path(file) for file in files], target, shapes or {}, batch, inputs)
        room = min(each.spec.hardware.memory_bytes for each in targets) or None
        first, second = (
            (
                load_model(
                    job.model,
                    shapes=job.shapes,
                    batch=job.batch,
                    inputs=job.inputs,
                    room_bytes=room,
                ),
                each,
            )
            for job, each in zip(jobs, targets, strict=True)
        )
    with opened(table) as kept:
        comparison = compare_now(
            first,
            second,
            plan or Plan(restarts=PAIRS),
            agreement=Agreement() if check_outputs else None,
            listen=listen,
        )
        if kept is not None:
            kept.add(comparison.a)
            kept.add(comparison.b)
    return comparison


def _compare_of_table(
    a: str | Path | Target, b: str | Path | Target, table: Table | str | Path | None
) -> Comparison:
    if isinstance(a, Target) or isinstance(b, Target):
        raise OptionError("two devices are compared on a model; name its file with model")
    if table is None:
        raise OptionError(
            f"neither '{a}' nor '{b}' is a model file; name the table that holds their measurements"
        )
    if isinstance(table, Table):
        return compare_stored(stored(table, str(a)), stored(table, str(b)))
    with Table.open(table, create=False, readonly=True) as opened_table:
        return compare_stored(stored(opened_table, str(a)), stored(opened_table, str(b)))


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
            "at least one side has a single restart, and its interval is what restarts usually "
            "differ by: measure with --restarts 5 before believing a small difference",
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
    pairs' log ratios. `plan.restarts` is the number of pairs, at least 3, or 5 where it is None.
    With `agreement`, the outputs of both are compared with ONNX Runtime's first.
    """
    pairs = max(MIN_PAIRS, PAIRS if plan.restarts is None else plan.restarts)
    plan = replace(plan, restarts=pairs, per_op=False)
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
    for pair in range(pairs):
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


def restart_headlines(measurement: Measurement) -> FloatArray:
    """Headline of each restart alone, seconds, shape `[restarts]`."""
    return headlines([r.steady for r in measurement.restarts], measurement.device.threads)


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
