"""What tests of attention spaces share: kernels of a model, its runs, and simulated devices."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import onnx
import onnxruntime
from scipy.stats import spearmanr

from hwprof.graph import Kernel, TensorSpec
from hwprof.models.onnx.attributes import canonical_attributes
from hwprof.models.onnx.elements import onnx_dtype
from hwprof.opcosts import bytes_moved, macs
from hwprof.predictors.fewshot import FewShotPredictor
from hwprof.predictors.pool import DevicePool
from hwprof.spaces.base import Space
from hwprof.spaces.recorder import CONSTANT
from hwprof.spaces.work import NAMES
from hwprof.spaces.work import Work as Counted

Work = tuple[float, float, float]
"""FLOPs, bytes, and the narrowest width of one operation."""


def kernels_of(model: onnx.ModelProto) -> list[Kernel]:
    """Kernels of a model as written, by ONNX shape inference."""
    inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
    graph = inferred.graph
    specs = {
        t.name: TensorSpec(t.name, onnx_dtype(t.data_type), tuple(t.dims), True)
        for t in graph.initializer
    }
    for value in (*graph.input, *graph.value_info, *graph.output):
        kind = value.type.tensor_type
        shape = tuple(d.dim_value for d in kind.shape.dim)
        specs[value.name] = TensorSpec(value.name, onnx_dtype(kind.elem_type), shape)
    kernels = []
    for node in graph.node:
        inputs = tuple(specs[name] for name in node.input)
        outputs = tuple(specs[name] for name in node.output)
        attributes = canonical_attributes(node, inputs, 17)
        kernels.append(Kernel("", node.op_type, attributes, inputs, outputs))
    return kernels


def told(work: Counted | None) -> dict[str, object]:
    """What work holds, the layers in rising order: a network may be written in another one."""
    assert work is not None
    return {**dict(zip(NAMES, work.numbers, strict=True)), "layers": sorted(work.layers)}


def work_of(kernels: Sequence[Kernel]) -> dict[str, object]:
    """What `told` gives of a network, worked out kernel by kernel from `hwprof.opcosts`."""
    found = dict.fromkeys(NAMES, 0)
    layers = []
    for kernel in kernels:
        moved, products = bytes_moved(kernel), macs(kernel)
        assert moved is not None
        assert products is not None
        if not moved.total:
            continue
        shapes = [t.shape for t in kernel.inputs if t is not None]
        alone = kernel.op == "Conv" and shapes[1][1] == 1 < shapes[0][1]
        learned = any(t is not None and t.constant for t in kernel.inputs)
        kind = "depthwise" if alone else "arithmetic" if learned else "attention"
        found[kind] += products
        if alone and math.prod(shapes[1][2:]) > 25:
            found["wide_depthwise"] += products
        found["traffic"] += moved.total
        found["operators"] += 1
        for balance in (2, 4, 8):
            found[f"roofline_{balance}"] += max(products, balance * moved.total)
        layers.append((products, moved.total))
    return {**found, "layers": sorted(layers)}


def learned(model: onnx.ModelProto) -> int:
    """Numbers in the initialisers that training would change."""
    tensors = model.graph.initializer
    return sum(math.prod(t.dims) for t in tensors if not t.name.startswith(CONSTANT))


def session(model: onnx.ModelProto) -> onnxruntime.InferenceSession:
    """A session of one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    data = model.SerializeToString()
    return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])


def product(rows: float, inner: float, columns: float, batch: float = 1) -> Work:
    """A matrix product, both sides read and the result written."""
    moved = rows * inner + inner * columns + rows * columns
    return 2 * batch * rows * inner * columns, 4 * batch * moved, min(inner, columns)


def attention(
    length: int, keys: int, outer: int, memory: int, width: int, heads: int
) -> list[Work]:
    """Projections, scores, softmax, mixture and output of one attention."""
    head = width / heads
    return [
        product(length, outer, width),
        product(keys, memory, 2 * width),
        product(length, head, keys, heads),
        (5 * heads * length * keys, 8 * heads * length * keys, math.inf),
        product(length, keys, head, heads),
        product(length, width, outer),
    ]


def simulated(work: list[list[Work]], devices: int, rng: np.random.Generator) -> np.ndarray:
    """Seconds `[n, devices]` on rooflines with overheads that dislike narrow products."""
    columns = []
    for _ in range(devices):
        peak, bandwidth = 10 ** rng.uniform(10, 12.5), 10 ** rng.uniform(9.5, 11.5)
        start, half = 10 ** rng.uniform(-6.5, -4.5), 10 ** rng.uniform(0.5, 2.5)
        times = []
        for parts in work:
            flops, moved, width = np.array(parts).T
            arithmetic = flops / peak * (1 + half / width)
            times.append(float((np.maximum(arithmetic, moved / bandwidth) + start).sum()))
        columns.append(times)
    clean = np.array(columns).T
    return clean * np.exp(0.02 * rng.standard_normal(clean.shape))


def few_shot(space: Space, rows: np.ndarray, seconds: np.ndarray) -> float:
    """Spearman on the last device, ten of its rows measured and the others its pool."""
    names = [f"device{j}" for j in range(seconds.shape[1] - 1)]
    pool = DevicePool(space.encode(rows), seconds[:, :-1], names)
    predictor = FewShotPredictor.fit(pool, similarity=space.similarity())
    measured = predictor.select(10)
    rest = np.setdiff1d(np.arange(len(rows)), measured)
    adapted = predictor.adapt(measured, seconds[measured, -1])
    return float(spearmanr(adapted.predict(rest).mean_s, seconds[rest, -1])[0])
