"""ResNet-50 of Once-for-All (Cai et al., ICLR 2020): depths, widths and bottlenecks of a ResNet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from math import prod

from hwprof.spaces.analytic import NOTHING, Part
from hwprof.spaces.base import Choices, Costs
from hwprof.spaces.building import Network, divisible
from hwprof.spaces.fields import Field, Fields
from hwprof.spaces.once_for_all import AREA, CLASSES, RESOLUTION, OnceForAll, halved
from hwprof.spaces.products import Term
from hwprof.spaces.recorder import Tensor

_STAGES = (1, 2, 3, 4)
_WIDTHS, _STRIDES, _STEM = (256, 512, 1024, 2048), (1, 2, 2, 2), 64
# Blocks of the shallowest network, and how many a stage may have on top.
_BASE, _MORE = (2, 2, 4, 2), 2
_MULTIPLIERS, _RATIOS = ("0.65", "0.8", "1"), ("0.2", "0.25", "0.35")


def _depths(base: int) -> Choices:
    return tuple(str(base + more) for more in range(_MORE + 1))


_FIELDS = Fields(
    "resnet50",
    (
        RESOLUTION,
        Field("stem", ("short", "long"), ("stem",)),
        Field(
            "w",
            _MULTIPLIERS,
            ("stem.inner_width", "stem.width", *(f"stage{stage}.width" for stage in _STAGES)),
        ),
        *(
            field
            for stage, base in zip(_STAGES, _BASE, strict=True)
            for field in (
                Field(f"d{stage}", _depths(base), (f"stage{stage}.depth",)),
                Field(
                    f"e{stage}",
                    _RATIOS,
                    tuple(f"stage{stage}.block{i + 1}.ratio" for i in range(base + _MORE)),
                    f"d{stage}",
                ),
            )
        ),
    ),
)


class ResNet50(OnceForAll):
    """Architectures as `r=224 stem=long w=1,1,1,1,1,1 d1=3 e1=0.25,0.25,0.25 ... d4=3 e4=...`.

    r is the side of the image, w are width multipliers of the inner stem, the stem and the four
    stages; each stage has d blocks, each with a bottleneck e times as wide as the stage. A long
    stem has a third convolution. The published code names the same choices `image_size`; `d`, of
    which the first is 2 for a long stem, and the others count blocks past 2, 2, 4 and 2; `w`, as
    indices; and `e`, with an entry for every block there could be.

    The network is the code's, which is ResNet-D (He et al., Bag of tricks, CVPR 2019): a stem of
    3 x 3 convolutions in place of a 7 x 7 one, the stride in the 3 x 3 convolution of a block,
    and a mean of 2 x 2 before the product in a shortcut. So `w=1,... stem=short` with depths 3, 4,
    6, 3 and ratios of 0.25 is ResNet-50 of 25.557 M parameters and 4.1 G multiply-accumulates but
    for its stem and shortcuts.
    """

    name = "resnet50"
    fields = _FIELDS

    def write(self, net: Network, values: Mapping[str, Choices], batch: int, side: int) -> Tensor:
        """See `OnceForAll.write`."""
        form = _form(values)
        x = _stem(net, net.image(batch, side), form.inner, form.stem, form.long)
        for stage, number, _, wide, middle in form.blocks:
            x = _block(net, x, stage, number, wide, middle)
        return net.linear("classifier", net.global_pool("last", x), CLASSES)

    def parts(self) -> Sequence[Part]:
        """See `FieldSpace.parts`."""
        before = "stem.width"
        found = [
            Part(("resolution", "stem", "stem.inner_width", before), _stem_costs, "stem"),
            Part(("resolution", f"stage{_STAGES[-1]}.width"), _head_costs),
        ]
        for stage, base in zip(_STAGES, _BASE, strict=True):
            width = f"stage{stage}.width"
            for number in range(1, base + _MORE + 1):
                scope = f"stage{stage}.block{number}"
                block = (f"stage{stage}.depth", f"{scope}.ratio", width)
                # The first block of a stage takes the channels of the one before.
                on = ("resolution", *block, *((before,) if number == 1 else ()))
                found.append(Part(on, partial(_block_costs, stage, number), scope))
            before = width
        return found

    def terms(self) -> Sequence[Term]:
        """See `FieldSpace.terms`."""
        return _terms()


@dataclass(frozen=True, slots=True)
class _Form:
    """An architecture in channels."""

    inner: int
    stem: int
    long: bool
    blocks: tuple[tuple[int, int, int, int, int], ...]
    """Stage, number in it, channels before, channels after and channels of the bottleneck."""


def _form(values: Mapping[str, Choices]) -> _Form:
    narrow, *widths = values["w"]
    before = stem = _channels(0, widths[0])
    blocks = []
    for stage, multiplier in zip(_STAGES, widths[1:], strict=True):
        wide = _channels(stage, multiplier)
        for number, ratio in enumerate(values[f"e{stage}"], 1):
            blocks.append((stage, number, before, wide, _middle(wide, ratio)))
            before = wide
    return _Form(_inner(narrow), stem, values["stem"] == ("long",), tuple(blocks))


def _channels(stage: int, multiplier: str) -> int:
    """Channels behind a stage; stage 0 is the stem."""
    return divisible((_STEM, *_WIDTHS)[stage] * float(multiplier))


def _inner(multiplier: str) -> int:
    """Channels in the stem."""
    return divisible(_channels(0, multiplier) // 2)


def _middle(wide: int, ratio: str) -> int:
    """Channels of a bottleneck."""
    return divisible(round(wide * float(ratio)))


@cache
def _stem_costs(resolution: str, length: str, inner: str, width: str) -> Costs:
    net, side = Network(), int(resolution)
    image = Tensor("image", (1, 3, side, side))
    _stem(net, image, _inner(inner), _channels(0, width), length == "long")
    return net.costs


def _block_costs(
    stage: int,
    number: int,
    resolution: str,
    depth: str,
    ratio: str,
    width: str,
    before: str | None = None,
) -> Costs:
    """What a block adds to a network for images of that side."""
    if number > int(depth):
        return NOTHING
    wide = _channels(stage, width)
    given = wide if before is None else _channels(stage - 1, before)
    # All but the first block of a stage are alike.
    return _used_costs(stage, min(number, 2), int(resolution), given, wide, _middle(wide, ratio))


@cache
def _used_costs(stage: int, number: int, side: int, before: int, wide: int, middle: int) -> Costs:
    net = Network()
    left = halved(side, 4 * prod(_STRIDES[: stage - 1 if number == 1 else stage]))
    _block(net, Tensor("x", (1, before, left, left)), stage, number, wide, middle)
    return net.costs


@cache
def _head_costs(resolution: str, width: str) -> Costs:
    net, last = Network(), halved(int(resolution), 32)
    x = Tensor("x", (1, _channels(_STAGES[-1], width), last, last))
    net.linear("classifier", net.global_pool("last", x), CLASSES)
    return net.costs


def _stem(net: Network, x: Tensor, inner: int, width: int, long: bool) -> Tensor:
    x = net.conv_norm("stem.conv1", x, inner, 3, 2, activation="Relu")
    if long:
        more = net.conv_norm("stem.conv2", x, inner, 3, activation="Relu")
        x = net.add("stem", more, x)
    x = net.conv_norm("stem.conv3", x, width, 3, activation="Relu")
    return net.pool("MaxPool", "stem", x, kernel=3, stride=2, padding=1)


def _block(net: Network, x: Tensor, stage: int, number: int, wide: int, middle: int) -> Tensor:
    scope, stride = f"stage{stage}.block{number}", _STRIDES[stage - 1] if number == 1 else 1
    y = net.conv_norm(f"{scope}.conv1", x, middle, activation="Relu")
    y = net.conv_norm(f"{scope}.conv2", y, middle, 3, stride, activation="Relu")
    y = net.conv_norm(f"{scope}.conv3", y, wide)
    if stride > 1:
        x = net.pool("AveragePool", f"{scope}.shortcut", x, stride, stride, ceil=True)
    if number == 1:
        x = net.conv_norm(f"{scope}.shortcut", x, wide)
    return net.activate("Relu", scope, net.add(scope, y, x))


def _terms() -> list[Term]:
    """What an architecture has to do, as products of what was chosen; see `products`.

    Arithmetic and traffic of the blocks, by kind and by stage, in units of a typical block.
    """
    once = {choice: float(choice) for choice in _MULTIPLIERS}
    twice = {choice: factor**2 for choice, factor in once.items()}
    ratios = {choice: float(choice) for choice in _RATIOS}
    squares = {choice: factor**2 for choice, factor in ratios.items()}
    inner, stem = {"stem.inner_width": once}, {"stem.width": once}
    long = {"stem": {"short": 0.0, "long": 1.0}}
    terms = [
        Term("image", AREA),
        Term("stem", AREA | inner),
        Term("stem", AREA | inner | stem),
        Term("long stem", AREA | long | {"stem.inner_width": twice}),
        Term("stem traffic", AREA | stem),
    ]
    before, source, side = _STEM, stem, 56
    for stage, base, wide, first in zip(_STAGES, _BASE, _WIDTHS, _STRIDES, strict=True):
        own = {f"stage{stage}.width": once}
        doubled = {f"stage{stage}.width": twice}
        out = side // first
        # The first product of a stage runs before the stride, the shortcut's after it.
        ratio = {f"stage{stage}.block1.ratio": ratios}
        terms += [
            Term("products", AREA | source | own | ratio, before * wide * side**2 / 1e8),
            Term("shortcuts", AREA | source | own, before * wide * out**2 / 1e8),
        ]
        for block in range(base + _MORE):
            depths = {d: float(int(d) > block) for d in _depths(base)}
            used = {f"stage{stage}.depth": depths}
            ratio = {f"stage{stage}.block{block + 1}.ratio": ratios}
            square = {f"stage{stage}.block{block + 1}.ratio": squares}
            work = wide**2 * out**2 / 1e8
            products_of = used | AREA | doubled | ratio
            windows = used | AREA | doubled | square
            terms += [
                Term("blocks", used),
                Term("products", products_of, work * (2 if block else 1)),
                Term("windows", windows, 9 * work),
                Term(f"stage{stage}", products_of, work * (2 if block else 1)),
                Term(f"stage{stage}", windows, 9 * work),
                Term("traffic", used | AREA | own, wide * out**2 / 1e6),
                Term("weights", used | doubled | ratio, 2 * wide**2 / 1e7),
                Term("weights", used | doubled | square, 9 * wide**2 / 1e7),
            ]
        before, source, side = wide, own, out
    return terms
