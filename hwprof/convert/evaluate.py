"""A third opinion: onnx's own `ReferenceEvaluator`, `python -m hwprof.convert.evaluate ...`.

It is written for being right, in NumPy and one operator after the other, and knows no optimisation.
It runs in a process of its own, for a bounded time: it is slow, and a loop may never end.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

from hwprof.children import bound
from hwprof.codec import CodecError, from_json, to_json
from hwprof.errors import DeviceError, HwprofError, one_line
from hwprof.measurement import Subject
from hwprof.models.base import Model
from hwprof.models.bounded import bounded_memory
from hwprof.models.inputs import feed_of
from hwprof.models.inputs.stored import read_values, write_values
from hwprof.models.onnx.file import read_with_weights
from hwprof.models.onnx.graph import opset_of
from hwprof.models.outputs import OutputTensor, refuse_large

LIMIT_S = 60
LARGEST_BYTES = 200_000_000
# What its operators may take on top: a file of a few bytes may ask for any size.
ROOM_BYTES = 4 << 30
# Of quantised models, it knows the operators of this set on.
QUANTISED_OPSET = 21


def evaluated(model: Model, folder: Path) -> tuple[OutputTensor, ...]:
    """The outputs of an ONNX model by `onnx.reference.ReferenceEvaluator`, through `folder`.

    Raises DeviceError with the reason there are none.
    """
    if model.needed_bytes > LARGEST_BYTES:
        raise DeviceError("the model is too large for it")
    target, values = folder / "evaluated.json", folder / "values"
    write_values(model.given, values)
    command = [sys.executable, "-P", "-m", __name__, str(model.path), str(target), str(values)]
    try:
        done = subprocess.run(
            bound(command),
            input=to_json(model.subject),
            capture_output=True,
            check=False,
            timeout=LIMIT_S,
        )
    except subprocess.TimeoutExpired as error:
        raise DeviceError(f"it takes more than {LIMIT_S} s") from error
    if done.returncode != 0 or not target.exists():
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        raise DeviceError(lines[-1][:200] if lines else f"it ended with code {done.returncode}")
    try:
        return from_json(target.read_bytes(), tuple[OutputTensor, ...])
    except CodecError as error:
        raise DeviceError(f"its outputs are unreadable ({error})") from error


def evaluate(model: Model) -> tuple[OutputTensor, ...]:
    """As `evaluated`, in this process. Raises what the evaluator raises."""
    import onnx
    from onnx.reference import ReferenceEvaluator

    proto: Any = read_with_weights(model.path)
    feed = feed_of(model)
    with bounded_memory(ROOM_BYTES):
        try:
            found = ReferenceEvaluator(proto).run(None, feed)
        except RuntimeError:
            if opset_of(proto) >= QUANTISED_OPSET:
                raise
            newer = onnx.version_converter.convert_version(proto, QUANTISED_OPSET)
            found = ReferenceEvaluator(newer).run(None, feed)
    outputs = tuple(OutputTensor.of(value) for value in found)
    refuse_large(sum(output.nbytes for output in outputs))
    return outputs


def main(arguments: list[str]) -> None:
    subject = from_json(sys.stdin.buffer.read(), Subject)
    model = Model(Path(arguments[0]), subject, given=read_values(Path(arguments[2])))
    Path(arguments[1]).write_bytes(to_json(evaluate(model)))


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except HwprofError as error:
        sys.exit(str(error))
    except Exception as error:  # the evaluator raises whatever its operators do
        sys.exit(one_line(error))
