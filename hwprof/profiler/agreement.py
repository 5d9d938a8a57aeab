"""Whether a device computes what the reference computes: a fast wrong answer is an error.

The reference is ONNX Runtime for ONNX models and eager PyTorch for programs of torch.export.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from hwprof.conditions import OutputAgreement
from hwprof.device_spec import DeviceSpec
from hwprof.errors import DeviceError, HwprofError, MeasurementError
from hwprof.models.base import Model, ModelFormat
from hwprof.models.outputs import OutputTensor
from hwprof.targets.base import Run, Target
from hwprof.targets.worker import WorkerTarget

# By format of the model: the device that is asked, and what it is called.
REFERENCES: Mapping[ModelFormat, tuple[str, str]] = {
    "onnx": ("onnxruntime-cpu", "ONNX Runtime"),
    "torch": ("torch-cpu", "eager PyTorch"),
}

# Largest difference of an element, as a share of the output's largest magnitude. fp32 kernels of
# different runtimes differ by rounding and by the order of sums (1e-6 to 1e-4 over deep models);
# the others have 11, 11 and 8 bits of mantissa, which some hundred layers wear down to this.
TOLERANCES: Mapping[str, float] = {
    "native": 1e-3,
    "fp32": 1e-3,
    "tf32": 1e-2,
    "fp16": 3e-2,
    "bf16": 1e-1,
}
# The reference device at these runs the model as it is.
UNCHANGED = ("native", "fp32")
# Whole numbers are mostly indices of a largest element: near ties may fall either way.
MAX_OTHER_INTEGERS = 0.01
# Without a tolerance such outputs pass, and no figure tells how far apart they are.
UNLIKE = "NaN or infinities stand at different places in the two"

Check = Callable[[Run], OutputAgreement]
"""Compares an open model's outputs and says how they agree. Raises MeasurementError."""


class Agreement:
    """Compares outputs with the reference's, whose own are computed once per model."""

    def __init__(self, reference: Target | None = None) -> None:
        self._target = reference
        # Of the last model only: outputs may be large, and devices take turns model by model.
        self._known: tuple[str, tuple[OutputTensor, ...] | str] = ("", "")

    def of(self, model: Model, spec: DeviceSpec) -> Check | None:
        """The check of `model` on the device `spec`; None for the reference itself."""
        device, called = REFERENCES.get(model.format, ("", ""))
        if not device:
            return lambda run: OutputAgreement(
                precision=spec.precision,
                reason=f"no reference opens '{model.path.suffix}' files",
            )
        if spec.name == device and spec.precision in UNCHANGED and _plain(spec):
            return None

        def check(run: Run) -> OutputAgreement:
            wanted = self._reference(model, device, called)
            if isinstance(wanted, str):
                return OutputAgreement(called, spec.precision, reason=wanted)
            try:
                found = run.outputs()
            except DeviceError as error:
                return OutputAgreement(called, spec.precision, reason=str(error))
            return verdict(found, wanted, spec, model.path.name, called)

        return check

    def _reference(self, model: Model, device: str, called: str) -> tuple[OutputTensor, ...] | str:
        key = model.subject.key
        if key != self._known[0]:
            try:
                with (self._target or WorkerTarget(device)).start(model) as run:
                    self._known = key, run.outputs()
            except HwprofError as error:
                self._known = key, f"{called} gives no reference ({error})"
        return self._known[1]


def _plain(spec: DeviceSpec) -> bool:
    """Whether the reference device runs as the reference does: PyTorch may compile as well."""
    return spec.options.get("mode", "eager") == "eager"


def verdict(
    found: Sequence[OutputTensor],
    wanted: Sequence[OutputTensor],
    spec: DeviceSpec,
    model: str,
    called: str,
) -> OutputAgreement:
    """How outputs agree. Raises MeasurementError when they do not.

    A precision without a stated tolerance (int8, whose error is the quantiser's) is told, not
    judged.
    """
    advice = "nothing was timed; measure with --no-check-outputs if that is expected"
    if len(found) != len(wanted):
        raise MeasurementError(
            f"{spec.name} gives {len(found)} outputs of '{model}' and {called} {len(wanted)}; "
            f"{advice}"
        )
    tolerance = TOLERANCES.get(spec.precision)
    worst = 0.0
    for position, (one, other) in enumerate(zip(found, wanted, strict=True)):
        if one.shape != other.shape:
            raise MeasurementError(
                f"{spec.name} gives output {position} of '{model}' the shape {list(one.shape)} "
                f"and {called} {list(other.shape)}; {advice}"
            )
        error, allowed = difference(one.array(), other.array(), tolerance)
        worst = max(worst, error)
        if allowed is not None and not error <= allowed:
            raise MeasurementError(
                f"{spec.name} computes something else than {called}: output {position} of "
                f"'{model}' is off by {error:.2g} of its largest value (allowed {allowed:g} at "
                f"{spec.precision}); {advice}"
            )
    if not np.isfinite(worst):
        return OutputAgreement(called, spec.precision, reason=UNLIKE)
    return OutputAgreement(called, spec.precision, worst, tolerance)


def difference(
    found: np.ndarray, wanted: np.ndarray, tolerance: float | None
) -> tuple[float, float | None]:
    """How far two outputs of one shape differ, and how far they may.

    Floats: the largest difference over the largest finite magnitude of `wanted`; infinite when
    NaN or infinities stand at different places. Integers and booleans: the share that differs.
    """
    if not found.size:
        return 0.0, tolerance
    if found.dtype.kind in "biu" and wanted.dtype.kind in "biu":
        allowed = None if tolerance is None else MAX_OTHER_INTEGERS
        return float(np.mean(found != wanted)), allowed
    one, other = found.astype(np.float64), wanted.astype(np.float64)
    finite = np.isfinite(other)
    if not np.array_equal(one[~finite], other[~finite], equal_nan=True):
        return float("inf"), tolerance
    if not finite.any():
        return 0.0, tolerance
    one, other = one[finite], other[finite]
    if not np.isfinite(one).all():
        return float("inf"), tolerance
    scale = float(np.abs(other).max())
    off = float(np.abs(one - other).max())
    return (off if scale == 0 else off / scale), tolerance
