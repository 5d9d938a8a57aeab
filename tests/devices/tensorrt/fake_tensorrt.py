"""A stand-in for the module `tensorrt`: exactly the interface that hwprof uses, as documented.

An engine is the ONNX model itself with what it was built with; running it runs ONNX Runtime on the
addresses that were bound, which the stand-in for the CUDA driver gave from the host's memory.
"""

from __future__ import annotations

import ctypes
import json
from enum import Enum
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto

UNSUPPORTED = "NonMaxSuppression"


class DataType(Enum):
    FLOAT = 0
    HALF = 1
    INT8 = 2
    INT32 = 3
    BOOL = 4
    UINT8 = 5
    INT64 = 8
    BF16 = 7
    FP8 = 6


_KINDS = {
    TensorProto.FLOAT: DataType.FLOAT,
    TensorProto.FLOAT16: DataType.HALF,
    TensorProto.INT64: DataType.INT64,
    TensorProto.INT32: DataType.INT32,
    TensorProto.BOOL: DataType.BOOL,
}
_C = {DataType.FLOAT: np.float32, DataType.HALF: np.float16, DataType.INT64: np.int64}


class ILogger:
    INTERNAL_ERROR, ERROR, WARNING, INFO, VERBOSE = range(5)

    def __init__(self) -> None:
        self.ready = True


class IProfiler:
    def __init__(self) -> None:
        self.ready = True


class BuilderFlag(Enum):
    FP16 = 0
    INT8 = 1
    TF32 = 7
    BF16 = 17


class NetworkDefinitionCreationFlag:
    STRONGLY_TYPED = 1


class ProfilingVerbosity(Enum):
    LAYER_NAMES_ONLY = 0
    NONE = 1
    DETAILED = 2


class LayerInformationFormat(Enum):
    ONELINE = 0
    JSON = 1


class _Config:
    def __init__(self) -> None:
        self.profiling_verbosity = ProfilingVerbosity.LAYER_NAMES_ONLY
        self.flags = {BuilderFlag.TF32}  # on unless cleared, as in the real one

    def set_flag(self, flag: BuilderFlag) -> None:
        self.flags.add(flag)

    def clear_flag(self, flag: BuilderFlag) -> None:
        self.flags.discard(flag)


class _Network:
    def __init__(self, flags: int) -> None:
        self.flags = flags
        self.model = b""


class _Builder:
    def __init__(self, logger: Any, module: FakeTensorRt) -> None:
        assert logger.ready
        self._logger = logger
        self._module = module

    def create_network(self, flags: int = 0) -> _Network:
        return _Network(flags)

    def create_builder_config(self) -> _Config:
        return _Config()

    def build_serialized_network(self, network: _Network, config: _Config) -> Any:
        self._module.built.append((network.flags, frozenset(f.name for f in config.flags)))
        if self._module.build_error:
            self._logger.log(ILogger.ERROR, self._module.build_error)
            return None
        assert config.profiling_verbosity is ProfilingVerbosity.DETAILED
        return network.model


class _Parser:
    def __init__(self, network: _Network, logger: Any) -> None:
        assert logger.ready
        self._network = network
        self._errors: list[Any] = []
        self.num_errors = 0

    def parse(self, model: bytes, path: str) -> bool:
        proto = onnx.load_from_string(model)
        for node in proto.graph.node:
            if node.op_type == UNSUPPORTED:
                self._errors.append(
                    SimpleNamespace(
                        desc=lambda: "Assertion failed:\nno importer",
                        node_operator=lambda node=node: node.op_type,
                        node_name=lambda node=node: node.name,
                    )
                )
        self.num_errors = len(self._errors)
        onnx.load_external_data_for_model(proto, str(onnx.__file__ and path.rpartition("/")[0]))
        self._network.model = proto.SerializeToString()
        return not self._errors

    def get_error(self, index: int) -> Any:
        return self._errors[index]


class _Engine:
    device_memory_size_v2 = 4096

    def __init__(self, data: bytes) -> None:
        self.proto = onnx.load_from_string(data)
        graph = self.proto.graph
        weights = {t.name for t in graph.initializer}
        self.tensors = [i for i in graph.input if i.name not in weights] + list(graph.output)
        self.num_io_tensors = len(self.tensors)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(data, options, ["CPUExecutionProvider"])

    def get_tensor_name(self, index: int) -> str:
        return str(self.tensors[index].name)

    def get_tensor_dtype(self, name: str) -> DataType:
        (found,) = (t for t in self.tensors if t.name == name)
        return _KINDS[found.type.tensor_type.elem_type]

    def create_execution_context(self) -> _Context:
        return _Context(self)

    def create_engine_inspector(self) -> Any:
        def information(form: LayerInformationFormat) -> str:
            assert form is LayerInformationFormat.JSON
            return json.dumps({"Layers": layers(self.proto), "Bindings": []})

        return SimpleNamespace(get_engine_information=information)


