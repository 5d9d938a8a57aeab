"""Resampling of images."""

from __future__ import annotations

from torch.nn import functional as F

from hwprof.convert.torch.builder import Value
from hwprof.convert.torch.call import Call, converts

_LINEAR = {3: "linear", 4: "bilinear", 5: "trilinear"}


@converts("Resize", "Upsample")
def resize(call: Call) -> Value:
    """`interpolate`, where it computes the same: other coordinate rules are refused."""
    x = call.input()
    sizes = _sizes(call, x)
    mode = call.attribute("mode", "nearest")
    rule = call.attribute("coordinate_transformation_mode", "half_pixel")
    if call.op == "Upsample" or call.opset < 11:
        rule = "asymmetric"
    if sizes[:2] != list(x.shape[:2]) or x.rank not in _LINEAR:
        call.refuse("resizes other dimensions than those of an image, which torch does not")
    target = tuple(sizes[2:])
    if mode == "nearest":
        return call.call(F.interpolate, x, target, mode=_nearest(call, x, sizes, rule))
    if mode not in ("linear", "cubic") or (mode == "cubic" and x.rank != 4):
        call.refuse(f"interpolates in the mode '{mode}', which torch lacks")
    if rule not in ("half_pixel", "pytorch_half_pixel", "align_corners"):
        call.refuse(f"places its pixels by the rule '{rule}', which torch lacks")
    if mode == "cubic" and call.attribute("cubic_coeff_a", -0.75) != -0.75:
        call.refuse("has another cubic coefficient than torch's")
    if rule == "pytorch_half_pixel" and 1 in target:
        call.refuse("resizes to one pixel, which torch places otherwise")
    if call.attribute("antialias", 0) or call.attribute("exclude_outside", 0):
        call.refuse("weighs its neighbours (antialias, exclude_outside) in a way that torch lacks")
    factors = _inexact(call, x)
    if factors is not None and rule == "align_corners":
        call.refuse("aligns corners for factors that give no whole size, which torch does not")
    return call.call(
        F.interpolate,
        x,
        size=target if factors is None else None,
        scale_factor=factors,
        mode="bicubic" if mode == "cubic" else _LINEAR[x.rank],
        align_corners=rule == "align_corners",
    )


def _inexact(call: Call, x: Value) -> tuple[float, ...] | None:
    """Factors per image dimension where they give no whole size: places then follow the factor."""
    if call.opset < 11 or call.has(3) or "axes" in {each.name for each in call.proto.attribute}:
        return None
    factors = [float(f) for f in call.known(2, "scales").tolist()]
    whole = all(size * f == int(size * f) for size, f in zip(x.shape, factors, strict=True))
    return None if whole else tuple(factors[2:])


def _nearest(call: Call, x: Value, sizes: list[int], rule: str) -> str:
    """Which of torch's two nearest modes computes the same."""
    rounding = call.attribute("nearest_mode", "round_prefer_floor")
    whole = all(new % old == 0 for new, old in zip(sizes, x.shape, strict=True))
    if rule == "asymmetric" and (rounding == "floor" or call.op == "Upsample" or call.opset < 11):
        return "nearest"
    # Enlarged by a whole factor, no place lies half-way between two pixels.
    rounds = rounding == "round_prefer_ceil" or (rounding == "round_prefer_floor" and whole)
    if rule in ("half_pixel", "pytorch_half_pixel") and rounds:
        return "nearest-exact"
    call.refuse(
        f"picks the nearest pixel by the rules '{rule}' and '{rounding}', which torch lacks"
    )


def _sizes(call: Call, x: Value) -> list[int]:
    if call.op == "Upsample" or call.opset < 11:
        factors = call.known(1, "scales").tolist() if call.has(1) else call.attribute("scales", [])
        return [int(size * factor) for size, factor in zip(x.shape, factors, strict=True)]
    axes = call.attribute("axes", list(range(x.rank)))
    sizes = list(x.shape)
    if call.has(3) and call.known(3, "sizes").numel():
        if call.attribute("keep_aspect_ratio_policy", "stretch") != "stretch":
            call.refuse("keeps the aspect ratio, which torch does not")
        found = call.numbers(3, "sizes")
    else:
        factors = call.known(2, "scales").tolist()
        found = [int(x.shape[axis] * f) for axis, f in zip(axes, factors, strict=True)]
    for axis, size in zip(axes, found, strict=True):
        sizes[axis] = size
    return sizes
