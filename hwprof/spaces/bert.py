"""Encoders of BERT (Devlin et al., NAACL 2019), each layer with heads and hidden width of its own.

Layers that differ are what structured pruning and search leave: heads (Michel et al., NeurIPS 2019;
Xia et al., CoFi, ACL 2022), hidden widths (Xu et al., NAS-BERT, KDD 2021; Xu et al., AutoDistil,
NeurIPS 2022).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from hwprof.spaces.analytic import NOTHING, Part
from hwprof.spaces.attention import Tape, check_sizes
from hwprof.spaces.base import Choices, Costs
from hwprof.spaces.fields import Field, Fields, FieldSpace, per_layer
from hwprof.spaces.products import Term
from hwprof.spaces.recorder import Tensor

if TYPE_CHECKING:
    import onnx

VOCABULARY = 30_522
"""Word pieces of the English models without case."""
CONTEXT = 512
"""Positions that are learned, and the longest sequence."""
LENGTH = 128
"""Tokens in a sequence unless asked otherwise."""
HEAD = 64
"""Width of a head's queries, keys and values, whatever the width of the network."""

_LAYERS, _TYPES = 12, 2
# What a masked score gets on top: exp of it is zero, and it is a number in float16 too.
_MASKED = -1e4
_DEPTHS = ("2", "3", "4", "6", "8", "10", "12")
_HIDDEN = ("128", "256", "384", "512", "640", "768")
_HEADS = ("1", "2", "3", "4", "6", "8", "10", "12")
_FFN = ("128", "256", "512", "768", "1024", "1536", "2048", "3072")
_FIELDS = Fields(
    "bert",
    (
        Field("hidden", _HIDDEN, ("hidden",)),
        Field("layers", _DEPTHS, ("layers",)),
        Field("heads", _HEADS, per_layer("", "heads", _LAYERS), "layers"),
        Field("ffn", _FFN, per_layer("", "ffn", _LAYERS), "layers"),
    ),
)


class Bert(FieldSpace):
    """Architectures as `hidden=256 layers=3 heads=4,2,1 ffn=1024,512,768`.

    Width of the network, layers, and in each layer heads and the width between the two products of
    the feed-forward part. A head is 64 wide, as in all BERTs and what pruning keeps: queries, keys
    and values are 64 times the heads wide, whatever the hidden width.

    The network is BERT's: embeddings of 30,522 word pieces, 512 positions and 2 types summed up and
    normalised, normalisation after each part, GELU without approximation, and the pooler, a product
    and tanh on the first token. `hidden=768 layers=12` with 12 heads and `ffn=3072` everywhere is
    BERT base of 109.48 M parameters. `tokens` and `attention_mask` `[b, t]`, the latter 1 where a
    token counts and 0 where it pads, give `logits` `[b, hidden]`, what the pooler says; all tokens
    are of the first type. t is 128 where none is given.
    """

    name = "bert"
    fields = _FIELDS

    def parts(self) -> Sequence[Part]:
        """See `FieldSpace.parts`; costs are for one sequence of 128 tokens."""
        found = [Part(("hidden",), _end_costs)]
        for number in range(1, _LAYERS + 1):
            scope = f"layer{number}"
            for what, costs in (("heads", _attention_costs), ("ffn", _feed_forward_costs)):
                on = ("layers", "hidden", f"{scope}.{what}")
                found.append(Part(on, partial(_used, number, costs), scope))
        return found

    def build(
        self, arch: str | ArrayLike, batch: int = 1, resolution: int | None = None
    ) -> onnx.ModelProto:
        """See `Space.build`; `resolution` is the sequence length, at most 512."""
        length = LENGTH if resolution is None else resolution
        check_sizes(self.name, batch, length, CONTEXT)
        tape, chosen = Tape(), _FIELDS.values(self.choices(arch))
        layers = zip(map(int, chosen["heads"]), map(int, chosen["ffn"]), strict=True)
        network = _network(tape, int(chosen["hidden"][0]), [*layers], batch, length)
        return tape.model(self.name, network)

    def terms(self) -> Sequence[Term]:
        """See `FieldSpace.terms`."""
        return _terms()


