"""MobileNetV3 of Once-for-All (Cai et al., ICLR 2020), width multiplier 1.0."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache, partial
from itertools import product
from math import prod

from hwprof.similarity import Similarity
from hwprof.spaces.analytic import NOTHING, Part
from hwprof.spaces.base import Choices, Costs
from hwprof.spaces.building import Network, divisible
from hwprof.spaces.fields import Field, Fields
from hwprof.spaces.once_for_all import AREA, CLASSES, RESOLUTION, OnceForAll, halved
from hwprof.spaces.products import Term, products
from hwprof.spaces.recorder import Tensor

_STAGES = (1, 2, 3, 4, 5)
_DEPTHS, _SIDES, _EXPANSIONS = ("2", "3", "4"), ("3", "5", "7"), ("3", "4", "6")
_LAYERS = 4
_STEM = 16
_WIDTHS = (24, 40, 80, 112, 160)
_STRIDES = (2, 2, 2, 1, 2)
_EXCITED = (False, True, False, True, True)
_ACTIVATIONS = ("Relu", "Relu", "HardSwish", "HardSwish", "HardSwish")
_LAST, _MIXED = 960, 1280


def _layers(stage: int, what: str) -> tuple[str, ...]:
    return tuple(f"stage{stage}.layer{layer}.{what}" for layer in range(1, _LAYERS + 1))


_FIELDS = Fields(
    "mobilenetv3",
    (
        RESOLUTION,
        *(
            field
            for stage in _STAGES
            for field in (
                Field(f"d{stage}", _DEPTHS, (f"stage{stage}.depth",)),
                Field(f"k{stage}", _SIDES, _layers(stage, "kernel"), f"d{stage}"),
                Field(f"e{stage}", _EXPANSIONS, _layers(stage, "expansion"), f"d{stage}"),
            )
        ),
    ),
)


class MobileNetV3(OnceForAll):
    """Architectures as `r=224 d1=2 k1=3,7 e1=4,6 ... d5=3 k5=3,3,5 e5=6,6,4`.

    r is the side of the image; in each of five stages d layers, each with a kernel side k and an
    expansion e. The published code names the same choices `image_size`, `d`, `ks` and `e`, the
    latter two with four entries per stage, of which the first d count.

    The network is the code's: squeeze and excitation (Hu et al., CVPR 2018; a quarter of the
    channels) in stages 2, 4 and 5, ReLU in the first two stages and hard swish from the third,
    shortcuts where the shape is kept, 960 and 1280 channels at the end, 1000 classes. MobileNetV3
    itself (Howard et al., ICCV 2019) is not among the architectures: its expansions differ.
    """

    name = "mobilenetv3"
    fields = _FIELDS

    def write(self, net: Network, values: Mapping[str, Choices], batch: int, side: int) -> Tensor:
        """See `OnceForAll.write`."""
        x = _stem(net, net.image(batch, side))
        for place, kernel, expansion in _layers_of(values):
            x = _layer(net, x, *place, kernel, expansion)
        return _head(net, x)

    def parts(self) -> Sequence[Part]:
        """See `FieldSpace.parts`."""
        found = [Part(("resolution",), _end_costs)]
        for stage, number in product(_STAGES, range(1, _LAYERS + 1)):
            scope = f"stage{stage}.layer{number}"
            on = ("resolution", f"stage{stage}.depth", f"{scope}.kernel", f"{scope}.expansion")
            found.append(Part(on, partial(_layer_costs, stage, number), scope))
        return found

    def terms(self) -> Sequence[Term]:
        """See `FieldSpace.terms`."""
        return [*_terms(), *_kernel_terms()]

    def similarity(self) -> Similarity:
        """See `FieldSpace.similarity`, with depthwise convolutions by the side of their kernel.

        Runtimes have code of their own for some sides: one has twice another's latency where layers
        are 7 x 7. Chosen on six CPU runtimes, each left out and predicted from 8 measurements: for
        any one of them, the other five were predicted better so (docs/pools.md).
        """
        usual = super().similarity()
        physics, smooth = usual.transfer
        kernels = products(self.positions, _kernel_terms())
        return replace(
            usual,
            transfer=(physics, kernels, smooth),
            transfer_weights=((0.001, 0.01, 0.1), (1e-4, 0.03), (1e-5, 1e-3)),
        )


def _layers_of(values: Mapping[str, Choices]) -> Iterator[tuple[tuple[int, int], int, int]]:
    """Stage and number, kernel side and expansion of each layer."""
    for stage in _STAGES:
        layers = zip(values[f"k{stage}"], values[f"e{stage}"], strict=True)
        for number, (kernel, expansion) in enumerate(layers, 1):
            yield (stage, number), int(kernel), int(expansion)


@cache
def _end_costs(resolution: str) -> Costs:
    """What does not depend on the layers."""
    net, side = Network(), int(resolution)
    _stem(net, Tensor("image", (1, 3, side, side)))
    last = halved(side, 32)
    _head(net, Tensor("x", (1, _WIDTHS[-1], last, last)))
    return net.costs


def _layer_costs(
    stage: int, number: int, resolution: str, depth: str, kernel: str, expansion: str
) -> Costs:
    """What a layer adds to a network for images of that side."""
    if number > int(depth):
        return NOTHING
    # All but the first layer of a stage are alike.
    return _used_costs(stage, min(number, 2), int(resolution), int(kernel), int(expansion))


@cache
def _used_costs(stage: int, number: int, side: int, kernel: int, expansion: int) -> Costs:
    net = Network()
    strides = 2 * prod(_STRIDES[: stage - 1 if number == 1 else stage])
    before = (_STEM, *_WIDTHS)[stage - 1 if number == 1 else stage]
    x = Tensor("x", (1, before, *2 * (halved(side, strides),)))
    _layer(net, x, stage, number, kernel, expansion)
    return net.costs


def _stem(net: Network, x: Tensor) -> Tensor:
    x = net.conv_norm("stem", x, _STEM, 3, 2, activation="HardSwish")
    y = net.conv_norm("first.depthwise", x, _STEM, 3, groups=_STEM, activation="Relu")
    return net.add("first", net.conv_norm("first.project", y, _STEM), x)


def _layer(net: Network, x: Tensor, stage: int, number: int, kernel: int, expansion: int) -> Tensor:
    scope, activation = f"stage{stage}.layer{number}", _ACTIVATIONS[stage - 1]
    stride = _STRIDES[stage - 1] if number == 1 else 1
    inner = divisible(x.shape[1] * expansion)
    y = net.conv_norm(f"{scope}.expand", x, inner, activation=activation)
    y = net.conv_norm(f"{scope}.depthwise", y, inner, kernel, stride, inner, activation)
    if _EXCITED[stage - 1]:
        y = _excite(net, f"{scope}.excite", y)
    y = net.conv_norm(f"{scope}.project", y, _WIDTHS[stage - 1])
    return net.add(scope, y, x) if number > 1 else y


def _head(net: Network, x: Tensor) -> Tensor:
    x = net.conv_norm("last", x, _LAST, activation="HardSwish")
    x = net.conv("mix", net.global_pool("last", x), _MIXED)
    return net.linear("classifier", net.activate("HardSwish", "mix", x), CLASSES)


def _excite(net: Network, scope: str, x: Tensor) -> Tensor:
    """Channels weighed by what is seen of all of them."""
    channels = x.shape[1]
    y = net.conv(f"{scope}.down", net.global_pool(scope, x), divisible(channels // 4), bias=True)
    y = net.activate("Relu", f"{scope}.down", y)
    y = net.conv(f"{scope}.up", y, channels, bias=True)
    return net.multiply(scope, x, net.activate("HardSigmoid", f"{scope}.up", y))


def _terms() -> list[Term]:
    """What an architecture has to do, as products of what was chosen; see `products`.

    Arithmetic and traffic of the layers, by kind and by stage, in units of a typical layer.
    """
    expansions = {choice: int(choice) / 6 for choice in _EXPANSIONS}
    squares = {choice: int(choice) ** 2 / 49 for choice in _SIDES}
    terms = [Term("image", AREA)]
    before, side = _STEM, 112
    for stage, wide, first, excited in zip(_STAGES, _WIDTHS, _STRIDES, _EXCITED, strict=True):
        for layer in range(_LAYERS):
            scope = f"stage{stage}.layer{layer + 1}"
            used = {f"stage{stage}.depth": {d: float(int(d) > layer) for d in _DEPTHS}}
            out = side // (first if layer == 0 else 1)
            inner = 6 * before
            wider = used | AREA | {f"{scope}.expansion": expansions}
            kernels = wider | {f"{scope}.kernel": squares}
            work = inner * (before * side**2 + wide * out**2) / 1e7
            moved = inner * (side**2 + out**2) / 1e6
            terms += [
                Term("layers", used),
                Term(f"stage{stage}", used | AREA),
                Term("products", wider, work),
                Term(f"products{stage}", wider, work),
                Term("depthwise", kernels, 49 * inner * out**2 / 1e7),
                Term(f"depthwise{stage}", kernels, 49 * inner * out**2 / 1e7),
                *(
                    # Runtimes have a routine of their own for some kernels and none for others.
                    Term(
                        f"kernel{choice}",
                        wider | {f"{scope}.kernel": {c: float(c == choice) for c in squares}},
                        49 * inner * out**2 * squares[choice] / 1e7,
                    )
                    for choice in squares
                ),
                Term("traffic", wider, moved),
                Term("weights", used | {f"{scope}.expansion": expansions}, inner * wide / 1e5),
            ]
            if excited:
                terms.append(Term("excitations", used))
            before, side = wide, out
    return terms


def _kernel_terms() -> list[Term]:
    """Arithmetic of depthwise convolutions, by the side of their kernel."""
    terms = []
    expansions = {choice: int(choice) / 6 for choice in _EXPANSIONS}
    before, side = _STEM, 112
    for stage, wide, first in zip(_STAGES, _WIDTHS, _STRIDES, strict=True):
        for layer in range(_LAYERS):
            scope = f"stage{stage}.layer{layer + 1}"
            used = {f"stage{stage}.depth": {d: float(int(d) > layer) for d in _DEPTHS}}
            out = side // (first if layer == 0 else 1)
            wider = used | AREA | {f"{scope}.expansion": expansions}
            for kernel in _SIDES:
                chosen = {f"{scope}.kernel": {other: float(other == kernel) for other in _SIDES}}
                work = int(kernel) ** 2 * 6 * before * out**2 / 1e7
                terms.append(Term(f"depthwise {kernel} x {kernel}", wider | chosen, work))
            before, side = wide, out
    return terms
