"""Opens a model in ONNX Runtime the way the device does, and keeps what it leaves behind."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from hwprof.devices.onnxruntime.kernels import Extras, build_profile
from hwprof.profile import Profile
from hwprof.samples import Samples

LEVELS = {"basic": "ORT_ENABLE_BASIC", "extended": "ORT_ENABLE_EXTENDED", "all": "ORT_ENABLE_ALL"}
LIGHT = Path(onnx.__file__).parent / "backend/test/data/light"

_ELEMENTS = {"tensor(float)": np.float32, "tensor(int32)": np.int32, "tensor(int64)": np.int64}


def _package(name: str) -> Path:
    spec = importlib.util.find_spec(name)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent


_RAPIDOCR = _package("rapidocr_onnxruntime") / "models"

# Path and shape of the one input, where the file leaves it open.
MODELS: Mapping[str, tuple[Path, tuple[int, ...] | None]] = {
    **{
        name: (LIGHT / f"light_{name}.onnx", None)
        for name in ("squeezenet", "shufflenet", "densenet121", "resnet50")
    },
    "det": (_RAPIDOCR / "ch_PP-OCRv4_det_infer.onnx", (1, 3, 96, 96)),
    "rec": (_RAPIDOCR / "ch_PP-OCRv4_rec_infer.onnx", (1, 3, 48, 96)),
    "cls": (_RAPIDOCR / "ch_ppocr_mobile_v2.0_cls_infer.onnx", (1, 3, 48, 192)),
    "magika": (next((_package("magika") / "models").glob("*/model.onnx")), (1, 2048)),
}


@dataclass(frozen=True, slots=True)
class Profiled:
    """A model with the optimised graph and the trace of one profiled session."""

    source: Path
    optimised: Path
    trace: Path
    runs: int

    def build(self, runs: int = 2) -> tuple[Profile, Extras]:
        return build_profile(
            self.source,
            self.optimised,
            self.trace,
            samples=Samples(np.ones(self.runs)),
            warmup=self.runs - runs,
        )


def profile_model(
    source: Path,
    folder: Path,
    level: str = "all",
    *,
    shape: Sequence[int] | None = None,
    runs: int = 3,
    memory_pattern: bool = True,
) -> Profiled:
    """Run a model `runs` times under the profiler; its files lie in `folder` afterwards."""
    optimised = folder / "optimised.onnx"
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.enable_profiling = True
    options.enable_mem_pattern = memory_pattern
    options.profile_file_prefix = str(folder / "trace")
    options.optimized_model_filepath = str(optimised)
    options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, LEVELS[level])
    options.log_severity_level = 3
    for key, value in (
        ("session.optimized_model_external_initializers_file_name", "weights.bin"),
        ("session.optimized_model_external_initializers_min_size_in_bytes", "1024"),
    ):
        options.add_session_config_entry(key, value)
    session = onnxruntime.InferenceSession(str(source), options, providers=["CPUExecutionProvider"])
    feed = {
        each.name: np.ones(shape if shape is not None else each.shape, _ELEMENTS[each.type])
        for each in session.get_inputs()
    }
    for _ in range(runs):
        session.run(None, feed)
    trace = Path(session.end_profiling())
    # Nothing may need the weights from here on.
    (folder / "weights.bin").unlink(missing_ok=True)
    return Profiled(source, optimised, trace, runs)


def save_model(
    path: Path,
    nodes: Sequence[onnx.NodeProto],
    inputs: Mapping[str, Sequence[int | str]],
    outputs: Sequence[str],
    constants: Mapping[str, np.ndarray] | None = None,
    opset: int = 17,
) -> Path:
    """Write a float32 model; outputs are left without shapes."""
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in inputs.items()],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
        [numpy_helper.from_array(value, name) for name, value in (constants or {}).items()],
    )
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid("com.microsoft", 1)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), path)
    return path


def control_flow_model(path: Path, turns: int = 3) -> Path:
    """An If and a Loop whose inner nodes share names and numbers with outer ones."""

    def info(name: str, kind: int, shape: Sequence[int]) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, kind, shape)

    square = [64, 64]
    then = helper.make_graph(
        [
            helper.make_node("Add", ["y", "row"], ["t0"], name="first"),
            helper.make_node("Mul", ["t0", "t0"], ["t1"]),
        ],
        "then",
        [],
        [info("t1", TensorProto.FLOAT, square)],
    )
    other = helper.make_graph(
        [
            helper.make_node("Sub", ["y", "row"], ["e0"], name="first"),
            helper.make_node("Relu", ["e0"], ["e1"]),
        ],
        "else",
        [],
        [info("e1", TensorProto.FLOAT, square)],
    )
    body = helper.make_graph(
        [
            helper.make_node("MatMul", ["v", "w"], ["v1"], name="product"),
            helper.make_node("Tanh", ["v1"], ["v2"]),
            helper.make_node("Identity", ["go"], ["still"]),
        ],
        "body",
        [
            info("i", TensorProto.INT64, []),
            info("go", TensorProto.BOOL, []),
            info("v", TensorProto.FLOAT, square),
        ],
        [info("still", TensorProto.BOOL, []), info("v2", TensorProto.FLOAT, square)],
    )
    nodes = [
        helper.make_node("Relu", ["x"], ["y"]),
        helper.make_node("ReduceSum", ["y"], ["s"], keepdims=0, name="total"),
        helper.make_node("Greater", ["s", "zero"], ["positive"]),
        helper.make_node(
            "If", ["positive"], ["b"], then_branch=then, else_branch=other, name="choose"
        ),
        helper.make_node("Loop", ["turns", "yes", "b"], ["l"], body=body, name="again"),
        helper.make_node("MatMul", ["l", "w"], ["m"], name="product"),
        helper.make_node("Tanh", ["m"], ["out"]),
    ]
    constants = {
        "w": np.full(square, 0.01, np.float32),
        "row": np.ones(64, np.float32),
        "zero": np.array(0, np.float32),
        "turns": np.array(turns, np.int64),
        "yes": np.array(True),
    }
    return save_model(path, nodes, {"x": square}, ["out"], constants)
