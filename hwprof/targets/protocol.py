"""Messages between hwprof and the worker that runs on the target: one JSON object per line.

The same worker serves a local process and, through any byte stream, a remote machine.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from hwprof.errors import (
    DeviceError,
    HwprofError,
    MeasurementError,
    ModelError,
    OptionError,
    TableError,
)
from hwprof.measurement import Subject
from hwprof.models.base import ModelFormat

VERSION = 2


@dataclass(frozen=True, slots=True)
class Open:
    """First message: what to open, and how."""

    version: int
    device: str
    options: Mapping[str, str]
    path: str
    subject: Subject
    cpus: tuple[int, ...]
    format: ModelFormat = "onnx"
    meter: str = ""
    """Energy meter to use; empty takes the best for the device."""


@dataclass(frozen=True, slots=True)
class SpecOf:
    """First message instead of `Open`: what device is that, on the target?"""

    version: int
    spec_of: str
    options: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Opened:
    setup_s: float


@dataclass(frozen=True, slots=True)
class Overhead:
    seconds: float | None


@dataclass(frozen=True, slots=True)
class Call:
    """Every later message: a method of `Run` with its arguments."""

    method: str
    arguments: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Refusal:
    """An error of ours, by class name and message."""

    kind: str
    message: str


ERRORS: Mapping[str, type[HwprofError]] = {
    kind.__name__: kind
    for kind in (DeviceError, MeasurementError, ModelError, OptionError, TableError)
}
