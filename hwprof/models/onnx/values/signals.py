"""What the inputs of operations on signals should hold: windows, transforms, mel weights."""

from __future__ import annotations

from collections.abc import Mapping

from hwprof.models.onnx.values.view import Rule, View, Wish

_RATE_HZ = 16000
"""A sampling rate that speech models use; the mel weights' edges lie within half of it."""


def _window(view: View) -> Mapping[int, Wish]:
    made = view.made()
    return {0: made[0] if made else None}


def _dft(view: View) -> Mapping[int, Wish]:
    """The axis that the file's shape speaks of, else the last but one; the length that is there."""
    shape, made = view.shape(0), view.made()
    if not shape:
        return {1: None, 2: None}
    axis = view.number(2)
    if axis is None:
        axis = view.operation.whole("axis", 1) if view.sizes.model.opset < 20 else -2
        if view.given(2) and made and len(made) == len(shape):
            odd = [k for k, (a, b) in enumerate(zip(shape, made, strict=True)) if a != b]
            axis = next((k for k in odd if k < len(shape) - 1), axis)
    length = shape[axis]
    if made and len(made) == len(shape) and not view.operation.whole("onesided", 0):
        length = made[axis]
    return {1: length, 2: axis}


def _stft(view: View) -> Mapping[int, Wish]:
    """A step that gives as many frames as the file's shape states, else half a frame."""
    signal, window, made = view.along(0, 1), view.count(2), view.made()
    length = view.number(3) or window
    if length is None and made and len(made) > 2:
        length = (made[2] - 1) * 2 if view.operation.whole("onesided", 1) else made[2]
    if signal is None or not length:
        return {1: None, 3: None}
    frames = made[1] if made and len(made) > 1 else 0
    step = (signal - length) // (frames - 1) if frames > 1 else max(1, length // 2)
    return {1: max(1, step), 3: length}


def _mel(view: View) -> Mapping[int, Wish]:
    made = view.made()
    if not made or len(made) != 2:
        return dict.fromkeys(range(5))
    return {0: made[1], 1: (made[0] - 1) * 2, 2: _RATE_HZ, 3: 0, 4: _RATE_HZ // 2}


_WINDOWS = ("HannWindow", "HammingWindow", "BlackmanWindow")

FIRST = frozenset({*_WINDOWS, "MelWeightMatrix"})

RULES: Mapping[str, Rule] = {
    **dict.fromkeys(_WINDOWS, _window),
    "DFT": _dft,
    "STFT": _stft,
    "MelWeightMatrix": _mel,
}
