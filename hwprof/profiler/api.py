"""`hwprof.measure`: the library's front door to measuring."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hwprof.devices.base import Model
from hwprof.devices.target import Target
from hwprof.devices.worker.client import WorkerTarget
from hwprof.errors import OptionError
from hwprof.lut import Table
from hwprof.measurement import Measurement
from hwprof.profiler.agreement import Agreement
from hwprof.profiler.bench import Listener, measure_on
from hwprof.profiler.model_file import load_model
from hwprof.profiler.node_cost import NodeCosts
from hwprof.profiler.plan import Plan

if TYPE_CHECKING:
    import onnx


def _ignore(progress: object) -> None:
    """The listener of those who do not listen."""


def measure(
    model: str | Path | onnx.ModelProto,
    device: str | Target = "onnxruntime-cpu",
    plan: Plan | None = None,
    *,
    shapes: Mapping[str, Sequence[int]] | None = None,
    batch: int | None = None,
    name: str | None = None,
    meter: str | None = None,
    table: Table | None = None,
    check_outputs: bool = True,
    listen: Listener = _ignore,
) -> Measurement:
    """Measure one model in fresh worker processes.

    `device` is a name such as `onnxruntime-cpu:threads=2,opt=basic`, or a target of one's own.
    `shapes` and `batch` decide open input dimensions. `name` is what the model is called, else its
    file's or its graph's name. `meter` names the energy meter, else `$HWPROF_METER` does
    (docs/energy.md); a target of one's own has its own. With `table` the result is saved there.
    Unless `check_outputs` is off, a device whose outputs are not ONNX Runtime's raises
    MeasurementError before it is timed.
    Raises HwprofError with one sentence on what is wrong: OptionError, ModelError, DeviceError,
    MeasurementError or TableError.
    """
    if meter is not None and not isinstance(device, str):
        raise OptionError("a target brings its own energy meter; leave out meter")
    target = WorkerTarget(device, meter=meter) if isinstance(device, str) else device
    plan = plan or Plan()
    costs = NodeCosts(table)
    agreement = Agreement() if check_outputs else None

    def measured(loaded: Model) -> Measurement:
        return measure_on(
            loaded,
            target,
            plan,
            node_cost=costs.of(target),
            check=None if agreement is None else agreement.of(loaded, target.spec),
            listen=listen,
        )

    if isinstance(model, (str, Path)):
        loaded = load_model(model, shapes=shapes, batch=batch, name=name)
        measurement = measured(loaded)
    else:
        import onnx

        with tempfile.TemporaryDirectory(prefix="hwprof-") as folder:
            # The file's name matters to nobody: the graph's may hold what no file name can.
            path = Path(folder, "model.onnx")
            onnx.save(model, str(path))
            called = name or model.graph.name or "model"
            loaded = load_model(path, shapes=shapes, batch=batch, name=called)
            measurement = measured(loaded)
    if table is not None:
        table.add(measurement)
    return measurement
