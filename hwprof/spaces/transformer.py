"""Translation transformers of HAT, the hardware-aware transformers (Wang et al., ACL 2020)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, partial
from math import sqrt
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hwprof.spaces.analytic import NOTHING, Part
from hwprof.spaces.attention import Tape, check_sizes
from hwprof.spaces.base import Choices, Costs
from hwprof.spaces.fields import Field, Fields, FieldSpace, per_layer
from hwprof.spaces.products import Term
from hwprof.spaces.recorder import Tensor

if TYPE_CHECKING:
    import onnx

EncoderLayer = tuple[int, int]
"""Hidden width and heads."""
DecoderLayer = tuple[int, int, int, int]
"""Hidden width, heads, heads of the cross-attention, and encoder layers it attends to."""
VOCABULARY = 32_768
"""Tokens of the joint dictionary of WMT'14 English and German."""
CONTEXT = 1024
"""The longest sequence."""
LENGTH = 30
"""Tokens in a sequence unless asked otherwise: the paper's latencies are for 30."""
QKV = 512
"""Width of queries, keys and values, all heads together."""

_LAYERS = 6
_WIDTHS, _FFN, _HEADS = ("512", "640"), ("1024", "2048", "3072"), ("4", "8")
_DEPTHS = tuple(str(depth) for depth in range(1, _LAYERS + 1))
_FIELDS = Fields(
    "transformer",
    (
        Field("encoder", _WIDTHS, ("encoder.embed",)),
        Field("encoder-ffn", _FFN, per_layer("encoder", "ffn", _LAYERS)),
        Field("encoder-heads", _HEADS, per_layer("encoder", "heads", _LAYERS)),
        Field("decoder", _WIDTHS, ("decoder.embed",)),
        Field("decoder-layers", _DEPTHS, ("decoder.layers",)),
        *(
            Field(key, choices, per_layer("decoder", what, _LAYERS), "decoder-layers")
            for key, choices, what in (
                ("decoder-ffn", _FFN, "ffn"),
                ("decoder-heads", _HEADS, "heads"),
                ("cross-heads", _HEADS, "cross_heads"),
                ("cross-layers", ("1", "2", "3"), "cross_layers"),
            )
        ),
    ),
)


class Transformer(FieldSpace):
    """Architectures as `encoder=640 encoder-ffn=3072,... encoder-heads=8,... decoder=512
    decoder-layers=2 decoder-ffn=2048,1024 decoder-heads=8,4 cross-heads=4,8 cross-layers=1,3`.

    The WMT space: embedding widths, hidden widths and heads of six encoder and one to six decoder
    layers, and from how many of the last encoder layers each decoder layer attends to tokens
    (their outputs follow each other as one longer memory). Queries, keys and values are 512 wide.

    Layers are those of Vaswani et al. (2017) as in the paper's code: normalisation after each
    part, ReLU, sinusoids for positions. Encoder, decoder and output layer share one embedding of
    32,768 tokens; where the widths differ, the narrower side has its first columns. The model
    translates with the target given: `source` and `target` `[b, t]` to `logits` `[b, t, 32768]`,
    one pass of the decoder over the whole target under a causal mask, where the paper decodes
    token by token.
    """

    name = "transformer"
    fields = _FIELDS

    def parts(self) -> Sequence[Part]:
        """See `FieldSpace.parts`; costs are for one pair of sequences of 30 tokens."""
        wide, narrow = "encoder.embed", "decoder.embed"
        found = [Part((wide, narrow), _end_costs)]
        for number in range(1, _LAYERS + 1):
            scope = f"encoder.layer{number}"
            own = (f"{scope}.ffn", f"{scope}.heads")
            found.append(Part((wide, *own), _encoder_costs, scope))
        for number in range(1, _LAYERS + 1):
            chosen = ("ffn", "heads", "cross_heads", "cross_layers")
            scope = f"decoder.layer{number}"
            on = ("decoder.layers", wide, narrow, *(f"{scope}.{what}" for what in chosen))
            found.append(Part(on, partial(_decoder_costs, number), scope))
        return found

    def build(
        self, arch: str | ArrayLike, batch: int = 1, resolution: int | None = None
    ) -> onnx.ModelProto:
        """See `Space.build`; `resolution` is the length of both sequences, at most 1024."""
        length = LENGTH if resolution is None else resolution
        check_sizes(self.name, batch, length, CONTEXT)
        tape = Tape()
        return tape.model(self.name, _network(tape, *self._sizes(arch), batch, length))

    def resolution(self, arch: str | ArrayLike) -> int:
        """See `Space.resolution`: the same for all."""
        self.row(arch)
        return LENGTH

    def terms(self) -> Sequence[Term]:
        """See `FieldSpace.terms`."""
        return _terms()

    def _sizes(
        self, arch: str | ArrayLike
    ) -> tuple[int, int, list[EncoderLayer], list[DecoderLayer]]:
        """Widths of encoder and decoder, and what their layers chose."""
        chosen = {
            key: [int(value) for value in values]
            for key, values in _FIELDS.values(self.choices(arch)).items()
        }
        encoder = zip(chosen["encoder-ffn"], chosen["encoder-heads"], strict=True)
        keys = ("decoder-ffn", "decoder-heads", "cross-heads", "cross-layers")
        decoder = zip(*(chosen[key] for key in keys), strict=True)
        return chosen["encoder"][0], chosen["decoder"][0], [*encoder], [*decoder]


