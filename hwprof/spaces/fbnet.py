"""FBNet (Wu et al., CVPR 2019): 22 layers, each one of eight mobile blocks or a skip."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hwprof.similarity import Blocks, Linear, Similarity
from hwprof.spaces.analytic import Analytic, Part
from hwprof.spaces.base import Choices, Costs, Indices
from hwprof.spaces.building import Network, check_image
from hwprof.spaces.fixed import FixedChoices, everywhere
from hwprof.spaces.recorder import Tensor

if TYPE_CHECKING:
    import onnx

FloatArray = NDArray[np.float64]

# The macro-architecture of the paper's table 1, on the 32x32 input of the latency measurements.
_CHANNELS = (16, 24, 32, 64, 112, 184, 352)
_LAYERS = (1, 4, 4, 4, 4, 4, 1)
_STRIDES = (1, 1, 2, 2, 1, 2, 1)
_STEM, _SIDE = 16, 32
# Behind them, the width of HW-NAS-Bench's last convolution and the classes of CIFAR-100.
_HEAD, _CLASSES = 1504, 100

# Traffic against arithmetic of the rooflines, 1 where the mean block spends as long on both: from a
# device short of arithmetic to one short of bandwidth.
_BALANCES = (0.25, 1.0, 4.0)

# Per block: kernel side, expansion, groups.
_SHAPES = {
    "k3_e1": (3, 1, 1),
    "k3_e1_g2": (3, 1, 2),
    "k3_e3": (3, 3, 1),
    "k3_e6": (3, 6, 1),
    "k5_e1": (5, 1, 1),
    "k5_e1_g2": (5, 1, 2),
    "k5_e3": (5, 3, 1),
    "k5_e6": (5, 6, 1),
}


_OPERATIONS = (*_SHAPES, "skip")


class FbNet(FixedChoices):
    """Architectures as 22 block names separated by spaces.

    `build` and `costs` are the CIFAR-100 network of HW-NAS-Bench (Li et al., ICLR 2021), whose
    latencies ship. Channels, layers and blocks are FBNet's. The benchmark's are the strides for
    images of 32 x 32, the head of 1504 channels, a shuffle of the channels after the first grouped
    product only, and a skip that becomes a product with stride, normalisation and ReLU where the
    shape changes.
    """

    name = "fbnet"
    operations = _OPERATIONS
    positions = everywhere(
        _OPERATIONS,
        (
            f"stage{stage}.layer{layer + 1}"
            for stage, layers in enumerate(_LAYERS, 1)
            for layer in range(layers)
        ),
    )

    def parse(self, text: str) -> Choices:
        """See `Space.parse`."""
        return self.check(text.split())

    def format(self, choices: Sequence[str]) -> str:
        """See `Space.format`."""
        return " ".join(self.check(choices))

    def rows(self, texts: Sequence[str]) -> Indices:
        """See `Space.rows`."""
        index = {operation: i for i, operation in enumerate(self.operations)}
        found = []
        for text in texts:
            row = [index.get(block, -1) for block in text.split()]
            if len(row) != len(self.positions) or -1 in row:
                self.parse(text)  # says what is wrong
            found.append(row)
        return np.array(found, dtype=np.int64)

    def costs(self, arch: str | ArrayLike) -> Costs:
        """See `Space.costs`."""
        network = Network()
        _write(network, self.choices(arch), 1, _SIDE)
        return network.costs

    def build(
        self, arch: str | ArrayLike, batch: int = 1, resolution: int | None = None
    ) -> onnx.ModelProto:
        """See `Space.build`."""
        side = _SIDE if resolution is None else resolution
        check_image(self.name, batch, side, least=1)
        network = Network()
        return network.model(self.name, _write(network, self.choices(arch), batch, side))

    def resolution(self, arch: str | ArrayLike) -> int:
        """See `Space.resolution`: the same for all."""
        self.row(arch)
        return _SIDE

    def layers(self) -> Sequence[Part]:
        """See `CountedSpace.layers`."""
        names = [position.name for position in self.positions]
        return [Part((name,), partial(_block_costs, i), name) for i, name in enumerate(names)]

    def layer_of(self, node: str) -> str:
        """See `CountedSpace.layer_of`: scopes of the network number its layers through."""
        number = node.partition(".")[0].removeprefix("layer")
        return self.positions[int(number) - 1].name if number.isdigit() else ""

    def similarity(self) -> Similarity:
        """Physics of the blocks summed up, and `Blocks` of two lengths.

        A table of every block smooths pools of a thousand architectures, but says nothing of blocks
        that a small one lacks: there physics does. Chosen on training devices, each left out, and
        architectures that no device had measured: with 20 in the pool, Spearman's correlation is
        .88 where the table alone gives .50 and FLOPs .69; with 1,000 nothing is lost.
        """
        descriptors, physics = block_tables()
        free, choices = self.operations.index("skip"), len(self.operations)
        summed_up = Linear(physics / physics.mean(axis=0))
        return Similarity(
            name=self.name,
            smoothing=(Linear(), summed_up),
            smoothing_weights=((1, 0), (0.1, 1), (0.003, 1)),
            transfer=(
                summed_up,
                Blocks(descriptors, free, choices, length=1.0),
                Blocks(descriptors, free, choices, length=2.5),
            ),
            transfer_weights=(
                (1e-5, 0.01),
                (0.001, 0.003, 0.01, 0.03, 0.1, 0.3),
                (1e-4, 0.03, 0.3),
            ),
            device_weights=(0.03, 0.2, 1.0),
            noises=(1e-4, 0.005, 0.01, 0.02, 0.035, 0.05, 0.1, 0.15, 0.25, 0.5, 1.0),
            analytic=Analytic(self),
        )


def block_tables() -> tuple[FloatArray, FloatArray]:
    """Descriptors `[198, 7]` and physics `[198, 14]` of each block at each position.

    Descriptors: present, 5x5 kernel, groups, log2 of expansion, channels and side, stride; each
    scaled so that 1 is a big difference. Physics: pointwise multiply-adds, depthwise ones with a
    3x3 and a 5x5 kernel, activation traffic, weights, blocks, grouped blocks, the square root of
    the pointwise multiply-adds, and six rooflines (Williams et al., 2009): the greater of
    arithmetic and traffic at three balances, by block and by layer.
    """
    descriptors, physics, layers = [], [], []
    for channels, wide, stride, side in _positions():
        place = [np.log2(channels) / 1.5, np.log2(side), stride - 1]
        for kernel, expansion, groups in _SHAPES.values():
            inner, out = channels * expansion, side // stride
            pointwise = (channels * inner * side**2 + inner * wide * out**2) / groups
            depthwise = inner * kernel**2 * out**2
            traffic = (channels + 2 * inner) * side**2 + (2 * inner + wide) * out**2
            weights = (channels * inner + inner * wide) / groups + inner * kernel**2
            five, grouped = float(kernel == 5), float(groups == 2)
            # Kernel and groups weigh less than the rest: a device that is slow at a block is slow
            # at its 5x5 and grouped kin. The factors were chosen on validation devices.
            descriptors.append([1.0, 0.3 * five, 0.5 * grouped, np.log2(expansion) / 1.3, *place])
            depth = [depthwise * (1 - five), depthwise * five]
            physics.append([pointwise, *depth, traffic, weights, 1.0, grouped, np.sqrt(pointwise)])
            layers.append(
                [
                    [
                        channels * inner * side**2 / groups,
                        depthwise,
                        inner * wide * out**2 / groups,
                    ],
                    [
                        (channels + inner) * side**2 + channels * inner / groups,
                        inner * (side**2 + out**2 + kernel**2),
                        (inner + wide) * out**2 + inner * wide / groups,
                    ],
                ]
            )
        # A skip is as far from the blocks as a fourfold reduction of the expansion would be.
        descriptors.append([0.0, 0.0, 0.0, -2 / 1.3, *place])
        physics.append([0.0] * 8)
        layers.append([[0.0] * 3] * 2)
    table, by_layer = np.array(physics), np.array(layers)
    by_block = np.stack([table[:, :3].sum(axis=1), table[:, 3]])[:, :, None]
    rooflines = [_rooflines(*by_block), _rooflines(by_layer[:, 0], by_layer[:, 1])]
    return np.array(descriptors), np.concatenate([table, *rooflines], axis=1)


def _rooflines(arithmetic: FloatArray, traffic: FloatArray) -> FloatArray:
    """Rooflines of parts `[198, parts]` summed up, at three balances, shape `[198, 3]`."""
    compute = arithmetic / arithmetic.sum(axis=1).mean()
    memory = traffic / traffic.sum(axis=1).mean()
    return np.stack([np.maximum(compute, r * memory).sum(axis=1) for r in _BALANCES], axis=1)


def _positions() -> list[tuple[int, int, int, int]]:
    """Input channels, output channels, stride and input side of the 22 positions."""
    found, channels, side = [], _STEM, _SIDE
    for wide, layers, first in zip(_CHANNELS, _LAYERS, _STRIDES, strict=True):
        for layer in range(layers):
            stride = first if layer == 0 else 1
            found.append((channels, wide, stride, side))
            channels, side = wide, side // stride
    return found


def _write(net: Network, choices: Choices, batch: int, side: int) -> Tensor:
    """The network; its logits `[b, 100]`."""
    x = net.conv_norm("stem", net.image(batch, side), _STEM, 3, activation="Relu")
    for layer, (choice, place) in enumerate(zip(choices, _positions(), strict=True), 1):
        _, wide, stride, _ = place
        x = _block(net, f"layer{layer}", x, choice, wide, stride)
    x = net.conv_norm("head", x, _HEAD, activation="Relu")
    return net.linear("classifier", net.global_pool("head", x), _CLASSES)


@cache
def _block_costs(layer: int, choice: str) -> Costs:
    """What the block of a layer costs."""
    net = Network()
    channels, wide, stride, side = _positions()[layer]
    _block(net, "block", Tensor("x", (1, channels, side, side)), choice, wide, stride)
    return net.costs


def _block(net: Network, scope: str, x: Tensor, choice: str, wide: int, stride: int) -> Tensor:
    kept = stride == 1 and x.shape[1] == wide
    if choice == "skip":
        if kept:
            return x
        return net.conv_norm(scope, x, wide, stride=stride, activation="Relu")
    kernel, expansion, groups = _SHAPES[choice]
    inner = x.shape[1] * expansion
    y = net.conv_norm(f"{scope}.expand", x, inner, groups=groups, activation="Relu")
    if groups > 1:
        y = net.shuffle(scope, y, groups)
    depthwise = f"{scope}.depthwise"
    y = net.conv_norm(depthwise, y, inner, kernel, stride, groups=inner, activation="Relu")
    y = net.conv_norm(f"{scope}.project", y, wide, groups=groups)
    return net.add(scope, x, y) if kept else y
