"""Convolutions, with what follows them folded in."""

from __future__ import annotations

import numpy as np

from hwprof.convert.litert.conversion import Conversion, refuse
from hwprof.convert.litert.graph import Node
from hwprof.convert.litert.ops.window import (
    VALID,
    close_image,
    padded,
    read_image,
    window_of,
    write_image,
)


def convolution(conversion: Conversion, node: Node) -> None:
    """CONV_2D or, where every channel has filters of its own, DEPTHWISE_CONV_2D."""
    emit = conversion.emit
    name = node.inputs[0]
    weights = emit.constant_of(node.inputs[1], "weights").astype(np.float64)
    refuse(emit.dtype(name) != "float32", f"computes in {emit.dtype(name)}")
    channels, groups = weights.shape[0], node.integer("group", 1)
    window = window_of(
        node, weights.shape[2:], emit.shape(name)[2:], emit.shape(node.outputs[0])[2:]
    )
    bias = np.zeros(channels)
    if node.input(2):
        bias = emit.constant_of(node.input(2), "a bias").astype(np.float64)
    tail = conversion.tail(node, channels, 1)
    scaled = weights * tail.scale.reshape(-1, *[1] * (weights.ndim - 1))
    bias = bias * tail.scale + tail.shift
    if scaled.ndim == 3:
        scaled = scaled[:, :, np.newaxis, :]
    number, image = read_image(conversion, name)
    number, padding = padded(conversion, number, name, image, window)
    written, final = write_image(conversion, tail.output)
    options = {
        "padding": padding,
        "strideH": window.strides[0],
        "strideW": window.strides[1],
        "dilationHFactor": window.dilations[0],
        "dilationWFactor": window.dilations[1],
        "fusedActivationFunction": tail.activation,
    }
    summand = emit.constant(bias.astype(np.float32), f"{node.name}.bias")
    if groups == image[3] and groups > 1:
        code, order = "DEPTHWISE_CONV_2D", (1, 2, 3, 0)
        options["depthMultiplier"] = channels // groups
    else:
        code, order = "CONV_2D", (0, 2, 3, 1)
    filters = emit.constant(scaled.transpose(order).astype(np.float32), node.inputs[1])
    emit.operator(code, [number, filters, summand], [written], **options)
    close_image(conversion, written, final, tail.output)


def transposed_convolution(conversion: Conversion, node: Node) -> None:
    """TRANSPOSE_CONV of the whole result, then the edges cut off that ONNX's padding drops."""
    emit = conversion.emit
    name = node.inputs[0]
    weights = emit.constant_of(node.inputs[1], "weights").astype(np.float64)
    refuse(node.integer("group", 1) != 1, "has groups")
    refuse(weights.ndim != 4, "has other than 2 spatial dimensions")
    refuse(node.integers("dilations", [1, 1]) != [1, 1], "is dilated")
    channels, size = weights.shape[1], weights.shape[2:]
    bias = np.zeros(channels)
    if node.input(2):
        bias = emit.constant_of(node.input(2), "a bias").astype(np.float64)
    out = emit.shape(node.outputs[0])
    strides = node.integers("strides", [1, 1])
    tail = conversion.tail(node, channels, 1)
    scaled = weights * tail.scale.reshape(1, -1, 1, 1)
    bias = bias * tail.scale + tail.shift
    number, image = read_image(conversion, name)
    whole = [(image[1 + d] - 1) * strides[d] + size[d] for d in range(2)]
    start = _cut(node, whole, out[2:])
    refuse(any(start[d] + out[2 + d] > whole[d] for d in range(2)), "pads its output")
    written, _ = write_image(conversion, tail.output)
    cuts = tuple(whole) != out[2:]
    full = emit.scratch(node.outputs[0], "float32", (out[0], *whole, channels)) if cuts else written
    emit.operator(
        "TRANSPOSE_CONV",
        [
            emit.integers((out[0], *whole, channels), "shape"),
            emit.constant(scaled.transpose(1, 2, 3, 0).astype(np.float32), node.inputs[1]),
            number,
            emit.constant(bias.astype(np.float32), f"{node.name}.bias"),
        ],
        [full],
        padding=VALID,
        strideH=strides[0],
        strideW=strides[1],
        fusedActivationFunction=tail.activation,
    )
    if cuts:
        begin = emit.integers((0, *start, 0), "begin")
        extent = emit.integers((out[0], *out[2:], channels), "size")
        emit.step("SLICE", [full, begin, extent], [written])


def _cut(node: Node, whole: list[int], out: tuple[int, ...]) -> list[int]:
    """Rows and columns that fall off at the start of a transposed convolution's result."""
    if node.text("auto_pad", "NOTSET").startswith("SAME") or "output_shape" in node.attributes:
        total = [max(w - o, 0) for w, o in zip(whole, out, strict=True)]
        upper = node.text("auto_pad", "NOTSET") == "SAME_UPPER"
        return [t // 2 if upper else t - t // 2 for t in total]
    return node.integers("pads", [0, 0, 0, 0])[:2]