def _network(
    tape: Tape,
    outer: int,
    inner: int,
    encoder: Sequence[EncoderLayer],
    decoder: Sequence[DecoderLayer],
    batch: int,
    length: int,
) -> Tensor:
    """Logits; the encoder is `outer` wide and the decoder `inner`."""
    source = tape.tokens("source", batch, length)
    target = tape.tokens("target", batch, length)
    table = tape.weight("embedding", VOCABULARY, inner)
    x = tape.lookup("encoder", table, source)
    if outer < inner:
        x = tape.slice("encoder", x, outer)
    elif outer > inner:
        # The columns that the decoder does not use stand apart: the output layer then reads its
        # table as it is.
        more = tape.weight("embedding.more", VOCABULARY, outer - inner)
        x = tape.concat("encoder", [x, tape.lookup("encoder", more, source)], 2)
    x = _placed(tape, "encoder", x)
    outputs = []
    for number, (hidden, heads) in enumerate(encoder, 1):
        x = _encoder_layer(tape, f"encoder.layer{number}", x, hidden, heads)
        outputs.append(x)
    x = _placed(tape, "decoder", tape.lookup("decoder", table, target))
    for number, layer in enumerate(decoder, 1):
        x = _decoder_layer(tape, f"decoder.layer{number}", x, outputs, *layer)
    return tape.logits("output", x, table)


def _encoder_layer(tape: Tape, scope: str, x: Tensor, hidden: int, heads: int) -> Tensor:
    y = tape.attention(f"{scope}.attention", x, None, QKV, heads)
    x = tape.norm(f"{scope}.norm1", tape.add(scope, x, y))
    return _feed_forward(tape, scope, x, hidden)


def _decoder_layer(
    tape: Tape,
    scope: str,
    x: Tensor,
    outputs: Sequence[Tensor],
    hidden: int,
    heads: int,
    cross: int,
    reach: int,
) -> Tensor:
    """`outputs` are those of the encoder's layers, of which the last `reach` are attended to."""
    y = tape.attention(f"{scope}.attention", x, None, QKV, heads, tape.causal_mask(x.shape[1]))
    x = tape.norm(f"{scope}.norm1", tape.add(scope, x, y))
    memory = outputs[-1]
    if reach > 1:
        memory = tape.concat(f"{scope}.memory", outputs[: -reach - 1 : -1], 1)
    y = tape.attention(f"{scope}.cross", x, memory, QKV, cross)
    x = tape.norm(f"{scope}.norm2", tape.add(scope, x, y))
    return _feed_forward(tape, scope, x, hidden)


