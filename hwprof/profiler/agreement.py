"""Whether a device computes what its model says: a fast wrong answer is an error.

What is right, and how far right answers lie apart, is told by the model and not by the device
(docs/decisions/0012): `hwprof.profiler.truth` and `hwprof.profiler.verdict`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from hwprof.conditions import OutputAgreement
from hwprof.device_spec import DeviceSpec
from hwprof.errors import DeviceError, MeasurementError, ModelError
from hwprof.models.base import Model, ModelFormat
from hwprof.models.numerics import Numerics, numerics_of
from hwprof.models.outputs import MAX_COMPARED_BYTES, declared_outputs
from hwprof.profiler.truth import Truth
from hwprof.profiler.verdict import BY_PRECISION, STRICT, Comparison, Outputs, Spread, compare
from hwprof.targets.base import Run, Target

# By format of the model: the device that is asked, and what it is called.
REFERENCES: Mapping[ModelFormat, tuple[str, str]] = {
    "onnx": ("onnxruntime-cpu", "ONNX Runtime"),
    "torch": ("torch-cpu", "eager PyTorch"),
}
OPTIMISED = "ONNX Runtime's optimised graph"
EVALUATOR = "onnx's reference evaluator"
# Precisions that leave a model's types as they are, and those whose roundings are tried out.
UNCHANGED = ("native", "fp32")
REDUCED = ("tf32", "fp16", "bf16")
# Without a tolerance such outputs pass, and no figure tells how far apart they are.
UNLIKE = "NaN or infinities stand at different places in the two"
OWN_OPERATORS = "its operators may come from the library that was given, and no reference has them"
ADVICE = "nothing was kept; measure with --no-check-outputs if that is expected"

Check = Callable[[Run], OutputAgreement]
"""Compares an open model's outputs and says how they agree. Raises MeasurementError."""


class Agreement:
    """Compares outputs with the reference's, whose own are computed once per model."""

    def __init__(self, reference: Target | None = None, timeout_s: float | None = None) -> None:
        """`reference` stands in for the devices that tell what is right, each within `timeout_s`
        seconds a call, as `WorkerTarget` has it."""
        self._truth = Truth(reference, timeout_s)

    def of(self, model: Model, spec: DeviceSpec) -> Check | None:
        """The check of `model` on the device `spec`; None for what is right by itself.

        That is the reference, as long as the model computes in plain floats: its optimised graph
        of a quantised model is held against the plain one, and never refused.
        """
        device, called = REFERENCES.get(model.format, ("", ""))
        if not device:
            return lambda run: OutputAgreement(
                precision=spec.precision,
                reason=f"no reference opens '{model.path.suffix}' files",
            )
        if "custom_ops" in spec.options:
            return lambda run: OutputAgreement(precision=spec.precision, reason=OWN_OPERATORS)
        own = spec.name == device and spec.precision in UNCHANGED and _eager(spec)
        if own and (model.format != "onnx" or spec.options.get("opt") == "none"):
            return None
        try:
            numerics = numerics_of(model)
        except ModelError:
            numerics = Numerics()  # the reference will say what is wrong with the file
        if own and not numerics.quantised:
            return None
        case = _Case(model, spec, numerics, called, own, self._truth)
        return lambda run: _agreement(case, run)


def _eager(spec: DeviceSpec) -> bool:
    """Whether the reference device runs as the reference does: PyTorch may compile as well."""
    return spec.options.get("mode", "eager") == "eager"


@dataclass(frozen=True, slots=True)
class _Case:
    """One model on one device, and what is known of what it should give."""

    model: Model
    spec: DeviceSpec
    numerics: Numerics
    called: str
    own: bool
    """Whether the device is the reference itself, in another graph."""
    truth: Truth

    def without(self, reason: str) -> OutputAgreement:
        return OutputAgreement(self.called, self.spec.precision, reason=reason)


def _agreement(case: _Case, run: Run) -> OutputAgreement:
    """Raises MeasurementError when the outputs do not agree."""
    reason = _incomparable(case)
    if reason:
        return case.without(reason)
    wanted, case = _reference(case)
    if isinstance(wanted, str):
        return case.without(wanted)
    try:
        found = run.outputs()
    except DeviceError as error:
        return case.without(str(error))
    if [each.items == () for each in found] != [each.items == () for each in wanted] and (
        len(found) == len(wanted)
    ):
        return case.without(f"{case.spec.name} hands out tensors where the model gives sequences")
    return _judged(case, found, wanted)


def _incomparable(case: _Case) -> str:
    """Why outputs are not even computed for a comparison; empty where they are."""
    if case.numerics.random:
        return f"the model draws random numbers ({case.numerics.random})"
    if case.model.format != "onnx":
        return ""
    try:
        needed = sum(output.nbytes or 0 for output in declared_outputs(case.model))
    except ModelError:
        return ""
    if needed <= MAX_COMPARED_BYTES:
        return ""
    return (
        f"the outputs are {(needed + 2**19) >> 20} MiB, and at most "
        f"{MAX_COMPARED_BYTES >> 20} MiB are compared"
    )


