"""Vision transformers with convolutions: each block of a stage is a convolution or attention.

After AsCAN (Kag et al., NeurIPS 2024), which chooses between the two block by block, and ElasticViT
(Tang et al., ICCV 2023), which chooses widths, heads, widths of queries and keys, ratios, depths
and resolution.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, partial
from typing import TYPE_CHECKING

from numpy.typing import ArrayLike

from hwprof.spaces.analytic import NOTHING, Part
from hwprof.spaces.attention import Tape
from hwprof.spaces.base import Choices, Costs
from hwprof.spaces.building import Network, check_image
from hwprof.spaces.fields import Field, Fields, FieldSpace
from hwprof.spaces.once_for_all import halved
from hwprof.spaces.products import Term
from hwprof.spaces.recorder import Tensor

if TYPE_CHECKING:
    import onnx

CLASSES = 1000
_SIDES = ("128", "160", "192", "224", "256")
_STEM, _HEAD = 24, 960
_STAGES = (1, 2, 3, 4)
_WIDTHS = (("32", "48", "64"), ("64", "96", "128"), ("128", "192", "256"), ("256", "384", "512"))
_DEPTHS = (("1", "2", "3"), ("1", "2", "3"), ("2", "4", "6"), ("1", "2", "3"))
_CONVOLUTIONS = ("mb", "fused")
_ATTENTION = {"attn4x16": (4, 16), "attn4x32": (4, 32), "attn8x16": (8, 16), "attn8x32": (8, 32)}
"""Heads, and width of a head's queries and keys."""
_RATIOS = ("2", "3", "4")
# An image of one pixel is left of this.
_LEAST = 32


def _blocks(stage: int) -> Choices:
    """Attention between the pixels of the first stage would take more memory than most have."""
    return _CONVOLUTIONS if stage == 1 else (*_CONVOLUTIONS, *_ATTENTION)


def _layers(stage: int, what: str) -> tuple[str, ...]:
    deepest = int(_DEPTHS[stage - 1][-1])
    return tuple(f"stage{stage}.layer{number}.{what}" for number in range(1, deepest + 1))


_FIELDS = Fields(
    "vit",
    (
        Field("r", _SIDES, ("resolution",)),
        *(
            field
            for stage, widths, depths in zip(_STAGES, _WIDTHS, _DEPTHS, strict=True)
            for field in (
                Field(f"w{stage}", widths, (f"stage{stage}.width",)),
                Field(f"d{stage}", depths, (f"stage{stage}.depth",)),
                Field(f"b{stage}", _blocks(stage), _layers(stage, "block"), f"d{stage}"),
                Field(f"e{stage}", _RATIOS, _layers(stage, "ratio"), f"d{stage}"),
            )
        ),
    ),
)