def _network(
    tape: Tape, width: int, layers: Sequence[tuple[int, int]], batch: int, length: int
) -> Tensor:
    """What the pooler says; `layers` are heads and hidden width of each layer."""
    x = _embedded(tape, width, tape.tokens("tokens", batch, length))
    mask = _mask(tape, tape.tokens("attention_mask", batch, length))
    for number, (heads, hidden) in enumerate(layers, 1):
        x = _attention(tape, f"layer{number}", x, heads, mask)
        x = _feed_forward(tape, f"layer{number}", x, hidden)
    first = tape.constant("first", (), lambda: np.array(0, dtype=np.int64), 8)
    y = tape.node("Gather", "pooler", [x, first], (batch, width), axis=1)
    y = tape.linear("pooler", y, width)
    return tape.node("Tanh", "pooler", [y], y.shape)


def _embedded(tape: Tape, width: int, tokens: Tensor) -> Tensor:
    length = tokens.shape[1]
    words = tape.weight("embedding.words", VOCABULARY, width)
    places = tape.weight("embedding.positions", CONTEXT, width)
    types = tape.weight("embedding.types", _TYPES, width)
    order = tape.constant("order", (length,), lambda: np.arange(length, dtype=np.int64), 8)
    zeros = tape.constant("zeros", (length,), lambda: np.zeros(length, dtype=np.int64), 8)
    x = tape.lookup("embedding.words", words, tokens)
    x = tape.add("embedding", x, tape.lookup("embedding.positions", places, order))
    x = tape.add("embedding", x, tape.lookup("embedding.types", types, zeros))
    return tape.norm("embedding.norm", x)


def _mask(tape: Tape, given: Tensor) -> Tensor:
    """What is added to scores, `[b, 1, 1, t]`: 0 for tokens that count, a large loss for others."""
    batch, length = given.shape
    x = tape.node("Cast", "mask", [given], given.shape, to=1)  # float32
    x = tape.reshape("mask", x, batch, 1, 1, length)
    x = tape.node("Sub", "mask", [tape.number("one", 1), x], x.shape)
    return tape.multiply("mask", x, tape.number("masked", _MASKED))


def _attention(tape: Tape, scope: str, x: Tensor, heads: int, mask: Tensor) -> Tensor:
    y = tape.attention(f"{scope}.attention", x, None, HEAD * heads, heads, mask)
    return tape.norm(f"{scope}.norm1", tape.add(scope, x, y))


def _feed_forward(tape: Tape, scope: str, x: Tensor, hidden: int) -> Tensor:
    y = tape.linear(f"{scope}.ffn.up", x, hidden)
    y = tape.gelu(f"{scope}.ffn", y)
    y = tape.linear(f"{scope}.ffn.down", y, x.shape[-1])
    return tape.norm(f"{scope}.norm2", tape.add(scope, x, y))


@cache
def _end_costs(width: str) -> Costs:
    """Embeddings, mask and pooler."""
    tape = Tape()
    _network(tape, int(width), (), 1, LENGTH)
    return tape.costs


def _used(
    number: int, costs: Callable[[int, int], Costs], layers: str, width: str, size: str
) -> Costs:
    """What a part of a layer adds to a network of so many."""
    return costs(int(width), int(size)) if number <= int(layers) else NOTHING


@cache
def _attention_costs(width: int, heads: int) -> Costs:
    tape = Tape()
    mask = Tensor("mask", (1, 1, 1, LENGTH))
    _attention(tape, "layer", Tensor("x", (1, LENGTH, width)), heads, mask)
    return tape.costs


@cache
def _feed_forward_costs(width: int, hidden: int) -> Costs:
    tape = Tape()
    _feed_forward(tape, "layer", Tensor("x", (1, LENGTH, width)), hidden)
    return tape.costs


def _terms() -> list[Term]:
    """What an architecture has to do, as products of what was chosen; see `products`."""

    def share(choices: Choices) -> dict[str, float]:
        return {choice: int(choice) / int(choices[-1]) for choice in choices}

    width = {"hidden": share(_HIDDEN)}
    terms = [Term("embedding", width)]
    for number in range(1, _LAYERS + 1):
        used = {"layers": {depth: float(int(depth) >= number) for depth in _DEPTHS}}
        heads = used | {f"layer{number}.heads": share(_HEADS)}
        hidden = used | {f"layer{number}.ffn": share(_FFN)}
        terms += [
            Term("layers", used),
            Term("widths", used | width),
            Term("scores", heads),
            Term("projections", heads | width),
            Term("hidden", hidden),
            Term("mlp", hidden | width),
            # A third of the products of a layer of the base model are those of its attention.
            Term("products", heads | width, 1 / 3),
            Term("products", hidden | width, 2 / 3),
        ]
    return terms