@cache
def _end_costs(outer: str, inner: str) -> Costs:
    """Embeddings and output layer."""
    tape = Tape()
    _network(tape, int(outer), int(inner), (), (), 1, LENGTH)
    return tape.costs


@cache
def _encoder_costs(outer: str, hidden: str, heads: str) -> Costs:
    tape = Tape()
    _encoder_layer(tape, "layer", Tensor("x", (1, LENGTH, int(outer))), int(hidden), int(heads))
    return tape.costs


def _decoder_costs(number: int, layers: str, outer: str, inner: str, *layer: str) -> Costs:
    """What a layer of the decoder adds; its hidden width, heads, cross heads and reach."""
    return (
        NOTHING if number > int(layers) else _used_costs(int(outer), int(inner), *map(int, layer))
    )


@cache
def _used_costs(outer: int, inner: int, hidden: int, heads: int, cross: int, reach: int) -> Costs:
    tape = Tape()
    x, outputs = Tensor("x", (1, LENGTH, inner)), [Tensor("memory", (1, LENGTH, outer))] * reach
    _decoder_layer(tape, "layer", x, outputs, hidden, heads, cross, reach)
    return tape.costs


def _placed(tape: Tape, scope: str, x: Tensor) -> Tensor:
    """Embeddings scaled by the root of their width, and sinusoids added."""
    _, length, width = x.shape
    x = tape.multiply(scope, x, tape.number(f"root{width}", sqrt(width)))
    places = tape.constant(f"sinusoids{width}", (length, width), lambda: _sinusoids(length, width))
    return tape.add(scope, x, places)


def _sinusoids(length: int, width: int) -> NDArray[np.float32]:
    """Sines in the first half of the width, cosines in the second, `[t, w]`."""
    pace = 10_000.0 ** -np.linspace(0, 1, width // 2)
    angles = np.arange(length)[:, None] * pace
    return np.concatenate([np.sin(angles), np.cos(angles)], axis=1).astype(np.float32)


def _feed_forward(tape: Tape, scope: str, x: Tensor, hidden: int) -> Tensor:
    y = tape.linear(f"{scope}.ffn.up", x, hidden)
    y = tape.node("Relu", scope, [y], y.shape)
    y = tape.linear(f"{scope}.ffn.down", y, x.shape[-1])
    return tape.norm(f"{scope}.norm_ffn", tape.add(scope, x, y))


def _terms() -> list[Term]:
    """What an architecture has to do, as products of what was chosen; see `products`."""

    def share(choices: Choices) -> dict[str, float]:
        return {choice: int(choice) / int(choices[-1]) for choice in choices}

    width, ffn, heads = share(_WIDTHS), share(_FFN), share(_HEADS)
    wide, narrow = {"encoder.embed": width}, {"decoder.embed": width}
    terms = [Term("encoder", wide), Term("decoder", narrow)]
    for number in range(_LAYERS):
        encoder, decoder = (f"{side}.layer{number + 1}." for side in ("encoder", "decoder"))
        used = {"decoder.layers": {depth: float(int(depth) > number) for depth in _DEPTHS}}
        reach = used | {f"{decoder}cross_layers": share(("1", "2", "3"))}
        hidden = used | {f"{decoder}ffn": ffn}
        cross = {f"{decoder}cross_heads": heads}
        terms += [
            Term("encoder ffn", {f"{encoder}ffn": ffn}),
            Term("encoder mlp", wide | {f"{encoder}ffn": ffn}),
            Term("encoder heads", {f"{encoder}heads": heads}),
            Term("layers", used),
            Term("widths", used | narrow),
            Term("ffn", hidden),
            Term("mlp", hidden | narrow),
            Term("heads", used | {f"{decoder}heads": heads}),
            Term("reach", reach),
            Term("memory", reach | wide),
            Term("cross heads", reach | cross),
        ]
    return terms
