"""Devices by name: built-ins and plugins come through the same door."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hwprof.device_spec import DeviceSpec
from hwprof.devices.base import Availability, Device
from hwprof.errors import DeviceError, OptionError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP = "hwprof.devices"

# Also listed as entry points of the installed package; repeated here so that a copied source tree
# on a target (no installation, no metadata) still finds its own devices.
BUILTIN: Mapping[str, str] = {
    "executorch-cpu": "hwprof.devices.executorch:ExecuTorchCpu",
    "litert-cpu": "hwprof.devices.litert:LiteRtCpu",
    "mnn-cpu": "hwprof.devices.mnn:MnnCpu",
    "ncnn-cpu": "hwprof.devices.ncnn:NcnnCpu",
    "onnxruntime-cpu": "hwprof.devices.onnxruntime:OnnxRuntimeCpu",
    "onnxruntime-cuda": "hwprof.devices.onnxruntime:OnnxRuntimeCuda",
    "onnxruntime-tensorrt": "hwprof.devices.onnxruntime:OnnxRuntimeTensorRt",
    "openvino-cpu": "hwprof.devices.openvino:OpenVinoCpu",
    "tensorrt": "hwprof.devices.tensorrt:TensorRt",
    "torch-cpu": "hwprof.devices.torch:TorchCpu",
    "torch-cuda": "hwprof.devices.torch:TorchCuda",
    "tvm-cpu": "hwprof.devices.tvm:TvmCpu",
}

ALIASES: Mapping[str, str] = {
    "cpu": "onnxruntime-cpu",
    "onnxruntime": "onnxruntime-cpu",
    "ort": "onnxruntime-cpu",
    "CPUExecutionProvider": "onnxruntime-cpu",
}


@dataclass(frozen=True, slots=True)
class Listed:
    """A device as `hwprof devices` lists it."""

    name: str
    available: bool
    reason: str
    spec: DeviceSpec | None = None
    """What the device is with its default options, where that was looked up."""


def _builtin(name: str) -> EntryPoint:
    # Imported here, as below: a worker that opens a built-in device starts 10 ms sooner.
    from importlib.metadata import EntryPoint

    return EntryPoint(name, BUILTIN[name], GROUP)


def plugins() -> tuple[EntryPoint, ...]:
    """Entry points of the group that other packages declare."""
    from importlib.metadata import entry_points

    return tuple(e for e in entry_points(group=GROUP) if e.name not in BUILTIN)


def _entries() -> dict[str, EntryPoint]:
    found = {name: _builtin(name) for name in BUILTIN}
    for entry in plugins():
        found.setdefault(entry.name, entry)
    return found


def _load(entry: EntryPoint) -> type[Device]:
    """Import a backend. Raises DeviceError if the plugin itself is broken."""
    try:
        backend = entry.load()
    except Exception as error:  # a plugin may fail in any way; its user needs the reason
        raise DeviceError(
            f"the backend of device '{entry.name}' ({entry.value}) does not import: {error}; "
            "reinstall or remove the package that provides it"
        ) from error
    if not (isinstance(backend, type) and issubclass(backend, Device)):
        raise DeviceError(
            f"the backend of device '{entry.name}' ({entry.value}) is not an hwprof Device; "
            "ask its author to run hwprof.testing.devices"
        )
    return backend


def names() -> tuple[str, ...]:
    """Every device name that could be asked for, available or not, sorted."""
    return tuple(sorted(_entries()))


def available() -> tuple[Listed, ...]:
    """Every known device with the reason it cannot be used here, if any."""
    listed = []
    for name, entry in sorted(_entries().items()):
        try:
            state = _load(entry).availability()
        except DeviceError as error:
            state = Availability(False, str(error))
        listed.append(Listed(name, state.ok, state.reason))
    return tuple(listed)


def parse(text: str) -> tuple[str, dict[str, str]]:
    """Split `NAME` or `NAME:key=value,key=value`, aliases resolved.

    Raises OptionError when the text has another form.
    """
    name, _, rest = text.partition(":")
    options: dict[str, str] = {}
    for part in filter(None, rest.split(",")):
        key, equals, value = part.partition("=")
        if not equals or not key or not value:
            raise OptionError(
                f"device '{text}' has '{part}' where an option should stand; "
                "write NAME:key=value,key=value, for example onnxruntime-cpu:threads=2"
            )
        if key in options:
            raise OptionError(f"device '{text}' sets '{key}' twice; keep one of them")
        options[key] = value
    return ALIASES.get(name, name), options


def connect(text: str, options: Mapping[str, str] | None = None) -> Device:
    """The device that `text` names, with `options` laid over those in the text.

    Raises DeviceError for a name that is unknown or unavailable here, OptionError for a bad option.
    """
    name, own = parse(text)
    entry = _builtin(name) if name in BUILTIN else _entries().get(name)
    if entry is None:
        raise unknown(name)
    backend = _load(entry)
    state = backend.availability()
    if not state.ok:
        raise DeviceError(f"device '{name}' is unavailable, because {state.reason}")
    return backend.create({**own, **(options or {})})


def check(name: str, options: Mapping[str, str]) -> None:
    """Refuse what no machine could open, without looking whether this one can.

    Of a plugin only the name is checked: its options may need its runtime. Raises DeviceError for
    an unknown name, OptionError for a bad option of a built-in device.
    """
    if name in BUILTIN:
        _load(_builtin(name)).create(options)
    elif name not in names():
        raise unknown(name)


def unknown(name: str) -> DeviceError:
    """The error for a name that no device has."""
    return DeviceError(
        f"unknown device '{name}'; known here: {', '.join(names())} "
        "(run 'hwprof devices' to see which are available)"
    )
