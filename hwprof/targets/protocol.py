"""Messages between hwprof and the agent that runs on the target: one JSON object per line.

A request is a `Request`, a reply `{"ok": ...}` or `{"error": Refusal}`. Only a `put` is followed by
bytes that are no line: the file, as long as the request says. The same agent serves a local process
and, through any byte stream, a remote machine.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from hwprof.codec import Raw
from hwprof.errors import (
    DeviceError,
    HwprofError,
    MeasurementError,
    ModelError,
    OptionError,
    TableError,
    WrongDevice,
    WrongModel,
    WrongTable,
)
from hwprof.machine.host import Pin
from hwprof.measurement import Subject
from hwprof.models.base import ModelFormat

VERSION = 4
# Outputs of a large model are the longest that anyone has to say.
MAX_LINE_BYTES = 256 << 20
MAX_FILES = 4096

_SHA256 = re.compile(r"[0-9a-f]{64}")
_NAME = re.compile(r"[^/\\\x00-\x1f\x7f]{1,255}")


@dataclass(frozen=True, slots=True)
class Request:
    """A call of the agent with what it needs, which is decoded once the version is known to fit."""

    version: int
    call: str
    body: Raw


@dataclass(frozen=True, slots=True)
class Nothing:
    """Body of the calls that need none: facts, devices, outputs, memory, energy and others."""


@dataclass(frozen=True, slots=True)
class Asked:
    """`spec`: what device is that, on the target? Its energy meter is looked for, too."""

    device: str
    options: Mapping[str, str]
    meter: str = ""


@dataclass(frozen=True, slots=True)
class ModelFile:
    """One of a model's files. `sha256` may be empty where a path is enough to find it."""

    name: str
    size: int
    sha256: str = ""

    def __post_init__(self) -> None:
        # A name becomes a file beside the model on the target, so it must never lead elsewhere.
        if not plain_name(self.name):
            raise ValueError(f"'{self.name}' is no plain file name")
        if self.size < 0 or (self.sha256 and not _SHA256.fullmatch(self.sha256)):
            raise ValueError(f"'{self.name}' has no possible size or SHA-256")


def plain_name(name: str) -> bool:
    """Whether a text is the name of a file, and no path."""
    return _NAME.fullmatch(name) is not None and name not in (".", "..")


@dataclass(frozen=True, slots=True)
class Open:
    """`open`: which model, on which device, and how.

    `subject.sha256` names the model; `files` are its parts, the model file first. Where `path`
    names it on the target too, nothing need be sent.
    """

    device: str
    options: Mapping[str, str]
    subject: Subject
    files: tuple[ModelFile, ...]
    path: str = ""
    format: ModelFormat = "onnx"
    needed_bytes: int = 0
    pin: Pin = field(default_factory=Pin)
    meter: str = ""
    """Energy meter to use; empty takes the best for the device."""
    values: ModelFile | None = None
    """The file of the values that were given for inputs (hwprof.models.inputs.stored), if any."""
    values_path: str = ""
    """Names that file on the target too, as `path` does the model."""

    def __post_init__(self) -> None:
        if not 1 <= len(self.files) <= MAX_FILES:
            raise ValueError(f"a model has from 1 to {MAX_FILES} files")
        if len({file.name for file in self.files}) < len(self.files):
            raise ValueError("two files of the model have one name")

    @property
    def everything(self) -> tuple[ModelFile, ...]:
        """All files that the target needs."""
        return (*self.files, self.values) if self.values else self.files


@dataclass(frozen=True, slots=True)
class Opened:
    """The model is open, kept on `cpus`; none where it may run anywhere."""

    setup_s: float
    cpus: tuple[int, ...]

    def __post_init__(self) -> None:
        if not 0 <= self.setup_s < math.inf or any(cpu < 0 for cpu in self.cpus):
            raise ValueError("neither a time nor a CPU is negative")


@dataclass(frozen=True, slots=True)
class Opening:
    """Reply to `open`: done, or the SHA-256 of each file that has to be `put` first."""

    opened: Opened | None = None
    need: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Stored:
    """Reply to `put`: the file arrived whole."""

    sha256: str


@dataclass(frozen=True, slots=True)
class Runs:
    """`time`: so many samples of so many runs. `profile`: so many `samples`."""

    samples: int
    loops: int = 1

    def __post_init__(self) -> None:
        if self.samples < 1 or self.loops < 1:
            raise ValueError("a model is run at least once")


@dataclass(frozen=True, slots=True)
class Overhead:
    """Reply to `overhead_s`: a union is no class, and what is expected must be one."""

    seconds: float | None

    def __post_init__(self) -> None:
        if self.seconds is not None and not 0 <= self.seconds < math.inf:
            raise ValueError(f"{self.seconds} is no time")


@dataclass(frozen=True, slots=True)
class Refusal:
    """An error of ours, by class name and message."""

    kind: str
    message: str


ERRORS: Mapping[str, type[HwprofError]] = {
    kind.__name__: kind
    for kind in (
        *(DeviceError, MeasurementError, ModelError, OptionError, TableError),
        *(WrongDevice, WrongModel, WrongTable),
    )
}
