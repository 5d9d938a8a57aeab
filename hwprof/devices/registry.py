"""Devices by name: built-ins and plugins come through the same door."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from hwprof.device_spec import DeviceSpec
from hwprof.devices.base import Availability, Device
from hwprof.devices.options import Option
from hwprof.errors import DeviceError, OptionError, WrongDevice
from hwprof.plugins import Entry, Registry, in_words

REGISTRY = Registry(
    "hwprof.devices",
    "backend of device",
    Device,  # type: ignore[type-abstract]
    "hwprof.testing.devices",
    {
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
    },
    DeviceError,
)

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
    options: tuple[Option, ...] = ()
    spec: DeviceSpec | None = None
    """What the device is with its default options, where that was looked up."""

    def lines(self) -> tuple[str, ...]:
        """The listing as text: its state, and for one that is available what may be set."""
        if not self.available:
            return (f"{self.name:24s} unavailable, because {self.reason}",)
        state = "available"
        if self.spec is not None:
            spec = self.spec
            settings = {"threads": spec.threads, **dict(sorted(spec.options.items()))}
            defaults = ",".join(f"{name}={value}" for name, value in settings.items())
            state += f": {spec.runtime} {spec.runtime_version}, {spec.precision}"
            state += f" (defaults: {defaults})"
        options = "  ".join(str(option) for option in self.options)
        below = (f"{'':24s}   {options}",) if options else ()
        return (f"{self.name:24s} {state}", *below)


def names(*, plugins: Iterable[Entry] | None = None) -> tuple[str, ...]:
    """Every device name that could be asked for, available or not, sorted."""
    return REGISTRY.names(plugins)


def available(*, plugins: Iterable[Entry] | None = None) -> tuple[Listed, ...]:
    """Every known device with the reason it cannot be used here, if any.

    `plugins` stands in for the installed entry points, here as below.
    """
    listed = []
    for name, entry in sorted(REGISTRY.entries(plugins).items()):
        options: tuple[Option, ...] = ()
        try:
            backend = REGISTRY.load(entry)
            options = backend.options()
            state = backend.availability()
        except DeviceError as error:
            state = Availability(False, str(error))
        except Exception as error:  # a plugin that raises where it must not is no reason to stop
            state = Availability(False, f"the device '{name}' failed: {in_words(error)}")
        listed.append(Listed(name, state.ok, state.reason, options))
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


def connect(
    text: str,
    options: Mapping[str, str] | None = None,
    *,
    plugins: Iterable[Entry] | None = None,
) -> Device:
    """The device that `text` names, with `options` laid over those in the text.

    Raises DeviceError for a name that is unknown or unavailable here, OptionError for a bad option.
    """
    name, own = parse(text)
    entry = REGISTRY.find(name, plugins)
    if entry is None:
        raise unknown(name, plugins)
    backend = REGISTRY.load(entry)
    state = backend.availability()
    if not state.ok:
        raise DeviceError(f"device '{name}' is unavailable, because {state.reason}")
    return backend.create({**own, **(options or {})})


def check(name: str, options: Mapping[str, str], *, plugins: Iterable[Entry] | None = None) -> None:
    """Refuse what no machine could open, without looking whether this one can.

    Of a plugin only the name is checked: its options may need its runtime. Raises DeviceError for
    an unknown name, OptionError for a bad option of a built-in device.
    """
    entry = REGISTRY.find(name, plugins)
    if entry is None:
        raise unknown(name, plugins)
    if name in REGISTRY.builtin:
        REGISTRY.load(entry).create(options)


def unknown(name: str, plugins: Iterable[Entry] | None = None) -> WrongDevice:
    """The error for a name that no device has."""
    return WrongDevice(
        f"unknown device '{name}'; known here: {', '.join(names(plugins=plugins))} "
        "(run 'hwprof devices' to see which are available)"
    )
