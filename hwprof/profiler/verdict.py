"""How far outputs lie apart, and how far two right evaluations of a model may."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from hwprof.models.outputs import MAPS, NOTHING, SEQUENCE, TEXT, OutputTensor

Outputs = tuple[OutputTensor, ...]

# Largest difference of an element, as a share of the output's largest magnitude, of two right
# evaluations in floats of 32 bits: kernels differ by rounding and by the order of sums (1e-6 to
# 1e-4 over deep models).
STRICT = 1e-3
# What reduced precisions may differ by where it cannot be tried out on the model itself: they have
# 11, 11 and 8 bits of mantissa, which some hundred layers wear down to this.
BY_PRECISION = {"tf32": 1e-2, "fp16": 3e-2, "bf16": 1e-1, "float16": 3e-2, "bfloat16": 1e-1}
# Whole numbers are mostly indices of a largest element: near ties may fall either way.
MAX_OTHER_INTEGERS = 0.01
# Right evaluations came to 0.8 of what roundings at random do, at most (docs/decisions/0012).
MARGIN = 1.25


@dataclass(frozen=True, slots=True)
class Spread:
    """How far roundings alone moved one output, in its own unit."""

    largest: float
    """The largest difference of an element in any draw."""
    distance: float
    """Euclidean distance, the root mean square of the draws'."""
    share: float
    """Largest share of elements that differed in a draw."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """How far two sets of outputs lie apart: the figures of the output that fits worst."""

    error: float = 0.0
    """Largest difference as a share of the largest magnitude, or share of elements that differ."""
    allowed: float | None = STRICT
    distance: float | None = None
    """Euclidean distance as a share of the output's length; None for what is counted."""
    allowed_distance: float | None = None
    fault: str = ""
    """What is too far apart, as the end of a sentence; empty where nothing is."""
    form: bool = False
    """Whether they are not even as many, or of the same shapes."""


def compare(
    found: Outputs,
    wanted: Outputs,
    strict: float = STRICT,
    spreads: Sequence[Spread] | None = None,
    steps: Sequence[float] = (),
) -> Comparison:
    """Hold outputs against those that are right.

    Largest differences up to `strict` pass. Beyond, `spreads` says how far roundings move each
    tensor (`leaves`): a difference passes that is within `MARGIN` of that by its distance, and by
    its largest element. `steps` are the quantisation steps of outputs that are held in steps, 0
    for others: one step is always allowed to one element.
    """
    shape = _unlike(found, wanted)
    if shape:
        return Comparison(math.inf, fault=shape, form=True)
    worst = Comparison()
    ratio = -1.0
    pairs = zip(leaves(found), leaves(wanted), strict=True)
    for number, ((label, one), (_, other)) in enumerate(pairs):
        spread = None if spreads is None else spreads[number]
        step = steps[number] if number < len(steps) else 0.0
        here = _compared(one, other, strict, spread, step, label)
        closeness = math.inf if here.fault else here.error / max(here.allowed or strict, 1e-300)
        if closeness > ratio:
            worst, ratio = here, closeness
    return worst


def leaves(outputs: Outputs, prefix: str = "output ") -> Iterator[tuple[str, OutputTensor]]:
    """The tensors of outputs, those inside sequences and maps included, and what to call each."""
    for number, output in enumerate(outputs):
        label = f"{prefix}{number}"
        if output.dtype in (SEQUENCE, MAPS):
            yield from leaves(output.items, f"{label}, item ")
        elif output.dtype != NOTHING:
            yield label, output


def spreads_of(draws: Sequence[Outputs], wanted: Outputs) -> tuple[Spread, ...] | None:
    """How far each tensor moved over `draws`; None where even the shapes did."""
    if any(_unlike(draw, wanted) for draw in draws):
        return None
    found = []
    for number, (_, truth) in enumerate(leaves(wanted)):
        moved = [list(leaves(draw))[number][1] for draw in draws]
        apart = [_apart(each.array(), truth.array()) for each in moved]
        if not all(np.isfinite(each.largest) for each in apart):
            return None
        found.append(
            Spread(
                max(each.largest for each in apart),
                math.sqrt(sum(each.distance**2 for each in apart) / len(apart)),
                max(each.share for each in apart),
            )
        )
    return tuple(found)


