"""Operators that pick elements by index, write them, or make indices."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch.nn import functional as F

from hwprof.convert.torch.builder import Value
from hwprof.convert.torch.call import Call, converts


@converts("Gather")
def gather(call: Call) -> Value:
    x, indices = call.input(), call.input(1)
    axis = call.axis(0, x.rank)
    if indices.constant:
        places = indices.sample.to(torch.int64) % max(x.shape[axis], 1)
        if places.dim() == 0:
            return call.call(torch.select, x, axis, int(places))
        picked = call.build.constant(places.reshape(-1))
        if places.dim() == 1:
            return call.call(torch.index_select, x, axis, picked)
        return call.call(pick, x, call.build.constant(places), axis)
    if axis == 0 and x.rank == 2 and x.constant and x.floating:
        # Negative indices, which an embedding does not take, are ids of nothing.
        return call.call(F.embedding, indices, x)
    return call.call(pick, x, indices, axis)


def pick(x: torch.Tensor, indices: torch.Tensor, axis: int) -> torch.Tensor:
    """Elements of `x` along `axis` at `indices` of any shape."""
    places = indices.reshape(-1).to(torch.int64)
    places = torch.where(places < 0, places + x.shape[axis], places)
    found = torch.index_select(x, axis, places)
    return found.reshape(x.shape[:axis] + indices.shape + x.shape[axis + 1 :])


@converts("GatherElements")
def gather_elements(call: Call) -> Value:
    x = call.input()
    return call.call(pick_elements, x, call.input(1), call.axis(0, x.rank))


def pick_elements(x: torch.Tensor, indices: torch.Tensor, axis: int) -> torch.Tensor:
    places = torch.where(indices < 0, indices + x.shape[axis], indices)
    return torch.gather(x, axis, places)


@converts("GatherND")
def gather_nd(call: Call) -> Value:
    if call.attribute("batch_dims", 0):
        call.refuse("picks per batch (batch_dims), which the conversion does not know")
    return call.call(pick_nd, call.input(), call.input(1))


def pick_nd(x: torch.Tensor, indices: torch.Tensor) -> torch.Tensor:
    """Slices of `x` at the index tuples in the last dimension of `indices`."""
    return x[indices.unbind(-1)]


@converts("ScatterND")
def scatter_nd(call: Call) -> Value:
    if call.attribute("reduction", "none") != "none":
        call.refuse("adds up what it scatters, which the conversion does not know")
    return call.call(place_nd, call.input(), call.input(1), call.input(2))


def place_nd(x: torch.Tensor, indices: torch.Tensor, updates: torch.Tensor) -> torch.Tensor:
    """A copy of `x` with slices replaced at the index tuples."""
    return torch.index_put(x, indices.unbind(-1), updates)


@converts("ScatterElements")
def scatter_elements(call: Call) -> Value:
    x = call.input()
    reduction = call.attribute("reduction", "none")
    names = {"add": "sum", "mul": "prod", "max": "amax", "min": "amin"}
    axis, indices, updates = call.axis(0, x.rank), call.input(1), call.input(2)
    how = None if reduction == "none" else names[reduction]
    return call.call(place_elements, x, indices, updates, axis, how)


def place_elements(
    x: torch.Tensor, indices: torch.Tensor, updates: torch.Tensor, axis: int, how: str | None
) -> torch.Tensor:
    """A copy of `x` with elements replaced along `axis`, or reduced with what stands there."""
    places = torch.where(indices < 0, indices + x.shape[axis], indices).to(torch.int64)
    if how is None:
        return torch.scatter(x, axis, places, updates)
    return torch.scatter_reduce(x, axis, places, updates, how)


@converts("OneHot")
def one_hot(call: Call) -> Value:
    depth = call.numbers(1, "depth")[0]
    indices, values = call.input(0), call.input(2)
    axis = call.attribute("axis", -1) % (indices.rank + 1)
    return call.call(spread, indices, values, depth, axis)


def spread(indices: torch.Tensor, values: torch.Tensor, depth: int, axis: int) -> torch.Tensor:
    """`values[1]` where the index is, `values[0]` elsewhere, along a new dimension `axis`."""
    places = torch.arange(depth, device=indices.device)
    hot = (indices % depth).unsqueeze(-1) == places
    return torch.where(hot, values[1], values[0]).movedim(-1, axis)


@converts("Range")
def counting(call: Call) -> Value:
    start, end, step = (call.known(i, "bounds") for i in range(3))
    numbers = torch.arange(start.item(), end.item(), step.item(), dtype=start.dtype)
    return call.build.constant(numbers)


@converts("Trilu")
def triangle(call: Call) -> Value:
    diagonal = call.numbers(1, "diagonal")[0] if call.has(1) else 0
    function = torch.triu if call.attribute("upper", 1) else torch.tril
    return call.call(function, call.input(), diagonal)


@converts("EyeLike")
def identity_like(call: Call) -> Value:
    rows, columns = call.input().shape
    kind = call.attribute("dtype")
    dtype = call.input().dtype if kind is None else call.dtype(kind)
    shifted = torch.ones(rows, columns).tril(call.attribute("k", 0))
    return call.build.constant(shifted.triu(call.attribute("k", 0)).to(dtype))


@converts("TopK")
def top(call: Call) -> Sequence[Value]:
    x = call.input()
    k = call.numbers(1, "k")[0] if call.has(1) else call.attribute("k")
    largest, ordered = (bool(call.attribute(name, 1)) for name in ("largest", "sorted"))
    found = call.build.calls(torch.topk, x, k, call.axis(-1, x.rank), largest, ordered)
    return [found] if isinstance(found, Value) else found


@converts("ArgMax", "ArgMin")
def extreme_place(call: Call) -> Value:
    if call.attribute("select_last_index", 0):
        call.refuse("asks for the last of equal extremes, and torch gives the first")
    x = call.input()
    function = torch.argmax if call.op == "ArgMax" else torch.argmin
    return call.call(function, x, call.axis(0, x.rank), bool(call.attribute("keepdims", 1)))


@converts("CumSum")
def running_sum(call: Call) -> Value:
    axis = call.numbers(1, "axis")[0]
    if call.attribute("exclusive", 0) or call.attribute("reverse", 0):
        call.refuse("sums backwards or without the element itself, which torch does not")
    return call.call(torch.cumsum, call.input(), axis)
