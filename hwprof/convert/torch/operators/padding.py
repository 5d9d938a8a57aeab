"""Paddings of sliding windows: ONNX's per-side lists as what torch takes."""

from __future__ import annotations

from dataclasses import dataclass

from hwprof.convert.torch.call import Call


@dataclass(frozen=True, slots=True)
class Window:
    """A sliding window over `rank` spatial dimensions; pads are (before, after) per dimension."""

    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    pads: tuple[tuple[int, int], ...]

    @property
    def even(self) -> tuple[int, ...] | None:
        """The padding per dimension where both sides are alike everywhere."""
        return tuple(a for a, _ in self.pads) if all(a == b for a, b in self.pads) else None

    @property
    def flat(self) -> tuple[int, ...]:
        """As `torch.nn.functional.pad` takes it: from the last dimension, before and after."""
        return tuple(side for pair in reversed(self.pads) for side in pair)


def window_of(call: Call, kernel: tuple[int, ...]) -> Window:
    """The window of a convolution or a pool, with `auto_pad` worked out from the input's shape."""
    rank = len(kernel)
    strides = tuple(call.attribute("strides", [1] * rank))
    dilations = tuple(call.attribute("dilations", [1] * rank))
    auto = call.attribute("auto_pad", "NOTSET")
    if auto in ("NOTSET", ""):
        listed = call.attribute("pads", [0] * 2 * rank)
        pads = tuple(zip(listed[:rank], listed[rank:], strict=True))
    elif auto == "VALID":
        pads = ((0, 0),) * rank
    else:
        sizes = call.input().shape[-rank:]
        pads = tuple(
            _same(size, k, s, d, auto == "SAME_UPPER")
            for size, k, s, d in zip(sizes, kernel, strides, dilations, strict=True)
        )
    return Window(kernel, strides, dilations, pads)


def _same(size: int, kernel: int, stride: int, dilation: int, upper: bool) -> tuple[int, int]:
    """Padding that makes ceil(size / stride) windows fit; the odd one goes after, if `upper`."""
    windows = -(-size // stride)
    total = max(0, (windows - 1) * stride + (kernel - 1) * dilation + 1 - size)
    less, more = total // 2, total - total // 2
    return (less, more) if upper else (more, less)
