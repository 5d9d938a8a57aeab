"""A model in LiteRT's interpreter: fed once, run in place, read out in ONNX's layout."""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType
from typing import Any

import numpy as np

from hwprof.devices.base import ProfiledRun
from hwprof.devices.litert.runtime import (
    memory_advice,
    out_of_memory,
    short_reason,
    version,
)
from hwprof.devices.litert.source import Source
from hwprof.devices.program import Program
from hwprof.errors import DeviceError, HwprofError, MeasurementError, ModelError
from hwprof.models.advice import to_run
from hwprof.models.base import Model
from hwprof.models.inputs import tensors_of


class LiteRtProgram(Program):
    """One model in one interpreter.

    Inputs are written once: LiteRT keeps them, as its own benchmark tool relies on. What is timed
    is the computation alone, with images handed over channels last, as LiteRT models take them.
    """

    def __init__(
        self, runtime: ModuleType, model: Model, source: Source, threads: int, xnnpack: bool
    ) -> None:
        """Raises ModelError, DeviceError or MeasurementError with the reason it will not open."""
        self._model = model
        self._source = source
        self._settings = threads, xnnpack
        name = model.path.name
        kinds = runtime.OpResolverType
        try:
            self._interpreter = runtime.Interpreter(
                model_path=str(source.path),
                num_threads=threads,
                experimental_op_resolver_type=(
                    kinds.BUILTIN if xnnpack else kinds.BUILTIN_WITHOUT_DEFAULT_DELEGATES
                ),
            )
            self._resize()
            self._interpreter.allocate_tensors()
        except Exception as error:  # ValueError and RuntimeError, whatever is wrong
            if out_of_memory(error):
                raise MeasurementError(memory_advice(name)) from error
            raise ModelError(
                f"ai-edge-litert {version()} cannot open '{name}': {short_reason(error)}; "
                "convert it for operators that this version supports"
            ) from error
        if xnnpack and not self._delegated():
            self.close()
            raise DeviceError(
                f"XNNPACK computes no operator of '{name}', so that LiteRT's own kernels would "
                "be measured in its name; ask for them with delegate=none"
            )
        self._feed()

    def _resize(self) -> None:
        """Fix open dimensions, and any others, to those of the subject."""
        self.resized = False
        for detail, spec, order in zip(
            self._interpreter.get_input_details(),
            self._model.subject.inputs,
            self._source.input_orders,
            strict=True,
        ):
            shape = [spec.shape[d] for d in order]
            if list(detail["shape"]) != shape:
                self._interpreter.resize_tensor_input(detail["index"], shape)
                self.resized = True

    def _delegated(self) -> bool:
        return any(op["op_name"] == "DELEGATE" for op in self._interpreter._get_ops_details())

    def _feed(self) -> None:
        for detail, array in zip(
            self._interpreter.get_input_details(), self._arrays(), strict=True
        ):
            self._interpreter.set_tensor(detail["index"], array)

    def _arrays(self) -> list[np.ndarray]:
        """The inputs as they lie in LiteRT's tensors."""
        values = tensors_of(self._model).values()
        pairs = zip(values, self._source.input_orders, strict=True)
        return [np.ascontiguousarray(value.transpose(order)) for value, order in pairs]

    def run(self) -> object:
        self._interpreter.invoke()
        return None

    def outputs(self) -> Sequence[np.ndarray]:
        self._interpreter.invoke()
        details = self._interpreter.get_output_details()
        arrays = [self._interpreter.get_tensor(detail["index"]) for detail in details]
        orders = self._source.output_orders
        if orders is None:
            return arrays
        return [a.transpose(np.argsort(order)) for a, order in zip(arrays, orders, strict=True)]

    def profile(self, runs: int) -> ProfiledRun:
        # Imported here: timing does not need it.
        from hwprof.devices.litert.partitions import partitions_of
        from hwprof.devices.litert.profiling import profile

        shapes = None
        if self.resized:
            shapes = [tuple(int(d) for d in t["shape"]) for t in self._tensor_details()]
        partitions = partitions_of(self._interpreter._get_ops_details())
        # The timed interpreter goes first: two copies of the weights may not fit.
        self._interpreter = None
        threads, xnnpack = self._settings
        return profile(self._source, self._arrays(), threads, xnnpack, shapes, partitions, runs)

    def _tensor_details(self) -> list[dict[str, Any]]:
        details: list[dict[str, Any]] = self._interpreter.get_tensor_details()
        return details

    def explain(self, error: Exception) -> HwprofError:
        name = self._model.path.name
        if out_of_memory(error):
            return MeasurementError(memory_advice(name))
        return MeasurementError(
            f"'{name}' opens but does not run: {short_reason(error)}; "
            f"{to_run(str(error), self._model.subject.inputs)}"
        )

    def close(self) -> None:
        self._interpreter = None
