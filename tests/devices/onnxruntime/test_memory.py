"""Peak memory of a model with 100 MB of weights, in a fresh worker: where the bytes go."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from hwprof.measurement import Memory
from hwprof.models.load import load_model
from hwprof.targets.worker import WorkerTarget

WIDTH, LAYERS = 2500, 4
WEIGHTS = LAYERS * WIDTH * WIDTH * 4


def stacked(path: Path, rows: int) -> Path:
    """MatMuls of [rows, WIDTH] with square weights, a Relu after each."""
    weights, nodes, last = [], [], "x"
    for layer in range(LAYERS):
        values = np.full((WIDTH, WIDTH), 1e-4 * (layer + 1), np.float32)
        weights.append(numpy_helper.from_array(values, f"w{layer}"))
        nodes.append(helper.make_node("MatMul", [last, f"w{layer}"], [f"m{layer}"]))
        nodes.append(helper.make_node("Relu", [f"m{layer}"], [last := f"y{layer}"]))
    shape = [rows, WIDTH]
    graph = helper.make_graph(
        nodes,
        "stacked",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(last, TensorProto.FLOAT, shape)],
        weights,
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(proto, str(path))
    return path


def measured(model: Path) -> tuple[Memory, int, int]:
    """Memory of the timed session, and bytes of weights and of planned activations."""
    with WorkerTarget("cpu:threads=1").start(load_model(model)) as run:
        run.time(2)
        memory = run.memory()
        profiled = run.profile(1)
    assert profiled.weights_bytes is not None
    assert profiled.planned_activation_bytes is not None
    return memory, profiled.weights_bytes, profiled.planned_activation_bytes


def test_weights_and_activations_are_told_apart(tmp_path: Path) -> None:
    peaks = {}
    for rows in (1, 2000):
        memory, weights, activations = measured(stacked(tmp_path / f"{rows}.onnx", rows))
        assert weights == WEIGHTS
        assert activations == 2 * rows * WIDTH * 4, "a layer's input and output live at once"
        if memory.peak_bytes is None:
            pytest.skip(str(memory.absent))
        peaks[rows] = memory.peak_bytes
    # While a file is read its weights are there up to twice: as read, and as packed.
    assert 1.0 * WEIGHTS < peaks[1] < 2.5 * WEIGHTS
    # Beside the planned activations there are the input and the output, which are as large here.
    assert 1.0 * activations < peaks[2000] - peaks[1] < 4.0 * activations