class Vit(FieldSpace):
    """Architectures as `r=160 w1=32 d1=1 b1=fused e1=2 w2=64 d2=2 b2=mb,mb e2=4,4 w3=128 d3=2
    b3=mb,attn4x16 e3=4,2 w4=256 d4=1 b4=attn8x16 e4=2`.

    r is the side of the image; in each of four stages w channels and d layers, each with a block b
    and a ratio e of its inner width to w. A block is `mb`, an inverted bottleneck with a depthwise
    convolution (Sandler et al., CVPR 2018), `fused`, the same with one dense convolution in place
    of its first two (Tan & Le, EfficientNetV2, ICML 2021), or attention between all pixels of h
    heads whose queries and keys are q wide, `attn` h `x` q: normalisation before each part, values
    of w in all heads together, GELU without approximation. The first stage has convolutions only.

    A stem and, before each stage, a 3 x 3 convolution halve the image, to a 32nd in all; these are
    followed by normalisation and hard swish, as is the product to 960 channels before the mean and
    the classifier of 1000 classes. There are no embeddings of positions, since padded convolutions
    tell them (Islam et al., ICLR 2020), and no squeeze and excitation. AsCAN and ElasticViT have
    both strides in blocks and further choices: the arithmetic is theirs, the networks are not.
    """

    name = "vit"
    fields = _FIELDS

    def parts(self) -> Sequence[Part]:
        """See `FieldSpace.parts`."""
        found = [Part(("resolution", "stage4.width"), _end_costs)]
        before: tuple[str, ...] = ()
        for stage in _STAGES:
            width = f"stage{stage}.width"
            found.append(Part(("resolution", width, *before), partial(_halving_costs, stage)))
            before = (width,)
            for number in range(1, int(_DEPTHS[stage - 1][-1]) + 1):
                scope = f"stage{stage}.layer{number}"
                on = ("resolution", width, f"stage{stage}.depth", f"{scope}.block")
                costs = partial(_layer_costs, stage, number)
                found.append(Part((*on, f"{scope}.ratio"), costs, scope))
        return found

    def build(
        self, arch: str | ArrayLike, batch: int = 1, resolution: int | None = None
    ) -> onnx.ModelProto:
        """See `Space.build`; `resolution` stands in for the architecture's own, from 32."""
        values = _FIELDS.values(self.choices(arch))
        side = int(values["r"][0]) if resolution is None else resolution
        check_image(self.name, batch, side, _LEAST)
        net = Network()
        x = _stem(net, net.image(batch, side))
        for stage in _STAGES:
            x = _halving(net, x, stage, int(values[f"w{stage}"][0]))
            layers = zip(values[f"b{stage}"], values[f"e{stage}"], strict=True)
            for number, (block, ratio) in enumerate(layers, 1):
                x = _layer(net, f"stage{stage}.layer{number}", x, block, int(ratio))
        return net.model(self.name, _head(net, x))

    def terms(self) -> Sequence[Term]:
        """See `FieldSpace.terms`."""
        return _terms()


def _stem(net: Network, x: Tensor) -> Tensor:
    return net.conv_norm("stem", x, _STEM, 3, 2, activation="HardSwish")


def _halving(net: Network, x: Tensor, stage: int, width: int) -> Tensor:
    return net.conv_norm(f"stage{stage}.halving", x, width, 3, 2, activation="HardSwish")


def _head(net: Network, x: Tensor) -> Tensor:
    x = net.conv_norm("head", x, _HEAD, activation="HardSwish")
    return net.linear("classifier", net.global_pool("head", x), CLASSES)


def _layer(net: Network, scope: str, x: Tensor, block: str, ratio: int) -> Tensor:
    if block in _ATTENTION:
        return _attention(net, scope, x, *_ATTENTION[block], ratio)
    width = x.shape[1]
    inner, kernel = ratio * width, 3 if block == "fused" else 1
    y = net.conv_norm(f"{scope}.expand", x, inner, kernel, activation="HardSwish")
    if block == "mb":
        y = net.conv_norm(f"{scope}.depthwise", y, inner, 3, groups=inner, activation="HardSwish")
    return net.add(scope, x, net.conv_norm(f"{scope}.project", y, width))


def _attention(net: Network, scope: str, x: Tensor, heads: int, narrow: int, ratio: int) -> Tensor:
    """Attention between pixels, which are tokens meanwhile, `[b, c, h, w] -> [b, c, h, w]`."""
    batch, width, *sides = x.shape
    tape, pixels = Tape(net), sides[0] * sides[1]
    tokens = tape.reshape(scope, x, batch, width, pixels)
    tokens = tape.transpose(scope, tokens, 0, 2, 1)
    y = tape.norm(f"{scope}.norm1", tokens)
    y = _mixed(tape, f"{scope}.attention", y, heads, narrow)
    tokens = tape.add(scope, tokens, y)
    y = tape.linear(f"{scope}.mlp.up", tape.norm(f"{scope}.norm2", tokens), ratio * width)
    y = tape.linear(f"{scope}.mlp.down", tape.gelu(f"{scope}.mlp", y), width)
    tokens = tape.transpose(scope, tape.add(scope, tokens, y), 0, 2, 1)
    return tape.reshape(scope, tokens, *x.shape)


def _mixed(tape: Tape, scope: str, x: Tensor, heads: int, narrow: int) -> Tensor:
    """Attention whose queries and keys are narrower than its values."""
    width = x.shape[-1]
    q = tape.linear(f"{scope}.query", x, heads * narrow)
    k = tape.linear(f"{scope}.key", x, heads * narrow)
    v = tape.linear(f"{scope}.value", x, width)
    mixed = tape.attend(scope, q, k, v, heads)
    return tape.linear(f"{scope}.out", mixed, width)


