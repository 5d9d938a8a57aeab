"""This process as a target that remembers what it was asked to run, and what came out."""

from __future__ import annotations

import numpy as np

from hwprof.device_spec import DeviceSpec
from hwprof.devices.registry import connect
from hwprof.errors import DeviceError
from hwprof.machine.host import Pin
from hwprof.models.base import Model
from hwprof.profiler.plan import Plan
from hwprof.targets.base import ANYWHERE, Run, Target
from hwprof.targets.local import LocalTarget

QUICK = Plan(precision=0.5, budget_s=0.02, per_op=False, pin="none")


class Watched(Target):
    """`device` in this process; `outputs` is None where they cannot be handed out."""

    def __init__(self, device: str = "onnxruntime-cpu") -> None:
        self._target = LocalTarget(connect(device))
        self.model: Model | None = None
        self.outputs: list[np.ndarray] | None = None

    @property
    def spec(self) -> DeviceSpec:
        return self._target.spec

    def start(self, model: Model, pin: Pin = ANYWHERE) -> Run:
        self.model = model
        run = self._target.start(model, pin)
        try:
            self.outputs = [output.array() for output in run.outputs()]
        except DeviceError:
            self.outputs = None
        except BaseException:
            run.close()
            raise
        return run
