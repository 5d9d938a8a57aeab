"""All that the author of a device needs, from one place.

    from hwprof.devices.plugin import DeclaredDevice, Program, ProgramSession, Runtime, installed

A backend is a `DeclaredDevice` whose options are fields (`choice`, `switch`, `thread_count`,
`option`), found through the entry-point group `hwprof.devices`. A runtime in this process writes a
`Program`; one with a clock elsewhere writes a `Session`. `hwprof.testing.devices` holds the laws.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from hwprof.devices.base import Availability, Device, ProfiledRun, Session
from hwprof.devices.declared import NATIVE, DeclaredDevice, Runtime, installed
from hwprof.devices.memory import ProcessMemory
from hwprof.devices.options import Option, choice, option, switch, thread_count
from hwprof.devices.profiled_runs import StepTimes, time_in_order, time_steps
from hwprof.devices.program import Program, ProgramSession
from hwprof.devices.scratch import scratch_folder
from hwprof.devices.timing import HostTimer, Timer, time_runs
from hwprof.errors import DeviceError, MeasurementError, ModelError, OptionError, one_line
from hwprof.graph import Kernel, TensorSpec
from hwprof.models.base import Model, ModelFormat
from hwprof.models.inputs import feed_of, tensors_of
from hwprof.profile import KernelOccurrence, Profile
from hwprof.samples import Samples

if TYPE_CHECKING:
    from onnx import NodeProto

__all__ = [
    "NATIVE",
    "Availability",
    "DeclaredDevice",
    "Device",
    "DeviceError",
    "HostTimer",
    "Kernel",
    "KernelOccurrence",
    "MeasurementError",
    "Model",
    "ModelError",
    "ModelFormat",
    "Option",
    "OptionError",
    "ProcessMemory",
    "Profile",
    "ProfiledRun",
    "Program",
    "ProgramSession",
    "Runtime",
    "Samples",
    "Session",
    "StepTimes",
    "TensorSpec",
    "Timer",
    "choice",
    "feed_of",
    "installed",
    "one_line",
    "onnx_kernel",
    "option",
    "scratch_folder",
    "switch",
    "tensor_of",
    "tensors_of",
    "thread_count",
    "time_in_order",
    "time_runs",
    "time_steps",
]

SMALL = 16
"""Elements of a constant whose values belong to a kernel's identity, at most."""


def tensor_of(name: str, value: object, constant: bool = False) -> TensorSpec | None:
    """Type and shape of an array; None for anything else, such as a sequence.

    A small constant of whole numbers keeps its values: axes and target shapes decide what a
    kernel does.
    """
    if not isinstance(value, np.ndarray):
        return None
    kept = None
    if constant and value.dtype.kind in "iu" and value.size <= SMALL:
        kept = tuple(int(number) for number in value.ravel())
    return TensorSpec(name, value.dtype.name, value.shape, constant, kept)


def onnx_kernel(
    node: NodeProto, tensors: Mapping[str, TensorSpec | None], domain: str, opset: int
) -> Kernel:
    """A node of an ONNX graph as a kernel of the runtime `domain`, which runs it as it stands.

    `tensors` are all that the node reads and writes, by name; `opset` is that of its operator.
    """
    from hwprof.models.onnx.attributes import canonical_attributes

    inputs = tuple(tensors.get(name) for name in node.input)
    outputs = tuple(tensors.get(name) for name in node.output)
    attributes = canonical_attributes(node, inputs, opset)
    return Kernel(domain, node.op_type, attributes, inputs, outputs)
