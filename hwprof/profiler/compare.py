"""Ratios of two latencies, with intervals."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from hwprof.errors import MeasurementError, OptionError, TableError, UnsavedError
from hwprof.latency import restart_headlines as headlines
from hwprof.lut import Table
from hwprof.measurement import Measurement
from hwprof.models.base import Model
from hwprof.models.inputs.given import Asked
from hwprof.presented import Presented
from hwprof.profiler.agreement import Agreement
from hwprof.profiler.bench import Bench, Listener
from hwprof.profiler.picking import stored
from hwprof.profiler.plan import Plan
from hwprof.profiler.unlike import differences, shapes_text, unlike
from hwprof.samples import FloatArray
from hwprof.spread import between_pairs
from hwprof.targets.base import Target

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
    unlike: tuple[str, ...] = ()
    """Why the ratio says nothing, a clause for each reason; empty where the two are alike."""

    @property
    def different(self) -> bool | None:
        """Whether the interval excludes 1; None without an interval, and where they are unlike."""
        if self.ci95 is None or self.unlike:
            return None
        return not self.ci95[0] <= 1.0 <= self.ci95[1]

    @property
    def brief(self) -> str:
        sides = " / ".join(
            f"{side.subject.name} on {side.device.slug}" for side in (self.a, self.b)
        )
        if self.unlike:
            return f"{sides}: no ratio, unlike in {'; '.join(self.unlike)}"
        interval = "no interval" if self.ci95 is None else "{:.3f} to {:.3f}".format(*self.ci95)
        return f"{sides} = {self.ratio:.3f} ({interval})"

    def anyway(self) -> Comparison:
        """The same with a verdict after all; why the two are unlike is then among its notes."""
        notes = (*(f"unlike in {reason}" for reason in self.unlike), *self.notes)
        return replace(self, notes=notes, unlike=())


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
    timeout: float | None = None,
    listen: Listener = lambda progress: None,
) -> Comparison:
    """Ratio of two latencies, a over b, with its 95 % interval; b is what a is held against.

    With `model`, a file, `a` and `b` are devices, as `hwprof.measure` takes them; without, they are
    two model files, measured on `device`, or each on its own, as in `hwprof.measure`, which says
    what `timeout` is. Both are measured now, in turn, in `plan.restarts` pairs of fresh processes
    (5 without a plan) on the same `inputs`, if they are given, and saved where there is a `table`
    (open, or a file's name).
    Where neither names a file, they are two measurements of `table`, by the first letters of their
    ids or by model name, of which the newest counts. `device` (part of a slug, as `Table.ids` takes
    it), `threads` and `batch` then say which measurements are meant.
    What makes a ratio meaningless is in `Comparison.unlike`.
    Raises OptionError for sides that do not go together, for one measurement as both, and for
    arguments that decide how to measure where nothing is measured; and HwprofError with one
    sentence on what else is wrong: ModelError, DeviceError, MeasurementError or TableError, whose
        UnsavedError brings the comparison that could not be saved.
    """
    # Imported here: whoever reads stored measurements does without.
    from hwprof.models.load import load_model
    from hwprof.profiler.campaign import early, jobs_for
    from hwprof.profiler.sweep import opened, target_of
    from hwprof.profiler.usual_device import usual_device

    if model is not None:
        if device is not None:
            raise OptionError(
                "with a model, a and b are the devices to compare on it; leave out device"
            )
        devices = (side if isinstance(side, Target) else str(side) for side in (a, b))
        targets = [target_of(name, threads, meter, timeout=timeout) for name in devices]
        room = min(target.spec.hardware.memory_bytes for target in targets) or None
        loaded = load_model(model, shapes=shapes, batch=batch, inputs=inputs, room_bytes=room)
        first, second = ((loaded, target) for target in targets)
    else:
        named = [side for side in (a, b) if not isinstance(side, Target)]
        files = [side for side in named if _is_file(side)]
        if not files:
            deciding = {
                "the plan (restarts, budget, precision, pin)": plan,
                "shapes": shapes or None,
                "inputs": inputs,
                "check_outputs": None if check_outputs else False,
            }
            found = _compare_of_table(a, b, table, device, threads, batch)
            given = [name for name, value in deciding.items() if value is not None]
            if given:
                raise OptionError(
                    f"'{a}' and '{b}' are measurements of a table, and nothing is measured anew; "
                    f"leave out {', '.join(given)}"
                )
            return found
        if len(files) == 1:
            stranger = b if files[0] == a else a
            raise OptionError(
                f"'{stranger}' is not a model file, but the other side is; give two model files, "
                "two devices with a model, or two measurements of a table"
            )
        names = [usual_device(file) if device is None else device for file in files]
        target = target_of(names[0], threads, meter, timeout=timeout)
        targets = [target, target]
        if names[1] != names[0]:
            targets = [target, target_of(names[1], threads, meter, timeout=timeout)]
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
            agreement=Agreement(timeout_s=timeout) if check_outputs else None,
            keep=None if kept is None else early(kept),
            listen=listen,
        )
        if kept is not None:
            try:
                kept.replace(comparison.a)
                kept.replace(comparison.b)
            except TableError as error:
                raise UnsavedError(error, comparison) from error
    return comparison


def _is_file(side: str | Path) -> bool:
    try:
        return Path(side).is_file()
    except (OSError, ValueError):  # too long a name, or a NUL in it
        return False


def _compare_of_table(
    a: str | Path | Target,
    b: str | Path | Target,
    table: Table | str | Path | None,
    device: str | Target | None,
    threads: int | None,
    batch: int | None,
) -> Comparison:
    if isinstance(a, Target) or isinstance(b, Target):
        raise OptionError("two devices are compared on a model; name its file with model")
    if table is None:
        raise OptionError(
            f"neither '{a}' nor '{b}' is a model file; name the table that holds their measurements"
        )
    if isinstance(device, Target):
        raise OptionError(
            "a target measures, and picks nothing from a table; give part of a device's slug"
        )
    if not isinstance(table, Table):
        with Table.open(table, create=False, readonly=True) as opened_table:
            return _compare_of_table(a, b, opened_table, device, threads, batch)
    first, second = (
        stored(table, str(side), device=device, threads=threads, batch=batch) for side in (a, b)
    )
    if first.id == second.id:
        raise OptionError(
            f"'{a}' and '{b}' are the same measurement, {first.id[:8]}; name two by the first "
            "letters of their ids, which 'hwprof lut show' lists"
        )
    return compare_stored(first, second)


def compare_stored(a: Measurement, b: Measurement) -> Comparison:
    """Ratio of two finished measurements; the interval joins theirs as independent errors.

    Raises OptionError for one measurement as both, MeasurementError for one without a latency.
    """
    if a.id == b.id:
        raise OptionError(f"both sides are the measurement {a.id[:8]}; compare two")
    _check_latencies(a, b)
    return _joined(a, b, unlike(a, b))


def compare_now(
    a: tuple[Model, Target],
    b: tuple[Model, Target],
    plan: Plan,
    *,
    run_id: str | None = None,
    agreement: Agreement | None = None,
    keep: Callable[[Measurement], object] | None = None,
    listen: Listener = lambda progress: None,
) -> Comparison:
    """Measure both sides in turn, a b b a ..., one fresh process each, and pair them.

    Drift of the machine hits both halves of a pair alike, so the interval is Student's t over the
    pairs' log ratios. `plan.restarts` is the number of pairs, at least 3, or 5 where it is None.
    With `agreement`, the outputs of both are compared with ONNX Runtime's first. `keep` gets the
    record of a side after each of its processes: a later one may fail.
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
            keep=keep,
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


def compare_turns(a: Measurement, b: Measurement, *, threads_meant: bool = True) -> Comparison:
    """Ratio of two measurements whose restarts were made in turns: pair by pair where it can be.

    Fewer than 3 pairs carry no interval of their own; then the two are compared as stored ones.
    What differs in threads was asked for so, unless `threads_meant` is off.
    Raises MeasurementError for a measurement without a latency.
    """
    _check_latencies(a, b)
    reasons = unlike(a, b, threads_meant=threads_meant)
    pairs = len(a.restarts)
    if pairs != len(b.restarts) or pairs < MIN_PAIRS:
        return _joined(a, b, reasons)
    logs = np.log(restart_headlines(a)) - np.log(restart_headlines(b))
    widths = [m.latency.sampling_width or 0.0 for m in (a, b)]
    centre = float(logs.mean())
    half = between_pairs(logs, (a.device.threads, b.device.threads), math.hypot(*widths))
    return Comparison(
        a,
        b,
        math.exp(centre),
        _around(math.exp(centre), half, half),
        f"{pairs} interleaved pairs of fresh processes",
        notes_on(a, b),
        reasons,
    )


def restart_headlines(measurement: Measurement) -> FloatArray:
    """Headline of each restart alone, seconds, shape `[restarts]`."""
    return headlines([r.steady for r in measurement.restarts], measurement.device.threads)


def notes_on(a: Measurement, b: Measurement) -> tuple[str, ...]:
    """What else differs between the two, and what either was warned about."""
    notes = []
    differing = ["threads"] if a.device.threads != b.device.threads else []
    differing += differences(a.device, b.device)
    if differing:
        notes.append(f"the devices differ in {', '.join(differing)}")
    shapes = shapes_text(a.subject), shapes_text(b.subject)
    if a.subject.sha256 != b.subject.sha256 and shapes[0] != shapes[1]:
        notes.append(f"the inputs differ: a has {shapes[0]}, b has {shapes[1]}")
    for label, side in (("a", a), ("b", b)):
        notes += [f"{label}: {w.code.value}: {w.message}" for w in side.warnings]
    return tuple(notes)


def _joined(a: Measurement, b: Measurement, reasons: tuple[str, ...]) -> Comparison:
    """Ratio of two independent results.

    Its interval is theirs, each end from the ends that lead there (MOVER: Zou and Donner,
    "Construction of confidence limits about effect measures", Statistics in Medicine 27, 2008).
    """
    one, two = a.latency, b.latency
    ratio = one.headline_s / two.headline_s
    ci95 = None
    if one.ci95_s and two.ci95_s and one.ci95_s[0] > 0 and two.ci95_s[0] > 0:
        (a_down, a_up), (b_down, b_up) = (
            (math.log(head / ci[0]), math.log(ci[1] / head))
            for head, ci in ((one.headline_s, one.ci95_s), (two.headline_s, two.ci95_s))
        )
        ci95 = _around(ratio, math.hypot(a_down, b_up), math.hypot(a_up, b_down))
    notes = notes_on(a, b)
    if min(len(a.restarts), len(b.restarts)) == 1:
        notes = (
            *notes,
            "at least one side has a single restart, and its interval is what restarts usually "
            "differ by: measure with --restarts 5 before believing a small difference",
        )
    return Comparison(a, b, ratio, ci95, "two stored measurements", notes, reasons)


def _around(ratio: float, down: float, up: float) -> tuple[float, float] | None:
    """The interval that reaches so far in logs; None where it is no number any more."""
    # exp() overflows near 709; a ratio of absurd latencies may be no number itself.
    if not 0 < ratio < math.inf or max(down, up) > 700:
        return None
    return ratio * math.exp(-down), ratio * math.exp(up)


def _check_latencies(*measurements: Measurement) -> None:
    """Raise MeasurementError where there is nothing to divide."""
    for measurement in measurements:
        parts = [restart.steady for restart in measurement.restarts]
        if not all(len(part) for part in parts) or np.any(restart_headlines(measurement) <= 0):
            raise MeasurementError(
                f"measurement {measurement.id[:8]} of '{measurement.subject.name}' has no latency "
                "above zero, so there is no ratio; measure it again"
            )
