"""`hwprof.measure`: the library's front door to measuring."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

from hwprof.errors import OptionError, TableError, UnsavedError
from hwprof.lut import Table
from hwprof.measurement import Measurement
from hwprof.models.inputs.given import Asked
from hwprof.models.load import load_model
from hwprof.profiler.agreement import Agreement
from hwprof.profiler.arguments import (
    check_batch,
    check_model,
    check_settings,
    check_shapes,
    check_tags,
    library_option,
)
from hwprof.profiler.bench import Listener, measure_on
from hwprof.profiler.campaign import early
from hwprof.profiler.node_cost import NodeCosts
from hwprof.profiler.plan import Plan
from hwprof.profiler.usual_device import is_torch, usual_device
from hwprof.scratch import scratch_folder
from hwprof.targets.base import Target
from hwprof.targets.worker import WorkerTarget

if TYPE_CHECKING:
    import onnx
    import torch

    TorchModel = torch.nn.Module | torch.export.ExportedProgram


def _ignore(progress: object) -> None:
    """The listener of those who do not listen."""


def measure(
    model: str | Path | onnx.ModelProto | TorchModel,
    device: str | Target | None = None,
    plan: Plan | None = None,
    *,
    inputs: Asked = None,
    shapes: Mapping[str, Sequence[int]] | None = None,
    batch: int | None = None,
    name: str | None = None,
    tags: Sequence[str] = (),
    meter: str | None = None,
    custom_ops: str | Path | None = None,
    table: Table | None = None,
    check_outputs: bool = True,
    timeout: float | None = None,
    listen: Listener = _ignore,
) -> Measurement:
    """Measure one model in fresh worker processes.

    `model` is a file (.onnx, .pt2, .tflite), an ONNX model, a program of torch.export, or a torch
    module, which is exported with `inputs` as its arguments: a tensor, several, or several by name.
    `inputs` are what every run is made on: arrays or tensors by name or in order, or for a file
    also rules such as `{"ids": "0..50256"}` and files (docs/inputs.md); inputs that are not given
    are made up, and the record says what of.
    `device` is a name such as `onnxruntime-cpu:threads=2,opt=basic`, or a target of one's own; None
    takes that of the model's own runtime: `torch-cpu` for .pt2 files, programs and modules,
    `litert-cpu` for .tflite files, `onnxruntime-cpu` for all others.
    `shapes` and `batch` decide open input dimensions. `name` is what the model is called, else its
    file's or its graph's name, and `tags` mark the record. `meter` names the energy meter, else
    `$HWPROF_METER` does (docs/energy.md); a target of one's own has its own. `custom_ops` is a
    library of operators for ONNX Runtime to load: its code runs. With `table` the result is saved
    there, as soon as there is a latency. `timeout` is how many seconds opening the model, running
    a batch or profiling may take before the worker is ended; without it, bounds grow with the
    model's own runs (docs/guide.md). Restarts that were measured before one failed are kept, with
    a warning.
    Unless `check_outputs` is off, a device whose outputs are not those of ONNX Runtime (of eager
    PyTorch for programs and modules) raises MeasurementError, and nothing is kept.
    Raises HwprofError with one sentence on what is wrong: OptionError, ModelError, DeviceError,
    MeasurementError or TableError, whose UnsavedError brings the result that could not be saved.
    """
    check_settings("" if device is None else device, plan, table, name)
    check_model(model)
    if device is None:
        device = usual_device(model)
    shapes, batch, marks = check_shapes(shapes), check_batch(batch), check_tags(tags)
    if not isinstance(device, str) and (meter is not None or custom_ops is not None):
        raise OptionError(
            "a target brings its own energy meter and operators; leave out meter and custom_ops"
        )
    if timeout is not None and not isinstance(device, str):
        raise OptionError("a target brings its own time-out; leave out timeout")
    target = device
    if isinstance(target, str):
        library = library_option(target, custom_ops)
        target = WorkerTarget(target, library, meter=meter, timeout_s=timeout)
    spec = target.spec  # asked first: exporting a model for a device that is away is idle work
    plan = plan or Plan()
    costs = NodeCosts(table)
    agreement = Agreement(timeout_s=timeout) if check_outputs else None
    with scratch_folder() as folder:
        path, called, values = _file_of(model, inputs, Path(folder))
        loaded = load_model(
            path,
            shapes=shapes,
            batch=batch,
            inputs=values,
            name=name or called,
            room_bytes=spec.hardware.memory_bytes or None,
        )
        measurement = measure_on(
            loaded,
            target,
            plan,
            node_cost=costs.of(target),
            check=None if agreement is None else agreement.of(loaded, spec),
            keep=None if table is None else early(table),
            tags=marks,
            listen=listen,
        )
    if table is not None:
        try:
            table.replace(measurement)
        except TableError as error:
            raise UnsavedError(error, measurement) from error
    return measurement


def _file_of(
    model: str | Path | onnx.ModelProto | TorchModel, inputs: Asked, folder: Path
) -> tuple[Path, str | None, Asked]:
    """The model as a file, in `folder` unless it is one already, what it calls itself, and the
    values for its inputs.

    The file's own name matters to nobody: a model's may hold what no file name can.
    """
    if is_torch(model):
        from hwprof.convert.torch.export import save

        path, values = save(model, inputs, folder)
        return path, type(model).__name__, values
    if isinstance(model, (str, Path)):
        return Path(model), None, inputs
    import onnx

    proto = cast("onnx.ModelProto", model)
    path = folder / "model.onnx"
    onnx.save(proto, str(path))
    return path, proto.graph.name or "model", inputs