def _unlike(found: Outputs, wanted: Outputs) -> str:
    """Where outputs are not of one form: `gives 2 outputs, and 3 are right`."""
    if len(found) != len(wanted):
        return f"it gives {len(found)} outputs instead of {len(wanted)}"
    one, other = list(leaves(found)), list(leaves(wanted))
    if [label for label, _ in one] != [label for label, _ in other]:
        return "its sequences hold other numbers of tensors"
    for (label, mine), (_, right) in zip(one, other, strict=True):
        if mine.shape != right.shape:
            return f"{label} has the shape {list(mine.shape)} instead of {list(right.shape)}"
        if (mine.dtype == TEXT) != (right.dtype == TEXT):
            return f"{label} has the type {mine.dtype} instead of {right.dtype}"
    return ""


def _compared(
    found: OutputTensor,
    wanted: OutputTensor,
    strict: float,
    spread: Spread | None,
    step: float,
    label: str,
) -> Comparison:
    one, other = found.array(), wanted.array()
    apart = _apart(one, other)
    if not step and (one.dtype.kind in "biuO" and other.dtype.kind in "biuO"):
        allowed = MAX_OTHER_INTEGERS
        if spread is not None:
            allowed = max(allowed, MARGIN * spread.share)
        fault = "" if apart.share <= allowed else f"{label} differs in {apart.share:.2g} of them"
        return Comparison(apart.share, min(allowed, 1.0), fault=fault)
    finite = _numbers(other)
    finite = finite[np.isfinite(finite)]
    scale = float(np.abs(finite).max()) if finite.size else 0.0
    length = float(np.linalg.norm(finite))
    error = apart.largest / scale if scale else apart.largest
    distance = apart.distance / length if length else apart.distance
    if spread is None and not step:
        fault = "" if error <= strict else f"{label} is off by {error:.2g} of its largest value"
        return Comparison(error, strict, _told(distance), fault=fault)
    moved = spread or Spread(0.0, 0.0, 0.0)
    # A little more than one step: steps are told apart in floats.
    allowed = max(strict, max(MARGIN * moved.largest, 1.01 * step) / (scale or 1.0))
    near = max(MARGIN * moved.distance, 1.01 * step) / (length or 1.0)
    fault = ""
    if error > strict and not (error <= allowed and distance <= near):
        fault = (
            f"{label} is off by {error:.2g} of its largest value and by {distance:.2g} of its "
            f"length (its roundings explain {allowed:.2g} and {near:.2g})"
        )
    return Comparison(error, allowed, _told(distance), near, fault)


def _told(distance: float) -> float | None:
    return distance if math.isfinite(distance) else None


def _apart(one: np.ndarray, other: np.ndarray) -> Spread:
    """How far two tensors of one shape lie apart: infinitely where NaN and infinities differ."""
    if not one.size:
        return Spread(0.0, 0.0, 0.0)
    share = float(np.mean(one != other))
    if one.dtype.kind == "O":
        return Spread(share, share, share)
    one, other = _numbers(one), _numbers(other)
    finite = np.isfinite(other)
    if not np.array_equal(one[~finite], other[~finite], equal_nan=True):
        return Spread(math.inf, math.inf, share)
    off = np.abs(one[finite] - other[finite])
    if not off.size:
        return Spread(0.0, 0.0, share)
    largest = float(off.max())
    if not math.isfinite(largest):
        return Spread(math.inf, math.inf, share)
    return Spread(largest, float(np.linalg.norm(off)), share)


def _numbers(array: np.ndarray) -> np.ndarray:
    """Real numbers in double precision; real and imaginary parts beside each other."""
    if array.dtype.kind == "c":
        return np.stack([array.real, array.imag], axis=-1).astype(np.float64)
    return array.astype(np.float64)