def layers(proto: onnx.ModelProto) -> list[dict[str, Any]]:
    """Every two nodes are one layer, as if they were fused, described as in version 10."""
    nodes = list(proto.graph.node)
    pairs = [nodes[i : i + 2] for i in range(0, len(nodes), 2)]
    return [
        {
            "Name": " + ".join(node.name for node in pair),
            "LayerType": "gemm" if pair[0].op_type in ("Gemm", "MatMul") else "kgen",
            "Inputs": [
                {
                    "Name": pair[0].input[0],
                    "Location": "Device",
                    "Dimensions": [2, 8],
                    "Format/Datatype": "Row major linear FP32",
                }
            ],
            "Outputs": [],
            "TacticName": "sm90_xmma_gemm",
            "StreamId": 0,
            "Metadata": "\x1e".join(f"[ONNX Layer: {node.name}]" for node in pair),
        }
        for pair in pairs
    ]


class _Context:
    def __init__(self, engine: _Engine) -> None:
        self._engine = engine
        self._addresses: dict[str, int] = {}
        self.profiler: Any = None

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        (found,) = (t for t in self._engine.tensors if t.name == name)
        if any(d.dim_param for d in found.type.tensor_type.shape.dim) and name in {
            o.name for o in self._engine.proto.graph.output
        }:
            # The real one works output shapes out of the input's, which are fixed by now.
            shape = self._engine.session.run([name], self._feed())[0].shape
            return tuple(shape)
        return tuple(d.dim_value or -1 for d in found.type.tensor_type.shape.dim)

    def _feed(self) -> dict[str, np.ndarray]:
        outputs = {o.name for o in self._engine.proto.graph.output}
        feed = {}
        for tensor in self._engine.tensors:
            if tensor.name not in outputs:
                kind = self._engine.get_tensor_dtype(tensor.name)
                shape = tuple(d.dim_value for d in tensor.type.tensor_type.shape.dim)
                feed[tensor.name] = np.zeros(shape, _C[kind])
        return feed

    def set_tensor_address(self, name: str, address: int) -> bool:
        self._addresses[name] = address
        return True

    def execute_async_v3(self, stream_handle: int) -> bool:
        assert stream_handle
        engine = self._engine
        outputs = [o.name for o in engine.proto.graph.output]
        feed = {}
        for name, empty in self._feed().items():
            ctypes.memmove(empty.ctypes.data, self._addresses[name], empty.nbytes)
            feed[name] = empty
        for name, value in zip(outputs, engine.session.run(outputs, feed), strict=True):
            data = np.ascontiguousarray(value)
            ctypes.memmove(self._addresses[name], data.ctypes.data, data.nbytes)
        if self.profiler is not None:
            assert self.profiler.ready
            for number, layer in enumerate(layers(engine.proto)):
                self.profiler.report_layer_time(layer["Name"], 0.5 + number)
        return True


class FakeTensorRt:
    """The module. `built` holds the network's and the builder's flags of each engine built."""

    DataType = DataType
    ILogger = ILogger
    IProfiler = IProfiler
    BuilderFlag = BuilderFlag
    NetworkDefinitionCreationFlag = NetworkDefinitionCreationFlag
    ProfilingVerbosity = ProfilingVerbosity
    LayerInformationFormat = LayerInformationFormat
    OnnxParser = _Parser

    def __init__(self, version: str = "10.9.0.34") -> None:
        self.__version__ = version
        self.built: list[tuple[int, frozenset[str]]] = []
        self.build_error = ""

    def Builder(self, logger: Any) -> _Builder:
        return _Builder(logger, self)

    def Runtime(self, logger: Any) -> Any:
        def deserialize(data: bytes) -> _Engine | None:
            try:
                return _Engine(bytes(data))
            except Exception:
                logger.log(ILogger.ERROR, "magicTag mismatch")
                return None

        return SimpleNamespace(deserialize_cuda_engine=deserialize)