@cache
def _end_costs(resolution: str, width: str) -> Costs:
    """Stem and head."""
    net, side = Network(), int(resolution)
    _stem(net, Tensor("image", (1, 3, side, side)))
    last = halved(side, 32)
    _head(net, Tensor("x", (1, int(width), last, last)))
    return net.costs


@cache
def _halving_costs(stage: int, resolution: str, width: str, before: str = str(_STEM)) -> Costs:
    net, side = Network(), halved(int(resolution), 2**stage)
    _halving(net, Tensor("x", (1, int(before), side, side)), stage, int(width))
    return net.costs


def _layer_costs(
    stage: int, number: int, resolution: str, width: str, depth: str, block: str, ratio: str
) -> Costs:
    """What a layer adds to a network for images of that side."""
    if number > int(depth):
        return NOTHING
    return _used_costs(halved(int(resolution), 2 ** (stage + 1)), int(width), block, int(ratio))


@cache
def _used_costs(side: int, width: int, block: str, ratio: int) -> Costs:
    net = Network()
    _layer(net, "layer", Tensor("x", (1, width, side, side)), block, ratio)
    return net.costs


def _terms() -> list[Term]:
    """What an architecture has to do, as products of what was chosen; see `products`.

    Arithmetic and traffic of the layers, by kind and by stage, in units of a typical layer.
    """
    area = {side: (int(side) / 224) ** 2 for side in _SIDES}
    image, pairs = {"resolution": area}, {"resolution": {s: a**2 for s, a in area.items()}}
    ratios = {ratio: float(ratio) for ratio in _RATIOS}
    terms = [Term("image", image)]
    for stage, widths, depths in zip(_STAGES, _WIDTHS, _DEPTHS, strict=True):
        pixels, widest = (112 >> stage) ** 2, int(widths[-1])
        once = {f"stage{stage}.width": {w: int(w) / widest for w in widths}}
        twice = {f"stage{stage}.width": {w: (int(w) / widest) ** 2 for w in widths}}
        dense, moved = pixels * widest**2 / 1e7, pixels * widest / 1e5
        for number in range(1, int(depths[-1]) + 1):
            scope = f"stage{stage}.layer{number}"
            used = {f"stage{stage}.depth": {d: float(int(d) >= number) for d in depths}}

            inner = {f"{scope}.ratio": ratios}
            of = partial(_kinds, stage, scope)
            every = dict.fromkeys(_ATTENTION, 1.0)
            terms += [
                Term("layers", used),
                Term(f"stage{stage}", used | image),
                Term("products", used | image | twice | inner | of(mb=2.0, fused=10.0), dense),
                Term(f"products{stage}", used | image | twice | inner | of(mb=2, fused=10), dense),
                Term("depthwise", used | image | once | inner | of(mb=1.0), moved),
                Term("fused", used | image | twice | inner | of(fused=10.0), dense),
                Term("traffic", used | image | once | inner, moved),
                Term("weights", used | twice | inner | of(mb=2.0, fused=10.0), widest**2 / 1e5),
            ]
            if stage > 1:
                narrow = {b: heads * q / widest for b, (heads, q) in _ATTENTION.items()}
                heads = {b: heads / 8 for b, (heads, _) in _ATTENTION.items()}
                mlp = used | image | twice | inner | of(**dict.fromkeys(_ATTENTION, 2.0))
                terms += [
                    Term("attention layers", used | of(**every)),
                    Term("products", mlp, dense),
                    Term("mlp", mlp, dense),
                    Term("mlp", used | image | twice | of(**every), 2 * dense),
                    Term("projections", used | image | once | of(**narrow), 2 * dense),
                    Term("scores", used | pairs | of(**heads), pixels**2 / 1e5),
                    Term("pairs", used | pairs | of(**narrow), pixels**2 * widest / 1e7),
                    Term("pairs", used | pairs | once | of(**every), pixels**2 * widest / 1e7),
                ]
    return terms


def _kinds(stage: int, scope: str, **factors: float) -> dict[str, dict[str, float]]:
    """Factors of blocks by their names, 0 for the others."""
    return {f"{scope}.block": {block: factors.get(block, 0.0) for block in _blocks(stage)}}
