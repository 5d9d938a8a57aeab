"""Normalisations: by stored statistics, over a layer, a group or a channel."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from hwprof.convert.torch.builder import Value
from hwprof.convert.torch.call import Call, converts


@converts("BatchNormalization")
def batch_normalisation(call: Call) -> Value:
    if call.attribute("training_mode", 0):
        call.refuse("is in training mode")
    scale, bias = call.input(1), call.input(2)
    mean, variance = call.input(3), call.input(4)
    epsilon = call.attribute("epsilon", 1e-5)
    return call.call(
        F.batch_norm, call.input(), mean, variance, scale, bias, training=False, eps=epsilon
    )


@converts("LayerNormalization")
def layer_normalisation(call: Call) -> Value:
    x = call.input()
    axis = call.axis(-1, x.rank)
    shape = x.shape[axis:]
    scale, bias = (_as_shape(call, call.optional(i), shape) for i in (1, 2))
    return call.call(F.layer_norm, x, shape, scale, bias, call.attribute("epsilon", 1e-5))


@converts("RMSNormalization", "SimplifiedLayerNormalization")
def rms_normalisation(call: Call) -> Value:
    x = call.input()
    shape = x.shape[call.axis(-1, x.rank) :]
    scale = _as_shape(call, call.optional(1), shape)
    return call.call(F.rms_norm, x, shape, scale, call.attribute("epsilon", 1e-5))


@converts("InstanceNormalization")
def instance_normalisation(call: Call) -> Value:
    epsilon = call.attribute("epsilon", 1e-5)
    scale, bias = call.input(1), call.input(2)
    return call.call(F.instance_norm, call.input(), weight=scale, bias=bias, eps=epsilon)


@converts("GroupNormalization")
def group_normalisation(call: Call) -> Value:
    x, groups = call.input(), call.attribute("num_groups")
    scale, bias = call.input(1), call.input(2)
    if call.opset < 21:  # one number per group then, one per channel since
        each = x.shape[1] // groups
        scale = call.call(torch.repeat_interleave, scale, each)
        bias = call.call(torch.repeat_interleave, bias, each)
    return call.call(F.group_norm, x, groups, scale, bias, call.attribute("epsilon", 1e-5))


@converts("LRN")
def local_response(call: Call) -> Value:
    size = call.attribute("size")
    if size % 2 == 0:
        call.refuse("normalises over an even number of channels, which torch centres otherwise")
    alpha, beta = call.attribute("alpha", 1e-4), call.attribute("beta", 0.75)
    return call.call(
        F.local_response_norm, call.input(), size, alpha, beta, call.attribute("bias", 1.0)
    )


@converts("LpNormalization")
def lp_normalisation(call: Call) -> Value:
    x = call.input()
    return call.call(F.normalize, x, float(call.attribute("p", 2)), call.axis(-1, x.rank))


@converts("MeanVarianceNormalization")
def mean_variance(call: Call) -> Value:
    axes = tuple(call.attribute("axes", [0, 2, 3]))
    return call.call(standardised, call.input(), axes)


def standardised(x: torch.Tensor, axes: tuple[int, ...]) -> torch.Tensor:
    """Mean 0 and variance 1 over `axes`."""
    centred = x - x.mean(axes, keepdim=True)
    return centred / (centred.square().mean(axes, keepdim=True).sqrt() + 1e-9)


def _as_shape(call: Call, value: Value | None, shape: tuple[int, ...]) -> Value | None:
    """A scale or shift in exactly the normalised shape, as torch wants it."""
    if value is None or value.shape == shape:
        return value
    return call.call(torch.broadcast_to, value, shape)
