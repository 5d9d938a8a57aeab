"""Faults to plant in a model of any number format, for scripts/check_agreement.py.

Each is one that runtimes and converters have had: a wrong weight, a lost activation, a zero point
that is not the file's, an output whose dimensions are turned.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper

SHIFT = 8
"""Steps by which a zero point is shifted."""
_SMALL = 64
_INTEGERS = (TensorProto.INT8, TensorProto.UINT8, TensorProto.INT4, TensorProto.UINT4)


@dataclass(frozen=True)
class Fault:
    """A model with a fault; `turned` where its outputs' dimensions are to be turned as well."""

    kind: str
    where: str
    model: onnx.ModelProto
    turned: bool = False


def faults(model: onnx.ModelProto) -> Iterator[Fault]:
    """Every fault there is a place for."""
    for name in weights(model):
        for kind, change in CHANGES.items():
            changed = _changed(model, name, change)
            if changed is not None:
                yield Fault(f"weight {kind}", name, changed)
    yield from activations_lost(model)
    yield from zero_points_shifted(model)
    yield Fault("output transposed", "y", model, turned=True)


def weights(model: onnx.ModelProto) -> list[str]:
    """Names of the weight tensors of convolutions and products, quantised or not."""
    read = {
        name
        for node in model.graph.node
        if node.op_type not in ("Reshape", "LayerNormalization")
        for name in node.input
    }
    return [
        tensor.name
        for tensor in model.graph.initializer
        if len(tensor.dims) >= 2
        and np.prod(tensor.dims) >= _SMALL
        and tensor.name in read
        and not _is_scale(model, tensor.name)
    ]


def _is_scale(model: onnx.ModelProto, name: str) -> bool:
    """Scales and zero points of blocks have two dimensions as well."""
    return any(
        (name in list(node.input)[1:] and node.op_type in ("DequantizeLinear", "QuantizeLinear"))
        or (name in list(node.input)[2:] and node.op_type == "MatMulNBits")
        for node in model.graph.node
    )


def _output_axis(array: np.ndarray) -> int:
    """Convolutions have their outputs first, matrix products last."""
    return 0 if array.ndim != 2 else array.ndim - 1


def _scaled(array: np.ndarray) -> np.ndarray:
    return array * 1.5


def _zeroed(array: np.ndarray) -> np.ndarray:
    made = np.moveaxis(array.copy(), _output_axis(array), 0)
    made[0] = 0
    return np.moveaxis(made, 0, _output_axis(array))


def _permuted(array: np.ndarray) -> np.ndarray:
    """The weights of one output in reversed order."""
    made = np.moveaxis(array.copy(), _output_axis(array), 0)
    made[0] = made[0].ravel()[::-1].reshape(made[0].shape)
    return np.moveaxis(made, 0, _output_axis(array))


def _rotated(array: np.ndarray) -> np.ndarray:
    """Every output has its neighbour's weights."""
    return np.roll(array, 1, _output_axis(array))


CHANGES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "scaled by 1.5": _scaled,
    "of one channel zeroed": _zeroed,
    "of one channel permuted": _permuted,
    "rotated by a channel": _rotated,
}


def _copy(model: onnx.ModelProto) -> onnx.ModelProto:
    made = onnx.ModelProto()
    made.CopyFrom(model)
    return made


def _changed(
    model: onnx.ModelProto, name: str, change: Callable[[np.ndarray], np.ndarray]
) -> onnx.ModelProto | None:
    """The model with one weight changed; None where its packing has no channels to change."""
    made = _copy(model)
    tensor = next(t for t in made.graph.initializer if t.name == name)
    packed = [n for n in made.graph.node if n.op_type == "MatMulNBits" and n.input[1] == name]
    if packed and change in (_scaled, _permuted):
        if change is _permuted:
            return None
        tensor = next(t for t in made.graph.initializer if t.name == packed[0].input[2])
    array = numpy_helper.to_array(tensor)
    if packed and change is not _scaled:
        # Outputs come first, and a half byte of 8 is a zero.
        value = np.roll(array, 1, 0) if change is _rotated else array.copy()
        if change is _zeroed:
            value[0] = 0x88
    elif tensor.data_type in _INTEGERS:
        low, high = _range(tensor.data_type)
        value = np.clip(np.round(change(array.astype(np.float32))), low, high)
    else:
        value = change(array.astype(np.float64))
    kept = np.ascontiguousarray(value).astype(array.dtype)
    tensor.CopyFrom(numpy_helper.from_array(kept, tensor.name))
    return made


def _range(kind: int) -> tuple[int, int]:
    return {
        TensorProto.INT8: (-128, 127),
        TensorProto.UINT8: (0, 255),
        TensorProto.INT4: (-8, 7),
        TensorProto.UINT4: (0, 15),
    }[kind]


def activations_lost(model: onnx.ModelProto) -> Iterator[Fault]:
    """Each Relu, Sigmoid and Softmax left out; where saturation does a Relu's work, it as well."""
    stored = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    for index, node in enumerate(model.graph.node):
        if node.op_type in ("Relu", "Sigmoid", "Softmax"):
            yield Fault("activation lost", node.output[0], _without(model, [index]))
        elif node.op_type == "QuantizeLinear" and len(node.input) > 2:
            zero = stored.get(node.input[2])
            after = [
                place
                for place, reader in enumerate(model.graph.node)
                if node.output[0] in reader.input
            ]
            makers = {name: n for n in model.graph.node for name in n.output}
            source = makers.get(node.input[0])
            if (
                zero is not None
                and zero.size == 1
                and int(zero) == int(np.iinfo(zero.dtype).min)
                and source is not None
                and source.op_type in ("Conv", "Gemm", "MatMul", "Add")
                and all(model.graph.node[p].op_type == "DequantizeLinear" for p in after)
            ):
                # Negative numbers were cut off here, and now are not.
                yield Fault("activation lost", node.input[0], _without(model, [index, *after]))


def _without(model: onnx.ModelProto, places: list[int]) -> onnx.ModelProto:
    """The model without the nodes at `places`, whose readers get what the first one read."""
    made = _copy(model)
    gone = [made.graph.node[place] for place in places]
    source = gone[0].input[0]
    names = {name for node in gone for name in node.output}
    kept = [node for index, node in enumerate(made.graph.node) if index not in places]
    for node in kept:
        node.input[:] = [source if name in names else name for name in node.input]
    del made.graph.node[:]
    made.graph.node.extend(kept)
    return made


def zero_points_shifted(model: onnx.ModelProto) -> Iterator[Fault]:
    """The zero point of a whole activation, where it is brought back from its steps."""
    stored = {t.name: t for t in model.graph.initializer}
    # By operator: where the zero point of what it reads stands.
    places = {"DequantizeLinear": 2, "QLinearConv": 2, "QLinearMatMul": 2}
    for index, node in enumerate(model.graph.node):
        place = places.get(node.op_type)
        if place is None or len(node.input) <= place or node.input[0] in stored:
            continue
        zero = stored.get(node.input[place])
        if zero is None or np.prod(zero.dims) != 1:
            continue
        value = numpy_helper.to_array(zero)
        middle = value.dtype.type(int(value) + (SHIFT if int(value) < 100 else -SHIFT))
        made = _copy(model)
        name = f"{zero.name}/shifted"
        made.graph.initializer.append(
            numpy_helper.from_array(np.full(value.shape, middle, value.dtype), name)
        )
        made.graph.node[index].input[place] = name
        yield Fault("zero point shifted", node.input[0], made)
