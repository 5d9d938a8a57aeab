"""ONNX models in a lower precision, by ONNX Runtime's own tools: `python -m ... IN OUT PRECISION`.

A process of its own does it: calibrating opens sessions and fills memory that would otherwise count
as the measured model's.

- fp16: `onnxruntime.transformers.float16.convert_float_to_float16`, inputs and outputs kept.
- int8: `onnxruntime.quantization.quantize_static`: QDQ, per channel, min-max calibrated on the
  inputs that are timed. Latency does not depend on the scales; accuracy does, and is not
  judged. Weights of 7 bits (`reduce_range`) would avoid saturation on processors without VNNI; 8
  bits are what deployments use.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from hwprof.children import bound
from hwprof.codec import from_json, to_json
from hwprof.errors import DeviceError, HwprofError, ModelError
from hwprof.measurement import Subject
from hwprof.models.base import Model
from hwprof.models.inputs import tensors_of
from hwprof.models.inputs.stored import read_values, write_values
from hwprof.models.onnx.file import parse, read_with_weights
from hwprof.models.onnx.graph import opset_of
from hwprof.telemetry import opt_out


def in_precision(model: Model, precision: str, folder: Path) -> Path:
    """A model in another precision, written into `folder` by a fresh process.

    Raises ModelError with the tool's reason when it cannot convert the model.
    """
    source, target = model.path, folder / f"{precision}.onnx"
    values = folder / "values"
    write_values(model.given, values)
    command = [sys.executable, "-P", "-m", __name__]
    command += [str(source), str(target), precision, str(values)]
    stdin = to_json(model.subject)
    done = subprocess.run(bound(command), input=stdin, capture_output=True, check=False)
    if done.returncode == 0 and target.exists():
        return target
    lines = done.stderr.decode(errors="replace").strip().splitlines()
    reason = lines[-1][:300].rstrip(" .") if lines else f"it ended with code {done.returncode}"
    raise ModelError(
        f"onnxruntime's tools cannot convert '{source.name}' to {precision}: {reason}; "
        "convert the model yourself and measure the result with precision=native"
    )


# Scales per channel came with it.
QDQ_OPSET = 13
IR_VERSION = 8


class OneInput:
    """A calibration reader (`onnxruntime.quantization.CalibrationDataReader`) of one sample."""

    def __init__(self, feed: dict[str, np.ndarray]) -> None:
        self._feeds: Iterator[dict[str, np.ndarray]] = iter([feed])

    def get_next(self) -> dict[str, np.ndarray] | None:
        return next(self._feeds, None)


def to_fp16(source: Path, target: Path) -> None:
    """Write `source` with floats of 16 bits. Raises what the converter raises."""
    import onnx
    from onnxruntime.transformers.float16 import convert_float_to_float16

    model: Any = read_with_weights(source)
    onnx.save(convert_float_to_float16(model, keep_io_types=True), str(target))


def folded(source: Path, target: Path) -> Path:
    """Write `source` with constant subgraphs folded into weights, which the quantiser looks for.

    ONNX Runtime's basic optimisations do it and keep the names. They are not the quantiser's own
    preparation (`quant_pre_process`), which loses weights that old models list as inputs.
    """
    import onnx
    import onnxruntime

    model = read_with_weights(source)
    weights = {t.name for t in model.graph.initializer}
    kept = [i for i in model.graph.input if i.name not in weights]
    del model.graph.input[:]
    model.graph.input.extend(kept)
    # Before version 4 of the format every weight had to be an input as well.
    model.ir_version = max(model.ir_version, IR_VERSION)
    listed = target.with_suffix(".listed.onnx")
    onnx.save(model, str(listed))
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(target)
    options.log_severity_level = 4
    onnxruntime.InferenceSession(str(listed), options, providers=["CPUExecutionProvider"])
    plain = read_with_weights(target)
    if opset_of(plain) < QDQ_OPSET:
        onnx.save(onnx.version_converter.convert_version(plain, QDQ_OPSET), str(target))
    return target


def to_int8(model: Model, target: Path) -> None:
    """Write `model` statically quantised. Raises what the quantiser raises."""
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static

    quantize_static(
        str(folded(model.path, target.with_suffix(".folded.onnx"))),
        str(target),
        OneInput(tensors_of(model)),
        quant_format=QuantFormat.QDQ,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        per_channel=True,
    )


def quantised_share(path: Path) -> tuple[int, int]:
    """How many of a QDQ model's convolutions and matrix products read quantised data, of all."""
    graph = parse(path).graph
    dequantised = {
        name for node in graph.node if node.op_type == "DequantizeLinear" for name in node.output
    }
    heavy = [node for node in graph.node if node.op_type in ("Conv", "MatMul", "Gemm")]
    return sum(node.input[0] in dequantised for node in heavy), len(heavy)


def main(arguments: list[str]) -> None:
    source, target, precision = Path(arguments[0]), Path(arguments[1]), arguments[2]
    subject = from_json(sys.stdin.buffer.read(), Subject)
    if precision == "fp16":
        to_fp16(source, target)
    elif precision == "int8":
        to_int8(Model(source, subject, given=read_values(Path(arguments[3]))), target)
        quantised, heavy = quantised_share(target)
        if heavy and not quantised:
            raise DeviceError("the quantiser left every convolution and matrix product in floats")
    else:
        raise DeviceError(f"unknown precision {json.dumps(precision)}")


if __name__ == "__main__":
    opt_out()
    try:
        main(sys.argv[1:])
    except HwprofError as error:
        sys.exit(str(error))
