"""Operators that give a tensor another shape, join or cut tensors, or tell a shape."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch.nn import functional as F

from hwprof.convert.torch.builder import Value
from hwprof.convert.torch.call import Call, converts


@converts("Constant")
def constant(call: Call) -> Value:
    for name in ("value", "value_float", "value_int", "value_floats", "value_ints"):
        found = call.attribute(name)
        if found is not None:
            if name.startswith("value_float"):
                found = np.asarray(found, dtype=np.float32)
            elif name.startswith("value_int"):
                found = np.asarray(found, dtype=np.int64)
            return call.build.constant(found)
    call.refuse("holds a constant of a kind that torch lacks")


@converts("ConstantOfShape")
def filled(call: Call) -> Value:
    value = call.attribute("value", np.zeros(1, dtype=np.float32))
    filling = call.build.constant(np.asarray(value).reshape(())).sample
    shape = call.numbers(0, "shape")
    return call.build.constant(filling.expand(shape).contiguous())


@converts("Shape")
def shape(call: Call) -> Value:
    sizes = call.input().shape[call.attribute("start", 0) : call.attribute("end")]
    return call.build.constant(torch.tensor(sizes, dtype=torch.int64))


@converts("Size")
def size(call: Call) -> Value:
    return call.build.constant(torch.tensor(call.input().sample.numel()))


@converts("Reshape")
def reshape(call: Call) -> Value:
    x = call.input()
    wanted = call.setting("shape", 1, "shape") or []
    if not call.attribute("allowzero", 0):
        wanted = [x.shape[i] if size == 0 else size for i, size in enumerate(wanted)]
    return call.call(torch.reshape, x, tuple(wanted))


@converts("Flatten")
def flatten(call: Call) -> Value:
    x = call.input()
    axis = call.attribute("axis", 1)
    axis = axis + x.rank if axis < 0 else axis
    if axis == 1 and x.rank > 1:
        return call.call(torch.flatten, x, 1)
    rows = int(np.prod(x.shape[:axis], dtype=np.int64))
    return call.call(torch.reshape, x, (rows, x.sample.numel() // max(rows, 1)))


@converts("Squeeze")
def squeeze(call: Call) -> Value:
    x = call.input()
    axes = call.setting("axes", 1, "axes")
    if axes is None:
        axes = [i for i, length in enumerate(x.shape) if length == 1]
    return call.call(torch.squeeze, x, tuple(axes))


@converts("Unsqueeze")
def unsqueeze(call: Call) -> Value:
    x = call.input()
    axes = call.setting("axes", 1, "axes") or []
    if len(axes) == 1:
        return call.call(torch.unsqueeze, x, axes[0])
    rank = x.rank + len(axes)
    new = {axis % rank for axis in axes}
    rest = iter(x.shape)
    return call.call(torch.reshape, x, tuple(1 if i in new else next(rest) for i in range(rank)))


@converts("Transpose")
def transpose(call: Call) -> Value:
    x = call.input()
    order = call.attribute("perm", list(range(x.rank))[::-1])
    return call.call(torch.permute, x, tuple(order))


@converts("Expand")
def expand(call: Call) -> Value:
    x = call.input()
    wanted = np.broadcast_shapes(x.shape, tuple(call.numbers(1, "shape")))
    if wanted == x.shape:
        return x
    return call.call(torch.broadcast_to, x, tuple(int(size) for size in wanted))


@converts("Tile")
def tile(call: Call) -> Value:
    return call.call(torch.tile, call.input(), tuple(call.numbers(1, "repeats")))


@converts("Concat")
def concatenation(call: Call) -> Value:
    values = call.given()
    axis = call.axis(1, values[0].rank)
    return values[0] if len(values) == 1 else call.call(torch.cat, values, axis)


@converts("Split")
def split(call: Call) -> Sequence[Value]:
    x = call.input()
    axis = call.axis(0, x.rank)
    sizes = call.setting("split", 1, "sizes")
    if sizes is None:
        count = len(call.proto.output)
        each = -(-x.shape[axis] // count)
        sizes = [min(each, x.shape[axis] - i * each) for i in range(count)]
    found = call.build.calls(torch.split, x, sizes, axis)
    return [found] if isinstance(found, Value) else found


@converts("Slice")
def cut(call: Call) -> Value:
    x = call.input()
    starts = call.setting("starts", 1, "starts") or []
    ends = call.setting("ends", 2, "ends") or []
    axes = call.setting("axes", 3, "axes")
    axes = list(range(len(starts))) if axes is None else axes
    steps = call.numbers(4, "steps") if call.has(4) else [1] * len(starts)
    chosen = [slice(None)] * x.rank
    backwards = []
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        axis %= x.rank
        if step < 0:
            # Turned round first, the places count from the other end.
            picked = range(x.shape[axis])[slice(start, max(end, -x.shape[axis] - 1), step)]
            if list(picked) != list(range(x.shape[axis]))[::-1]:
                indices = call.build.constant(torch.tensor(list(picked), dtype=torch.int64))
                x = call.call(torch.index_select, x, axis, indices)
            else:
                backwards.append(axis)
            continue
        first, last, _ = slice(start, end, step).indices(x.shape[axis])
        if (first, last, step) != (0, x.shape[axis], 1):
            chosen[axis] = slice(first, max(first, last), step)
    if backwards:
        x = call.call(torch.flip, x, tuple(backwards))
    if all(each == slice(None) for each in chosen):
        return x
    return call.call(torch.Tensor.__getitem__, x, tuple(chosen))


@converts("Pad")
def pad(call: Call) -> Value:
    x = call.input()
    listed = call.setting("pads", 1, "pads") or call.attribute("paddings", [])
    axes = call.numbers(3, "axes") if call.has(3) else list(range(x.rank))
    sides = [(0, 0)] * x.rank
    for axis, before, after in zip(axes, listed[: len(axes)], listed[len(axes) :], strict=True):
        sides[axis % x.rank] = (before, after)
    while len(sides) > 1 and sides[0] == (0, 0):
        sides = sides[1:]
    flat = tuple(side for pair in reversed(sides) for side in pair)
    mode = call.attribute("mode", "constant")
    modes = {"constant": "constant", "reflect": "reflect", "edge": "replicate", "wrap": "circular"}
    if mode not in modes:
        call.refuse(f"pads in the mode '{mode}', which torch lacks")
    if mode == "constant":
        value = call.known(2, "value").item() if call.has(2) else call.attribute("value", 0)
        return call.call(F.pad, x, flat, value=value)
    return call.call(F.pad, x, flat, mode=modes[mode])


@converts("DepthToSpace")
def depth_to_space(call: Call) -> Value:
    x, block = call.input(), call.attribute("blocksize")
    if call.attribute("mode", "DCR") == "CRD":
        return call.call(F.pixel_shuffle, x, block)
    return call.call(depth_first_shuffle, x, block)


def depth_first_shuffle(x: torch.Tensor, block: int) -> torch.Tensor:
    """Depth to space with the block before the channels."""
    n, c, h, w = x.shape
    parts = x.reshape(n, block, block, c // block**2, h, w).permute(0, 3, 4, 1, 5, 2)
    return parts.reshape(n, c // block**2, h * block, w * block)


@converts("SpaceToDepth")
def space_to_depth(call: Call) -> Value:
    if call.attribute("mode", "DCR") == "CRD":
        return call.call(F.pixel_unshuffle, call.input(), call.attribute("blocksize"))
    return call.call(gather_blocks, call.input(), call.attribute("blocksize"))


def gather_blocks(x: torch.Tensor, block: int) -> torch.Tensor:
    """Space to depth with the block before the channels."""
    n, c, h, w = x.shape
    parts = x.reshape(n, c, h // block, block, w // block, block).permute(0, 3, 5, 1, 2, 4)
    return parts.reshape(n, c * block**2, h // block, w // block)
