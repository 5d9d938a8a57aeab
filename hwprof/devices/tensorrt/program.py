"""A TensorRT engine with its inputs and outputs on the GPU, ready to run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from onnx import ModelProto

from hwprof.devices.base import ProfiledRun
from hwprof.devices.gpu.memory import out_of_memory, ran_out
from hwprof.devices.gpu.timing import EventClock, EventTimer, time_events
from hwprof.devices.program import Program
from hwprof.devices.tensorrt.layers import build_profile, layers_of
from hwprof.devices.tensorrt.runtime import last_error, make_profiler
from hwprof.errors import DeviceError, HwprofError, MeasurementError, ModelError, one_line
from hwprof.machine.gpu.driver import CudaContext, CudaError
from hwprof.machine.host import MemoryReading
from hwprof.models.advice import to_run
from hwprof.models.base import Model
from hwprof.models.inputs import tensors_of
from hwprof.models.onnx.cover import nodes_with_work
from hwprof.models.onnx.graph import node_names

PROFILE_WARMUP = 2
# NumPy has no bfloat16: its bits travel as 16-bit integers.
_NUMPY = {
    "FLOAT": np.float32,
    "HALF": np.float16,
    "BF16": np.uint16,
    "INT64": np.int64,
    "INT32": np.int32,
    "INT8": np.int8,
    "UINT8": np.uint8,
    "BOOL": np.bool_,
}


class DriverClock(EventClock):
    """Events of the CUDA driver on a context's stream."""

    def __init__(self, context: CudaContext, flush_bytes: int) -> None:
        """`flush_bytes` is the size of the buffer that `flush` overwrites, 0 for none."""
        self._context = context
        self._start, self._stop = context.event(), context.event()
        self._flush_bytes = flush_bytes
        self._buffer = context.allocate(flush_bytes) if flush_bytes else 0

    def start(self) -> None:
        self._context.record(self._start)

    def stop(self) -> None:
        self._context.record(self._stop)

    def elapsed_s(self) -> float:
        self._context.wait(self._stop)
        return self._context.elapsed_s(self._start, self._stop)

    def flush(self) -> None:
        self._context.fill(self._buffer, self._flush_bytes)
        self._context.synchronise()


class TensorRtProgram(Program):
    """One engine on one stream, fed the same values at every run."""

    def __init__(
        self,
        trt: Any,
        logger: Any,
        engine: Any,
        model: Model,
        proto: ModelProto,
        context: CudaContext,
        flush_bytes: int,
    ) -> None:
        """`engine` is serialised. Raises ModelError, DeviceError or MeasurementError."""
        self._trt = trt
        self._logger = logger
        self._model = model
        self._proto = proto
        self._context = context
        self._cold = flush_bytes > 0
        self._buffers: dict[str, tuple[int, np.ndarray]] = {}
        # The engine needs its runtime alive.
        self._runtime = trt.Runtime(logger)
        self._engine = self._runtime.deserialize_cuda_engine(engine)
        if self._engine is None:
            raise DeviceError(
                f"TensorRT {trt.__version__} does not load the engine of '{model.path.name}': "
                f"{last_error(logger)}; clear the folder of engines and try again"
            )
        self._execution = self._engine.create_execution_context()
        if self._execution is None:
            text = last_error(logger)
            if ran_out(text):
                raise out_of_memory(model.path.name, text)
            raise DeviceError(f"TensorRT cannot run '{model.path.name}': {text}; restart and retry")
        try:
            self._clock = DriverClock(context, flush_bytes)
            self._bind()
        except CudaError as error:
            raise self.explain(error) from error

    def _bind(self) -> None:
        """Give every input and output its memory, and upload the inputs."""
        inputs = tensors_of(self._model)
        for index in range(self._engine.num_io_tensors):
            name = self._engine.get_tensor_name(index)
            kind = self._engine.get_tensor_dtype(name).name
            if kind not in _NUMPY:
                raise ModelError(
                    f"'{name}' of '{self._model.path.name}' has type {kind}, which cannot be fed; "
                    "export the model with float, integer or boolean inputs and outputs"
                )
            shape = tuple(self._execution.get_tensor_shape(name))
            if any(size < 0 for size in shape):
                raise ModelError(
                    f"the shape of '{name}' of '{self._model.path.name}' depends on values; "
                    "measure it on another device, such as onnxruntime-cuda"
                )
            value = np.zeros(shape, _NUMPY[kind])
            if name in inputs:
                value = _encoded(inputs[name], kind)
            address = self._context.allocate(value.nbytes)
            self._context.upload(address, value)
            self._execution.set_tensor_address(name, address)
            self._buffers[name] = (address, value)

    def enqueue(self) -> None:
        """Put one run on the stream. Raises DeviceError when TensorRT refuses."""
        if not self._execution.execute_async_v3(self._context.stream):
            raise self.explain(MeasurementError(last_error(self._logger)))

    def run(self) -> object:
        self.enqueue()
        self._context.synchronise()
        return None

    def timer(self, threads: int) -> EventTimer:
        return EventTimer(self._clock, self.enqueue, self._cold)

    def outputs(self) -> Sequence[np.ndarray]:
        self.run()
        found = []
        for output in self._proto.graph.output:
            address, host = self._buffers[output.name]
            value = np.empty_like(host)
            self._context.download(value, address)
            bf16 = self._engine.get_tensor_dtype(output.name).name == "BF16"
            found.append(_decoded(value) if bf16 else value)
        return found

    def accelerator_peak(self) -> MemoryReading:
        return MemoryReading(None, "TensorRT does not count the memory that it takes")

    def explain(self, error: Exception) -> HwprofError:
        name = self._model.path.name
        if ran_out(str(error)):
            return out_of_memory(name, str(error))
        return MeasurementError(
            f"'{name}' opens in TensorRT but does not run: {one_line(error)}; "
            f"{to_run(str(error), self._model.subject.inputs)}"
        )

    def profile(self, runs: int) -> ProfiledRun:
        profiler = make_profiler(self._trt)
        self._execution.profiler = profiler
        for _ in range(PROFILE_WARMUP):
            self.run()
        reported, wall_s = [], np.empty(runs)
        for i in range(runs):
            profiler.layers = []
            # The profiler reports when a run is enqueued, and waits for it.
            wall_s[i] = time_events(self._clock, self.enqueue, 1, 1).wall_s[0]
            reported.append(list(profiler.layers))
        inspector = self._engine.create_engine_inspector()
        text = inspector.get_engine_information(self._trt.LayerInformationFormat.JSON)
        profile = build_profile(
            layers_of(text),
            reported,
            wall_s,
            node_names(self._proto.graph),
            nodes_with_work(self._proto),
        )
        return ProfiledRun(
            profile,
            planned_activation_bytes=int(self._engine.device_memory_size_v2),
            mapping="by the node names that TensorRT keeps with each layer",
        )

    def close(self) -> None:
        # In this order: the engine's memory goes before the context that it lies in.
        self._execution = self._engine = self._runtime = None
        self._buffers.clear()
        self._context.close()


def _encoded(value: np.ndarray, kind: str) -> np.ndarray:
    """An input as TensorRT's type `kind`; bfloat16 is the upper half of float32's bits."""
    if kind == "BF16":
        bits = np.ascontiguousarray(value, np.float32).view(np.uint32)
        return np.ascontiguousarray(bits >> 16, dtype=np.uint16)
    return np.ascontiguousarray(value, dtype=_NUMPY[kind])


def _decoded(bits: np.ndarray) -> np.ndarray:
    """Bfloat16 bits as float32."""
    return (bits.astype(np.uint32) << 16).view(np.float32)
