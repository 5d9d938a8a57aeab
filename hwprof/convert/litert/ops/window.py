"""Windows that slide over an image: padding, stride and size, in both libraries' terms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hwprof.convert.litert.conversion import Conversion, refuse
from hwprof.convert.litert.emitter import channels_last
from hwprof.convert.litert.graph import Node

SAME, VALID = "Padding.SAME", "Padding.VALID"


@dataclass(frozen=True, slots=True)
class Window:
    """Per spatial dimension, always two of them: a sequence is an image of height 1."""

    size: tuple[int, int]
    strides: tuple[int, int]
    dilations: tuple[int, int]
    before: tuple[int, int]
    after: tuple[int, int]
    """Padding at the end, as far as a window reaches it."""
    declared_after: tuple[int, int]
    """Padding at the end as the node gives it."""

    @property
    def pads(self) -> bool:
        """Whether any window reaches over an edge."""
        return any((*self.before, *self.after))

    def is_same(self, image: Sequence[int]) -> bool:
        """Whether LiteRT's padding SAME of an image gives the very same windows."""
        for d in range(2):
            reach = (self.size[d] - 1) * self.dilations[d] + 1
            steps = -(-image[d] // self.strides[d])
            total = max((steps - 1) * self.strides[d] + reach - image[d], 0)
            if (self.before[d], self.after[d]) != (total // 2, total - total // 2):
                return False
        return True


def window_of(node: Node, size: Sequence[int], image: Sequence[int], out: Sequence[int]) -> Window:
    """The window of a convolution or pooling node.

    `size`, `image` and `out` are the sizes of window, input and output, one or two dimensions.
    What no window reaches is left out of `after`, which may be negative: cropped.
    """
    count = len(size)
    strides = node.integers("strides", [1] * count)
    dilations = node.integers("dilations", [1] * count)
    pads = node.integers("pads", [0] * 2 * count)
    auto = node.text("auto_pad", "NOTSET")
    before, after, declared = [], [], []
    for d in range(count):
        reach = (size[d] - 1) * dilations[d] + 1
        needed = (out[d] - 1) * strides[d] + reach - image[d]
        start, end = pads[d], pads[d + count]
        if auto in ("SAME_UPPER", "SAME_LOWER"):
            total = max(needed, 0)
            start = total // 2 if auto == "SAME_UPPER" else total - total // 2
            end = total - start
        before.append(start)
        after.append(max(needed - start, 0))
        declared.append(end)
    return Window(
        _two(size, 1), _two(strides, 1), _two(dilations, 1),
        _two(before, 0), _two(after, 0), _two(declared, 0),
    )  # fmt: skip


def _two(values: Sequence[int], first: int) -> tuple[int, int]:
    return (values[0], values[1]) if len(values) == 2 else (first, values[0])


def read_image(conversion: Conversion, name: str) -> tuple[int, tuple[int, int, int, int]]:
    """A tensor as an image with channels last: its number and shape (n, h, w, c)."""
    emit = conversion.emit
    shape = emit.shape(name)
    refuse(len(shape) not in (3, 4), f"has {len(shape) - 2} spatial dimensions, not 1 or 2")
    number = emit.read(name, channels_last(len(shape)))
    if len(shape) == 4:
        return number, (shape[0], shape[2], shape[3], shape[1])
    image = (shape[0], 1, shape[2], shape[1])
    return reshaped(conversion, number, name, image), image


def write_image(conversion: Conversion, name: str) -> tuple[int, int]:
    """Where an image is to be written, and the number of the tensor it becomes.

    They differ for a sequence, which `close_image` makes of it.
    """
    emit = conversion.emit
    shape = emit.shape(name)
    number = emit.place(name, channels_last(len(shape)))
    if len(shape) == 4:
        return number, number
    return emit.scratch(name, emit.dtype(name), (shape[0], 1, shape[2], shape[1])), number


def close_image(conversion: Conversion, written: int, final: int, name: str) -> None:
    """Give a sequence written as an image its own shape."""
    if written != final:
        shape = conversion.emit.shape(name)
        new = np.array((shape[0], shape[2], shape[1]), np.int32)
        conversion.emit.step("RESHAPE", [written], [final], newShape=new)


def reshaped(conversion: Conversion, number: int, name: str, shape: Sequence[int]) -> int:
    """A tensor with another shape, as a step before the node's own operator."""
    emit = conversion.emit
    made = emit.scratch(name, emit.dtype(name), shape)
    new = np.array(shape, np.int32)
    emit.step("RESHAPE", [number], [made], newShape=new)
    return made


def padded(
    conversion: Conversion,
    number: int,
    name: str,
    image: Sequence[int],
    window: Window,
    value: float = 0.0,
    may_be_same: bool = True,
) -> tuple[int, str]:
    """An image padded as the window needs it, and LiteRT's word for the padding that remains."""
    if not window.pads:
        return number, VALID
    if may_be_same and window.is_same(image[1:3]):
        return number, SAME
    emit = conversion.emit
    shape = (
        image[0],
        image[1] + window.before[0] + window.after[0],
        image[2] + window.before[1] + window.after[1],
        image[3],
    )
    made = emit.scratch(name, emit.dtype(name), shape)
    amounts = np.zeros((4, 2), np.int32)
    amounts[1:3] = np.stack([window.before, window.after], 1)
    pads = emit.constant(amounts, "pads")
    if value:
        filler = emit.constant(np.array([value], emit.dtype(name)), "filler")
        emit.step("PADV2", [number, pads, filler], [made])
    else:
        emit.step("PAD", [number, pads], [made])
    return made, VALID
