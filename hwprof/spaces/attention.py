"""Networks of attention layers; see `recorder`.

Shapes: batch b, sequence length t, width w. All tensors are float32 but token ids (int64).
"""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from typing import final

import numpy as np

from hwprof.errors import OptionError
from hwprof.spaces.recorder import Recorder, Tensor, check_batch, is_whole

# What a masked score gets: exp of it is zero, and it is a number in float16 too.
_MASKED = -1e4


@final
class Tape(Recorder):
    """A network of attention layers being written down, operator by operator."""

    def tokens(self, name: str, batch: int, length: int) -> Tensor:
        """An input of token ids `[b, t]`."""
        return self.input(name, batch, length, dtype="int64")

    def linear(self, scope: str, x: Tensor, width: int, bias: bool = True) -> Tensor:
        """`[..., w] -> [..., width]`, as exporters write it: a product and a sum."""
        inner = x.shape[-1]
        weight = self.weight(f"{scope}.weight", inner, width, deviation=1 / sqrt(inner))
        shape = (*x.shape[:-1], width)
        y = self.node("MatMul", scope, [x, weight], shape, inner)
        return self.add(scope, y, self.weight(f"{scope}.bias", width)) if bias else y

    def norm(self, scope: str, x: Tensor) -> Tensor:
        """Layer normalisation of the last dimension (Ba et al., 2016)."""
        width = x.shape[-1]
        scale = self.weight(f"{scope}.scale", width, mean=1.0)
        shift = self.weight(f"{scope}.shift", width)
        return self.node(
            "LayerNormalization", scope, [x, scale, shift], x.shape, axis=-1, epsilon=1e-5
        )

    def gelu(self, scope: str, x: Tensor) -> Tensor:
        """The exact one, `0.5 x (1 + erf(x / sqrt 2))` (Hendrycks & Gimpel, 2016)."""
        root, one, half = (self.number(*c) for c in (("root2", sqrt(2)), ("one", 1), ("half", 0.5)))
        y = self.node("Div", scope, [x, root], x.shape)
        y = self.add(scope, self.node("Erf", scope, [y], x.shape), one)
        y = self.multiply(scope, x, y)
        return self.multiply(scope, y, half)

    def split(self, scope: str, x: Tensor, parts: int) -> list[Tensor]:
        """Equal parts of the last dimension."""
        width = x.shape[-1] // parts
        sizes = self.integers("int", [width] * parts)
        shapes = ((*x.shape[:-1], width),) * parts
        return self.outputs("Split", scope, [x, sizes], shapes, axis=len(x.shape) - 1)

    def reshape(self, scope: str, x: Tensor, *shape: int) -> Tensor:
        """The same elements under another shape."""
        return self.node("Reshape", scope, [x, self.integers("int", shape)], shape)

    def slice(self, scope: str, x: Tensor, width: int) -> Tensor:
        """The first `width` of the last dimension."""
        bounds = [self.integers("int", [n]) for n in (0, width, len(x.shape) - 1)]
        return self.node("Slice", scope, [x, *bounds], (*x.shape[:-1], width))

    def concat(self, scope: str, parts: Sequence[Tensor], axis: int) -> Tensor:
        """Tensors one after the other along an axis."""
        shape = list(parts[0].shape)
        shape[axis] = sum(part.shape[axis] for part in parts)
        return self.node("Concat", scope, parts, tuple(shape), axis=axis)

    def transpose(self, scope: str, x: Tensor, *order: int) -> Tensor:
        """Dimensions in another order."""
        return self.node(
            "Transpose", scope, [x], tuple(x.shape[i] for i in order), perm=list(order)
        )

    def lookup(self, scope: str, table: Tensor, tokens: Tensor) -> Tensor:
        """Rows of a table `[vocabulary, w]`, `[b, t] -> [b, t, w]`."""
        return self.node("Gather", scope, [table, tokens], (*tokens.shape, table.shape[1]), axis=0)

    def causal_mask(self, length: int) -> Tensor:
        """Added to scores: a token sees itself and what came before, `[t, t]`."""
        return self.constant(
            "causal_mask",
            (length, length),
            lambda: np.triu(np.full((length, length), _MASKED, dtype=np.float32), 1),
        )

    def attention(
        self,
        scope: str,
        x: Tensor,
        memory: Tensor | None,
        width: int,
        heads: int,
        mask: Tensor | None = None,
        bias: bool = True,
    ) -> Tensor:
        """Attention of several heads (Vaswani et al., 2017), `[b, t, w] -> [b, t, w]`.

        Queries, keys and values are `width` wide in all heads together. They come from x in one
        product, or queries from x, and keys and values from a memory `[b, s, v]`.
        """
        outer = x.shape[2]
        if memory is None:
            packed = self.linear(f"{scope}.qkv", x, 3 * width, bias)
            q, k, v = self.split(scope, packed, 3)
        else:
            q = self.linear(f"{scope}.query", x, width, bias)
            k = self.linear(f"{scope}.key", memory, width, bias)
            v = self.linear(f"{scope}.value", memory, width, bias)
        mixed = self.attend(scope, q, k, v, heads, mask)
        return self.linear(f"{scope}.out", mixed, outer, bias)

    def attend(
        self, scope: str, q: Tensor, k: Tensor, v: Tensor, heads: int, mask: Tensor | None = None
    ) -> Tensor:
        """Values by the shares that queries give to keys, `[b, t, width of v]`.

        Queries are `[b, t, w]`, keys `[b, s, w]` and values `[b, s, v]`, all heads together.
        """
        batch, length, width = q.shape
        keys, head, wide = k.shape[1], width // heads, v.shape[2]
        q = self.multiply(scope, q, self.number(f"scale{head}", head**-0.5))
        q = self.transpose(scope, self.reshape(scope, q, batch, length, heads, head), 0, 2, 1, 3)
        k = self.transpose(scope, self.reshape(scope, k, batch, keys, heads, head), 0, 2, 3, 1)
        v = self.reshape(scope, v, batch, keys, heads, wide // heads)
        v = self.transpose(scope, v, 0, 2, 1, 3)
        scores = self.node("MatMul", scope, [q, k], (batch, heads, length, keys), head)
        if mask is not None:
            scores = self.add(scope, scores, mask)
        shares = self.node("Softmax", scope, [scores], scores.shape, axis=-1)
        shape = (batch, heads, length, wide // heads)
        mixed = self.node("MatMul", scope, [shares, v], shape, keys)
        mixed = self.transpose(scope, mixed, 0, 2, 1, 3)
        return self.reshape(scope, mixed, batch, length, wide)

    def logits(self, scope: str, x: Tensor, table: Tensor) -> Tensor:
        """Scores of every token by the embedding table itself, `[b, t, w] -> [b, t, vocabulary]`.

        A Gemm, because it reads the table transposed without a copy of it.
        """
        batch, length, width = x.shape
        flat = self.reshape(scope, x, batch * length, width)
        shape = (batch * length, table.shape[0])
        scores = self.node("Gemm", scope, [flat, table], shape, width, transB=1)
        return self.reshape("logits", scores, batch, length, table.shape[0])


def check_sizes(space: str, batch: int, length: int, longest: int) -> None:
    """Raise OptionError for a batch or a sequence length that a network cannot take."""
    check_batch(batch)
    if not is_whole(length) or not 1 <= length <= longest:
        raise OptionError(
            f"resolution of {space} is the sequence length, a whole number from 1 to {longest}, "
            f"but is {length}; give another"
        )
