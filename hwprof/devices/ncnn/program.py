"""A converted model in one ncnn network: feeding it, running it, and timing its layers."""

from __future__ import annotations

import time
from collections.abc import Sequence
from types import ModuleType
from typing import Any

import numpy as np

from hwprof.convert.ncnn.conversion import Converted
from hwprof.devices.base import ProfiledRun
from hwprof.devices.profiled_runs import time_steps
from hwprof.devices.program import Program
from hwprof.errors import DeviceError, MeasurementError, ModelError
from hwprof.models.advice import to_run
from hwprof.models.base import Model
from hwprof.models.inputs import tensors_of
from hwprof.models.outputs import DeclaredOutput, declared_outputs
from hwprof.samples import FloatArray

# Extractor.extract: hand the tensor out as it lies in memory, packed or not.
AS_IT_LIES = 1
PROFILE_WARMUP = 2


class NcnnProgram(Program):
    """One model in one ncnn network, fed the same inputs at every run.

    A run makes an extractor, as every program that uses ncnn does, and extracts each output.
    """

    def __init__(
        self, runtime: ModuleType, model: Model, files: Converted, threads: int, fp16: bool
    ) -> None:
        """Load the converted model; its files are not needed afterwards. Raises ModelError."""
        self._runtime = runtime
        self._model = model
        self._name = model.path.name
        self._files = files
        self._threads = threads
        self._net: Any = runtime.Net()
        options = self._net.opt
        options.num_threads = threads
        options.use_vulkan_compute = False
        options.use_fp16_packed = options.use_fp16_storage = options.use_fp16_arithmetic = fp16
        options.use_bf16_packed = options.use_bf16_storage = False
        if self._net.load_param(str(files.param)) or self._net.load_model(str(files.weights)):
            raise ModelError(
                f"ncnn does not load what pnnx made of '{self._name}'; export the model with other "
                "operators, or choose another device"
            )
        # The extractors of profiled runs share it: tensors of the network's own pool would be
        # copied whenever one is handed out.
        self._pool: Any = runtime.UnlockedPoolAllocator()
        self._feed = self._inputs()
        self._declared = self._declared_outputs()

    def _inputs(self) -> list[tuple[str, Any]]:
        """Names and tensors of the inputs, in ncnn's own memory.

        pnnx numbers inputs as the model file does, those that nothing reads included.
        """
        specs, names = self._model.subject.inputs, self._files.inputs
        if len(specs) != len(names):
            raise ModelError(
                f"pnnx made {len(names)} inputs of the {len(specs)} of '{self._name}'; "
                "choose another device"
            )
        known = set(self._net.input_names())
        feed = []
        values = tensors_of(self._model).values()
        for value, (name, batch) in zip(values, names.items(), strict=True):
            value = value.astype(np.float32 if value.dtype.kind == "f" else np.int32)
            if name in known:
                mat = self._runtime.Mat(value, batch_index=batch)
                feed.append((name, mat.clone()))
        return feed

    def _declared_outputs(self) -> tuple[DeclaredOutput, ...]:
        declared = declared_outputs(self._model)
        if len(declared) != len(self._files.outputs):
            raise ModelError(
                f"pnnx made {len(self._files.outputs)} outputs of the {len(declared)} of "
                f"'{self._name}'; choose another device"
            )
        return declared

    def _extractor(self) -> Any:
        extractor = self._net.create_extractor()
        for name, value in self._feed:
            extractor.input(name, value)
        return extractor

    def run(self) -> object:
        extractor = self._extractor()
        found = []
        for name in self._files.outputs:
            code, mat = extractor.extract(name)
            if code != 0:
                raise MeasurementError(self._failed(code))
            found.append(mat)
        return found

    def _failed(self, code: int) -> str:
        return (
            f"'{self._name}' opens but does not run: ncnn gives error code {code}; "
            f"{to_run('', self._model.subject.inputs)}"
        )

    def outputs(self) -> Sequence[np.ndarray]:
        mats: Any = self.run()
        found = []
        batches = self._files.outputs.values()
        for mat, batch, declared in zip(mats, batches, self._declared, strict=True):
            if mat.empty():
                raise DeviceError(
                    f"ncnn gives no values for output '{declared.name}' of '{self._name}'; "
                    "use --no-check-outputs to measure without comparing"
                )
            # ncnn knows how wide its numbers are, not whether they are whole.
            whole = declared.whole and mat.elembits() == 32
            value = np.array(mat.numpy("i" if whole else "", batch_index=batch))
            found.append(declared.dress(value))
        return found

    def profile(self, runs: int) -> ProfiledRun:
        # Imported here: timing does not need it.
        from hwprof.devices.ncnn.kernels import Trace, build_profile

        layers = [layer for layer in self._files.layers if layer.kind != "Input"]
        tops = [layer.writes[0] for layer in layers]
        mats = self._described(tops)
        times = time_steps(
            lambda: self._layer_durations(tops), len(tops), runs, self._threads, PROFILE_WARMUP
        )
        return build_profile(self._model, Trace(layers, mats, times))

    def _layer_durations(self, tops: Sequence[str]) -> FloatArray:
        """Seconds of each layer of one run.

        Extracting a tensor runs the layers that are missing for it: asked for one after the
        other, each extraction runs one layer. What is handed out is dropped at once and shares
        memory with the run, so that layers may go on working in place.
        """
        clock = time.perf_counter_ns
        extractor = self._extractor()
        extractor.set_blob_allocator(self._pool)
        extract = extractor.extract
        ends = np.empty(len(tops) + 1, np.int64)
        ends[0] = clock()
        for number, top in enumerate(tops, 1):
            extract(top, AS_IT_LIES)
            ends[number] = clock()
        durations: FloatArray = np.diff(ends) * 1e-9
        return durations

    def _described(self, tops: Sequence[str]) -> dict[str, Any]:
        """One run that times nothing: the tensor that each layer writes first, as it lies."""
        extractor = self._extractor()
        extractor.set_blob_allocator(self._pool)
        mats = dict(self._feed)
        for top in tops:
            code, mats[top] = extractor.extract(top, AS_IT_LIES)
            if code != 0:
                raise MeasurementError(self._failed(code))
        return mats

    def close(self) -> None:
        self._feed = []
        if self._net is not None:
            self._net.clear()
        self._net = None
        self._pool = None
