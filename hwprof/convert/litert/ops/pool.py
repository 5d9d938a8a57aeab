"""Pooling, over windows and over the whole image."""

from __future__ import annotations

import numpy as np

from hwprof.convert.litert.conversion import Conversion, refuse
from hwprof.convert.litert.emitter import channels_last, plain
from hwprof.convert.litert.graph import Node
from hwprof.convert.litert.ops.window import (
    Window,
    close_image,
    padded,
    read_image,
    window_of,
    write_image,
)


def max_pool(conversion: Conversion, node: Node) -> None:
    """MAX_POOL_2D; what it pads with never is the largest."""
    emit = conversion.emit
    name, output = node.inputs[0], node.outputs[0]
    refuse(len([o for o in node.outputs if o]) > 1, "gives the places of the maxima")
    window = _window(conversion, node)
    # Zeros may stand for "nothing" where nothing is below them: a faster operator has them.
    filler = 0.0 if name in emit.non_negative else float(np.finfo(np.float32).min)
    number, image = read_image(conversion, name)
    number, padding = padded(conversion, number, name, image, window, filler)
    written, final = write_image(conversion, output)
    emit.operator("MAX_POOL_2D", [number], [written], **_options(window, padding))
    close_image(conversion, written, final, output)
    if name in emit.non_negative:
        emit.non_negative.add(output)


def average_pool(conversion: Conversion, node: Node) -> None:
    """AVERAGE_POOL_2D, which counts no padding; factors where ONNX counts other cells."""
    emit = conversion.emit
    name, output = node.inputs[0], node.outputs[0]
    window = _window(conversion, node)
    counts_padding = bool(node.integer("count_include_pad", 0))
    number, image = read_image(conversion, name)
    written, final = write_image(conversion, output)
    out = emit.shape(output)[2:]
    cells = _cells(window, image, (1, *out)[-2:], counts_padding)
    exact = window.is_same(image[1:3]) and not counts_padding
    number, padding = padded(conversion, number, name, image, window, may_be_same=exact)
    full = window.size[0] * window.size[1]
    options = _options(window, padding)
    if exact or bool(np.all(cells == full)):
        emit.operator("AVERAGE_POOL_2D", [number], [written], **options)
    else:
        shape = (image[0], *cells.shape, image[3])
        pooled = emit.scratch(output, "float32", shape)
        emit.operator("AVERAGE_POOL_2D", [number], [pooled], **options)
        factor = (full / cells)[np.newaxis, :, :, np.newaxis].astype(np.float32)
        factors = emit.constant(factor, f"{node.name}.factors")
        emit.step("MUL", [pooled, factors], [written])
    close_image(conversion, written, final, output)
    if name in emit.non_negative:
        emit.non_negative.add(output)


def global_pool(conversion: Conversion, node: Node) -> None:
    """MEAN or REDUCE_MAX over the spatial dimensions."""
    emit = conversion.emit
    name, output = node.inputs[0], node.outputs[0]
    rank = len(emit.shape(name))
    order = channels_last(rank)
    if set(emit.order(name)[1:-1]) == set(order[1:-1]):
        order = emit.order(name)
    axes = emit.integers([order.index(d) for d in range(2, rank)], "axes")
    code = "MEAN" if node.op == "GlobalAveragePool" else "REDUCE_MAX"
    emit.operator(code, [emit.read(name, order), axes], [emit.place(output, order)], keepDims=True)


def response_normalisation(conversion: Conversion, node: Node) -> None:
    """LOCAL_RESPONSE_NORMALIZATION over the channels.

    ONNX divides alpha by the number of channels summed, LiteRT does not.
    """
    emit = conversion.emit
    size = node.integer("size", 1)
    refuse(size % 2 == 0, "sums an even number of channels")
    name, output = node.inputs[0], node.outputs[0]
    rank = len(emit.shape(name))
    refuse(rank != 4, "has other than 2 spatial dimensions")
    emit.operator(
        "LOCAL_RESPONSE_NORMALIZATION",
        [emit.read(name, channels_last(rank))],
        [emit.place(output, channels_last(rank))],
        radius=size // 2,
        bias=node.number("bias", 1.0),
        alpha=node.number("alpha", 1e-4) / size,
        beta=node.number("beta", 0.75),
    )
    if name in emit.non_negative:
        emit.non_negative.add(output)


def batch_normalisation(conversion: Conversion, node: Node) -> None:
    """MUL and ADD, where no convolution took it in."""
    emit = conversion.emit
    name = node.inputs[0]
    affine = conversion.normalisation(node)
    if affine is None:
        refuse(True, "has statistics that the model computes as it runs")
        return
    shape = emit.shape(name)
    order = channels_last(len(shape)) if len(shape) > 2 else plain(len(shape))
    tail = conversion.tail(node, shape[1], 1)
    scale, shift = affine[0] * tail.scale, affine[1] * tail.scale + tail.shift
    number = emit.read(name, order)
    scaled = emit.scratch(node.outputs[0], "float32", [shape[d] for d in order])
    factor = emit.constant(scale.astype(np.float32), f"{node.name}.scale")
    summand = emit.constant(shift.astype(np.float32), f"{node.name}.shift")
    emit.step("MUL", [number, factor], [scaled])
    written = emit.place(tail.output, order)
    emit.operator("ADD", [scaled, summand], [written], fusedActivationFunction=tail.activation)


def _window(conversion: Conversion, node: Node) -> Window:
    image = conversion.emit.shape(node.inputs[0])[2:]
    out = conversion.emit.shape(node.outputs[0])[2:]
    window = window_of(node, node.integers("kernel_shape", []), image, out)
    refuse(window.dilations != (1, 1), "is dilated")
    return window


def _options(window: Window, padding: str) -> dict[str, object]:
    return {
        "padding": padding,
        "strideH": window.strides[0],
        "strideW": window.strides[1],
        "filterHeight": window.size[0],
        "filterWidth": window.size[1],
    }


def _cells(
    window: Window, image: tuple[int, int, int, int], out: tuple[int, ...], padding_counts: bool
) -> np.ndarray:
    """How many cells ONNX divides by at each place of the output, shape (h, w)."""
    sides = []
    for d in range(2):
        low, high = 0, image[1 + d]
        if padding_counts:
            low, high = -window.before[d], high + window.declared_after[d]
        starts = np.arange(out[d]) * window.strides[d] - window.before[d]
        ends = np.minimum(starts + window.size[d], high)
        sides.append(ends - np.maximum(starts, low))
    return np.outer(sides[0], sides[1])
