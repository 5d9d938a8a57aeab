"""Decoder-only language models at the small scale of HW-GPT-Bench (Sukthanker et al., 2024)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from hwprof.spaces.analytic import NOTHING, Part
from hwprof.spaces.attention import Tape, check_sizes
from hwprof.spaces.base import Costs
from hwprof.spaces.fields import Field, Fields, FieldSpace, per_layer
from hwprof.spaces.products import Term
from hwprof.spaces.recorder import Tensor

if TYPE_CHECKING:
    import onnx

VOCABULARY = 50_257
"""Tokens of GPT-2's byte-pair encoding."""
CONTEXT = 1024
"""Positions that are learned, and the longest sequence."""
LENGTH = 128
"""Tokens in a sequence unless asked otherwise."""

_LAYERS = 12
_FIELDS = Fields(
    "gpt",
    (
        Field("embed", ("192", "384", "768"), ("embed",)),
        Field("layers", ("10", "11", "12"), ("layers",)),
        Field("heads", ("4", "8", "12"), per_layer("", "heads", _LAYERS), "layers"),
        Field("mlp", ("2", "3", "4"), per_layer("", "mlp", _LAYERS), "layers"),
        Field("bias", ("off", "on"), ("bias",)),
    ),
)


class Gpt(FieldSpace):
    """Architectures as `embed=384 layers=10 heads=8,12,... mlp=4,2,... bias=on`.

    Choices are those of GPT-S: width of the embedding, layers, and in each layer heads and the
    ratio of the hidden to the outer width; `bias` adds biases to all linear layers. Every choice
    of heads divides every width.

    The network is GPT-2's (Radford et al., 2019): learned positions, normalisation before each
    part, causal attention, GELU without approximation, and the embedding as output layer.
    `embed=768 layers=12`, 12 heads, ratio 4 and biases is GPT-2 small. The benchmark's own code
    has rotary positions and runs attention and MLP side by side, which changes the arithmetic by
    little. The model prefills a sequence: `tokens` `[b, t]` to `logits` `[b, t, 50257]`. t is 128
    where none is given; the benchmark measured whole contexts, 1024.
    """

    name = "gpt"
    fields = _FIELDS

    def parts(self) -> Sequence[Part]:
        """See `FieldSpace.parts`; costs are for one sequence of 128 tokens."""
        found = [Part(("embed",), _end_costs)]
        for number in range(1, _LAYERS + 1):
            on = ("layers", "embed", f"layer{number}.heads", f"layer{number}.mlp", "bias")
            found.append(Part(on, partial(_layer_costs, number), f"layer{number}"))
        return found

    def build(
        self, arch: str | ArrayLike, batch: int = 1, resolution: int | None = None
    ) -> onnx.ModelProto:
        """See `Space.build`; `resolution` is the sequence length, at most 1024."""
        length = LENGTH if resolution is None else resolution
        check_sizes(self.name, batch, length, CONTEXT)
        tape = Tape()
        return tape.model(self.name, _network(tape, *self._sizes(arch), batch, length))

    def terms(self) -> Sequence[Term]:
        """See `FieldSpace.terms`."""
        return _terms()

    def _sizes(self, arch: str | ArrayLike) -> tuple[int, list[tuple[int, int]], bool]:
        """Width, heads and ratio of each layer, and whether there are biases."""
        chosen = _FIELDS.values(self.choices(arch))
        layers = zip(chosen["heads"], chosen["mlp"], strict=True)
        sizes = [(int(heads), int(ratio)) for heads, ratio in layers]
        return int(chosen["embed"][0]), sizes, chosen["bias"] == ("on",)


def _network(
    tape: Tape, width: int, layers: Sequence[tuple[int, int]], bias: bool, batch: int, length: int
) -> Tensor:
    """Logits; `layers` are heads and ratio of each layer."""
    tokens = tape.tokens("tokens", batch, length)
    table = tape.weight("embedding", VOCABULARY, width)
    places = tape.weight("positions", CONTEXT, width)
    order = tape.constant("order", (length,), lambda: np.arange(length, dtype=np.int64), 8)
    x = tape.lookup("embedding", table, tokens)
    x = tape.add("positions", x, tape.lookup("positions", places, order))
    for number, (heads, ratio) in enumerate(layers, 1):
        x = _layer(tape, f"layer{number}", x, heads, ratio, bias)
    return tape.logits("output", tape.norm("norm", x), table)


def _layer(tape: Tape, scope: str, x: Tensor, heads: int, ratio: int, bias: bool) -> Tensor:
    width, mask = x.shape[-1], tape.causal_mask(x.shape[1])
    y = tape.norm(f"{scope}.norm1", x)
    y = tape.attention(f"{scope}.attention", y, None, width, heads, mask, bias)
    x = tape.add(scope, x, y)
    y = tape.norm(f"{scope}.norm2", x)
    y = tape.linear(f"{scope}.mlp.up", y, ratio * width, bias)
    y = tape.gelu(f"{scope}.mlp", y)
    return tape.add(scope, x, tape.linear(f"{scope}.mlp.down", y, width, bias))


@cache
def _end_costs(width: str) -> Costs:
    """Embedding, last normalisation and output layer."""
    tape = Tape()
    _network(tape, int(width), (), False, 1, LENGTH)
    return tape.costs


def _layer_costs(number: int, layers: str, width: str, heads: str, ratio: str, bias: str) -> Costs:
    """What a layer adds to a network of so many."""
    if number > int(layers):
        return NOTHING
    return _used_costs(int(width), int(heads), int(ratio), bias == "on")


@cache
def _used_costs(width: int, heads: int, ratio: int, bias: bool) -> Costs:
    tape = Tape()
    _layer(tape, "layer", Tensor("x", (1, LENGTH, width)), heads, ratio, bias)
    return tape.costs


def _terms() -> list[Term]:
    """What an architecture has to do, as products of what was chosen; see `products`."""
    embed = {choice: float(choice) / 768 for choice in _FIELDS.fields[0].choices}
    square = {choice: factor**2 for choice, factor in embed.items()}
    widths = [{choice: float(choice == one) for choice in embed} for one in embed]
    bias = {"bias": {"off": 0.0, "on": 1.0}}
    terms = [Term("logits", {"embed": embed})]
    for number in range(_LAYERS):
        depth = {choice: float(int(choice) > number) for choice in ("10", "11", "12")}
        used = {"layers": depth}
        heads = {f"layer{number + 1}.heads": {c: int(c) / 12 for c in ("4", "8", "12")}}
        ratio = {f"layer{number + 1}.mlp": {c: int(c) / 4 for c in ("2", "3", "4")}}
        terms += [
            Term("layers", used),
            Term("biases", used | bias),
            Term("projections", used | {"embed": square}),
            Term("mlp", used | ratio | {"embed": square}),
            Term("attention", used | {"embed": embed}),
            Term("scores", used | heads),
            Term("hidden", used | ratio | {"embed": embed}),
            Term("biased", used | ratio | bias | {"embed": embed}),
        ]
        for width in widths:
            (name,) = [choice for choice, factor in width.items() if factor]
            # Two thirds of the products of a layer at ratio 4 are the MLP's.
            terms.append(Term(f"width {name}", used | {"embed": width}, 1 / 3))
            terms.append(Term(f"width {name}", used | ratio | {"embed": width}, 2 / 3))
            terms.append(Term(f"heads {name}", used | heads | {"embed": width}))
    return terms
