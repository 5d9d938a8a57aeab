"""Networks of convolutions; see `recorder`.

Shapes: batch b, channels c, height h and width w of an image. All tensors are float32.
"""

from __future__ import annotations

from math import prod, sqrt
from typing import Any, final

import numpy as np

from hwprof.errors import OptionError
from hwprof.spaces.recorder import Recorder, Tensor, check_batch, is_whole


@final
class Network(Recorder):
    """A network of convolutions being written down, layer by layer."""

    def image(self, batch: int, side: int) -> Tensor:
        """The input, square images of three colours, `[b, 3, side, side]`."""
        return self.input("image", batch, 3, side, side)

    def conv(
        self,
        scope: str,
        x: Tensor,
        channels: int,
        kernel: int = 1,
        stride: int = 1,
        groups: int = 1,
        bias: bool = False,
    ) -> Tensor:
        """A convolution with an odd kernel, padded so that a stride of 1 keeps the side."""
        batch, before, *sides = x.shape
        inner = before // groups * kernel**2
        tensors = [x, self._he(scope, channels, before // groups, kernel, kernel, inner=inner)]
        if bias:
            tensors.append(self.weight(f"{scope}.bias", channels))
        shape = (batch, channels, *((side - 1) // stride + 1 for side in sides))
        return self.node(
            "Conv",
            scope,
            tensors,
            shape,
            inner,
            kernel_shape=[kernel] * 2,
            strides=[stride] * 2,
            pads=[kernel // 2] * 4,
            group=groups,
        )

    def batch_norm(self, scope: str, x: Tensor) -> Tensor:
        """Normalisation of channels by statistics of the training (Ioffe & Szegedy, 2015)."""
        channels = x.shape[1]
        tensors = [
            x,
            self.weight(f"{scope}.scale", channels, mean=1.0),
            self.weight(f"{scope}.shift", channels),
            self.constant(
                f"mean{channels}", (channels,), lambda: np.zeros(channels, dtype=np.float32)
            ),
            self.constant(
                f"variance{channels}", (channels,), lambda: np.ones(channels, dtype=np.float32)
            ),
        ]
        return self.node("BatchNormalization", scope, tensors, x.shape, epsilon=1e-5)

    def conv_norm(
        self,
        scope: str,
        x: Tensor,
        channels: int,
        kernel: int = 1,
        stride: int = 1,
        groups: int = 1,
        activation: str | None = None,
    ) -> Tensor:
        """Convolution, normalisation and, where one is named, activation."""
        x = self.batch_norm(scope, self.conv(scope, x, channels, kernel, stride, groups))
        return x if activation is None else self.activate(activation, scope, x)

    def activate(self, op: str, scope: str, x: Tensor) -> Tensor:
        """Relu, HardSwish or another operator on each element; HardSigmoid is relu6(x + 3) / 6."""
        attributes: dict[str, Any] = {}
        if op == "HardSigmoid":
            attributes = {"alpha": 1 / 6, "beta": 0.5}
        return self.node(op, scope, [x], x.shape, **attributes)

    def pool(
        self,
        op: str,
        scope: str,
        x: Tensor,
        kernel: int,
        stride: int,
        padding: int = 0,
        ceil: bool = False,
    ) -> Tensor:
        """AveragePool (padding does not count) or MaxPool. `ceil` keeps windows that stick out."""
        spare = stride - 1 if ceil else 0
        sides = ((side + 2 * padding - kernel + spare) // stride + 1 for side in x.shape[2:])
        return self.node(
            op,
            scope,
            [x],
            (*x.shape[:2], *sides),
            each=kernel**2,
            kernel_shape=[kernel] * 2,
            strides=[stride] * 2,
            pads=[padding] * 4,
            ceil_mode=int(ceil),
        )

    def global_pool(self, scope: str, x: Tensor) -> Tensor:
        """Mean over the image, `[b, c, 1, 1]`."""
        each = prod(x.shape[2:])
        return self.node("GlobalAveragePool", scope, [x], (*x.shape[:2], 1, 1), each=each)

    def linear(self, scope: str, x: Tensor, width: int) -> Tensor:
        """A linear layer with a bias of everything per image, `[b, ...] -> [b, width]`."""
        inner = prod(x.shape[1:])
        flat = self.node("Flatten", scope, [x], (x.shape[0], inner), axis=1)
        weight = self._he(scope, width, inner, inner=2 * inner)
        bias = self.weight(f"{scope}.bias", width)
        shape = (x.shape[0], width)
        return self.node("Gemm", scope, [flat, weight, bias], shape, inner, transB=1)

    def shuffle(self, scope: str, x: Tensor, groups: int) -> Tensor:
        """Channels of the groups in turn (Zhang et al., ShuffleNet, CVPR 2018)."""
        batch, channels, *sides = x.shape
        y = self.reshape(scope, x, batch, groups, channels // groups, *sides)
        turned = (batch, channels // groups, groups, *sides)
        y = self.node("Transpose", scope, [y], turned, perm=[0, 2, 1, 3, 4])
        return self.reshape(scope, y, *x.shape)

    def reshape(self, scope: str, x: Tensor, *shape: int) -> Tensor:
        """The same elements under another shape."""
        return self.node("Reshape", scope, [x, self.integers("shape", shape)], shape)

    def _he(self, scope: str, *shape: int, inner: int) -> Tensor:
        """Weights that keep the size of what passes them and a ReLU (He et al., 2015)."""
        return self.weight(f"{scope}.weight", *shape, deviation=sqrt(2 / inner))


def divisible(value: float) -> int:
    """Channels rounded to a multiple of 8, but not down by more than a tenth (Sandler, 2018)."""
    rounded = max(8, int(value + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * value else rounded


def check_image(space: str, batch: int, side: int, least: int, step: int = 1) -> None:
    """Raise OptionError for a batch or a side of the image that a network cannot take."""
    check_batch(batch)
    if not is_whole(side) or side < least or side % step:
        kind = f"a multiple of {step}" if step > 1 else "a whole number"
        raise OptionError(
            f"resolution of {space} is the side of the image, {kind} from {least}, but is {side}; "
            "give another"
        )