def _reference(case: _Case) -> tuple[Outputs | str, _Case]:
    """The outputs to hold others against, and the case with the name of what computed them."""
    wanted = case.truth.plain(case.model)
    if not isinstance(wanted, str) or case.model.format != "onnx":
        if isinstance(wanted, str):
            wanted = f"{case.called} gives no reference ({wanted})"
        return wanted, case
    if not case.own:
        # Some graphs open only when they are optimised: a fusion brings what was missing.
        optimised = case.truth.optimised(case.model)
        if not isinstance(optimised, str):
            return optimised, replace(case, called=OPTIMISED)
    evaluated = case.truth.evaluator(case.model)
    if not isinstance(evaluated, str):
        return evaluated, replace(case, called=EVALUATOR)
    return f"{case.called} gives no reference ({wanted})", case


def _judged(case: _Case, found: Outputs, wanted: Outputs) -> OutputAgreement:
    """Raises MeasurementError when outputs are not what they should be."""
    precision = case.spec.precision
    compared = compare(found, wanted)
    judge: _Judge = _Judge()
    if compared.fault and not compared.form:
        if precision not in (*UNCHANGED, *REDUCED):
            # int8, whose error is that of the quantiser: it is told, not judged.
            return _untold(case, compared)
        scale = _judge_of(case, wanted)
        if isinstance(scale, str):
            return _untold(case, compared, scale)
        judge = scale
        compared = judge.compare(found, wanted)
    if not compared.fault:
        return _record(case, compared, judge.rounding)
    if case.own:
        note = f"{case.called} computes something else when it optimises: {compared.fault}"
        if not math.isfinite(compared.error):
            return case.without(note)
        return _record(case, compared, judge.rounding, note)
    doubt = _doubt(case, judge, found, wanted)
    if isinstance(doubt, str):
        return _untold(case, compared, doubt)
    if doubt is not None:
        return _record(replace(case, called=EVALUATOR), doubt, judge.rounding)
    raise MeasurementError(
        f"{case.spec.name} computes something else than {case.called} of '{case.model.path.name}': "
        f"{compared.fault}{_limit(compared, judge, precision)}; {ADVICE}"
    )


def _untold(case: _Case, compared: Comparison, note: str = "") -> OutputAgreement:
    """A figure that is not judged, with the reason; where there is no figure, the reason alone."""
    if not math.isfinite(compared.error):
        return case.without(note or UNLIKE)
    return _record(case, replace(compared, allowed=None, allowed_distance=None), "", note)


def _record(case: _Case, compared: Comparison, rounding: str, note: str = "") -> OutputAgreement:
    return OutputAgreement(
        case.called,
        case.spec.precision,
        compared.error,
        compared.allowed,
        distance=compared.distance,
        allowed_distance=compared.allowed_distance,
        rounding=rounding,
        note=note,
    )


def _limit(compared: Comparison, judge: _Judge, precision: str) -> str:
    if compared.form or judge.spreads is not None or compared.allowed is None:
        return ""
    return f" (allowed {compared.allowed:g} at {precision})"


@dataclass(frozen=True, slots=True)
class _Judge:
    """What outputs of one case may differ by."""

    strict: float = STRICT
    spreads: tuple[Spread, ...] | None = None
    steps: tuple[float, ...] = ()
    rounding: str = ""
    """What it is wider for, in words; empty for plain floats."""

    def compare(self, found: Outputs, wanted: Outputs) -> Comparison:
        return compare(found, wanted, self.strict, self.spreads, self.steps)


def _judge_of(case: _Case, wanted: Outputs) -> _Judge | str:
    """What the model's types, and the device's, explain; or why that cannot be told."""
    numerics, precision = case.numerics, case.spec.precision
    reduced = precision if precision in REDUCED else ""
    if numerics.plain and not reduced:
        return _Judge()
    rounding = " and ".join(filter(None, (numerics.text, reduced)))
    spreads = case.truth.spreads(case.model, precision, wanted)
    if not isinstance(spreads, str):
        return _Judge(STRICT, spreads, numerics.steps, rounding)
    if numerics.quantised:
        return f"how far its roundings reach is unknown ({spreads})"
    widest = max(BY_PRECISION.get(kind, STRICT) for kind in (numerics.low, reduced))
    return _Judge(widest, rounding=rounding)


def _doubt(case: _Case, judge: _Judge, found: Outputs, wanted: Outputs) -> Comparison | str | None:
    """Whether the reference itself may be off: None where it is not.

    Its optimised graph is the second opinion; where the two disagree, onnx's evaluator decides. A
    comparison with that evaluator is returned where it bears the device out, and a reason where
    nothing decides.
    """
    if case.model.format != "onnx" or case.called == EVALUATOR:
        return None
    if case.called != OPTIMISED:
        optimised = case.truth.optimised(case.model)
        if isinstance(optimised, str) or not judge.compare(optimised, wanted).fault:
            return None
    elif not case.numerics.quantised:
        return None
    evaluated = case.truth.evaluator(case.model)
    if isinstance(evaluated, str):
        return (
            "ONNX Runtime computes it in two ways that differ, and onnx's evaluator does not "
            f"decide between them ({evaluated})"
        )
    if not judge.compare(evaluated, wanted).fault:
        return None
    third = judge.compare(found, evaluated)
    return third if not third.fault else "neither ONNX Runtime nor onnx's evaluator bears it out"
