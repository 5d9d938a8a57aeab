"""Devices whose options are fields: reading them and stating the spec happen here, for all."""

from __future__ import annotations

import importlib.util
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self, final

from hwprof.device_spec import DeviceSpec, Hardware
from hwprof.devices.base import Availability, Device, Session
from hwprof.devices.options import Option, refuse_unknown, settings_of
from hwprof.errors import HwprofError, MeasurementError, ModelError, one_line
from hwprof.machine.host import hardware
from hwprof.models.advice import to_open
from hwprof.models.base import Model, ModelFormat
from hwprof.models.formats import refuse_other_formats

NATIVE = "native"
"""Precision of a device that has no such option: the types that the model has."""


@dataclass(frozen=True, slots=True)
class Runtime:
    """What a spec says of the runtime itself."""

    name: str
    version: str
    build: str
    provider: str
    hardware: Hardware | None = None
    """None stands for this machine, as it is."""
    options: Mapping[str, str] = field(default_factory=dict)
    """Values that the runtime decides where an option leaves them open."""


class DeclaredDevice(Device):
    """A device that is a frozen dataclass, with options for fields (hwprof.devices.options).

    A backend says what it is called, what it opens, what the runtime is, and how to open a model.
    """

    NAME: ClassVar[str]
    """What the device is asked for by; the name of its entry point."""
    OPENS: ClassVar[tuple[ModelFormat, ...]] = ("onnx",)

    @abstractmethod
    def runtime(self) -> Runtime:
        """The runtime. Raises DeviceError when it does not import or lacks what was asked for."""

    @abstractmethod
    def open_model(self, model: Model) -> Session:
        """As `open`, for a model of a format in `OPENS`."""

    @classmethod
    def completed(cls, options: Mapping[str, str]) -> Mapping[str, str]:
        """The options as given, with those that they imply.

        A device that owes its users a reason for refusing a value raises OptionError here, before
        the value is compared with the list.
        """
        return options

    def check(self) -> None:
        """Raise OptionError for options that do not go together."""

    @final
    @classmethod
    def options(cls) -> tuple[Option, ...]:
        return tuple(setting.option for setting in settings_of(cls))

    @final
    @classmethod
    def create(cls, options: Mapping[str, str]) -> Self:
        settings = settings_of(cls)
        refuse_unknown(options, cls.NAME, [setting.option.name for setting in settings])
        given = cls.completed(options)
        values: dict[str, Any] = {
            setting.field: setting.read(setting.option.name, given[setting.option.name])
            for setting in settings
            if setting.option.name in given
        }
        device = cls(**values)
        device.check()
        return device

    @final
    @property
    def spec(self) -> DeviceSpec:
        runtime = self.runtime()
        shown = {
            setting.option.name: setting.show(getattr(self, setting.field))
            for setting in settings_of(type(self))
            if setting.option.in_spec
        }
        threads, precision = shown.pop("threads", "1"), shown.pop("precision", NATIVE)
        return DeviceSpec(
            name=self.NAME,
            hardware=runtime.hardware or hardware(),
            runtime=runtime.name,
            runtime_version=runtime.version,
            runtime_build=runtime.build,
            provider=runtime.provider,
            precision=precision,
            threads=int(threads),
            options={**shown, **runtime.options},
        )

    @final
    def open(self, model: Model) -> Session:
        refuse_other_formats(model, self.OPENS, self.NAME)
        try:
            return self.open_model(model)
        except HwprofError:
            raise
        except MemoryError as error:
            raise MeasurementError(
                f"memory ran out while {self.NAME} prepared '{model.path.name}'; close other "
                "programs, or use a machine with more memory"
            ) from error
        except Exception as error:  # what is prepared before a runtime has its own errors, too
            advice = to_open(str(error), "export it again, or choose another device")
            raise ModelError(
                f"{self.NAME} cannot take '{model.path.name}': {one_line(error)}; {advice}"
            ) from error


def installed(install: str, *modules: str) -> Availability:
    """Whether all modules can be found, without importing them; `install` is how to get them."""
    for module in modules:
        try:
            found = importlib.util.find_spec(module) is not None
        except (ImportError, ValueError):  # half an installation, or something else of that name
            found = False
        if not found:
            package = module.replace("_", "-")
            reason = f"{package} is not installed; install it with {install}"
            return Availability(False, reason, install)
    return Availability(True)
