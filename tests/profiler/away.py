"""A target whose device is not there."""

from __future__ import annotations

from hwprof.device_spec import DeviceSpec
from hwprof.errors import DeviceError
from hwprof.models.base import Model
from hwprof.targets.base import Run, Target


class Away(Target):
    """Fails wherever it is used."""

    @property
    def spec(self) -> DeviceSpec:
        raise DeviceError("device 'x' is unavailable, because it is away")

    def start(self, model: Model, *place: object) -> Run:
        raise NotImplementedError
