"""What a target adds to a device: here, its energy meter."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from pathlib import Path

import pytest

from hwprof.device_spec import DeviceSpec
from hwprof.devices.base import Availability, Device
from hwprof.devices.onnxruntime import OnnxRuntimeCpu
from hwprof.devices.program import ProgramSession
from hwprof.errors import ModelError, OptionError
from hwprof.machine import meters
from hwprof.machine.host import machine_facts
from hwprof.machine.meters import Absent, EnergyMeter, measure_energy
from hwprof.models.base import Model
from hwprof.models.load import load_model
from hwprof.targets.local import LocalTarget


@dataclasses.dataclass(frozen=True, slots=True)
class Pretended(Device):
    """ONNX Runtime's CPU device, said to be on other hardware."""

    accelerator: str

    @classmethod
    def availability(cls) -> Availability:
        return Availability(True)

    @classmethod
    def create(cls, options: Mapping[str, str]) -> Device:
        raise NotImplementedError

    @property
    def spec(self) -> DeviceSpec:
        spec = OnnxRuntimeCpu.create({}).spec
        hardware = dataclasses.replace(spec.hardware, accelerator=self.accelerator)
        return dataclasses.replace(spec, hardware=hardware)

    def open(self, model: Model) -> ProgramSession:
        return OnnxRuntimeCpu.create({}).open(model)


class Counting(EnergyMeter):
    """One joule more at every read, of a sensor that updates fast."""

    def __init__(self) -> None:
        self.joules = 0.0
        self.closed = False

    @classmethod
    def available(cls, roots: object = None) -> Availability:
        return Availability(True)

    @classmethod
    def create(cls, roots: object = None) -> EnergyMeter:
        return cls()

    @property
    def name(self) -> str:
        return "counting"

    @property
    def domain(self) -> str:
        return "reads"

    @property
    def sample_period_s(self) -> float:
        return 1e-3

    def read_j(self) -> float:
        self.joules += 1.0
        return self.joules

    def close(self) -> None:
        self.closed = True


@pytest.mark.parametrize(
    ("accelerator", "meter", "expected"),
    [
        ("", None, (None, "cpu")),
        ("NVIDIA H200, driver 580", None, (None, "gpu")),
        ("", "battery", ("battery", "cpu")),
    ],
)
def test_the_meter_covers_the_device(
    mlp: Path,
    monkeypatch: pytest.MonkeyPatch,
    accelerator: str,
    meter: str | None,
    expected: tuple[str | None, str],
) -> None:
    asked = []

    def find(name: str | None, covering: str) -> Absent:
        asked.append((name, covering))
        return Absent("none fitted")

    monkeypatch.setattr(meters, "find_meter", find)
    with LocalTarget(Pretended(accelerator), meter).start(load_model(mlp)) as run:
        assert run.energy().reason == "none fitted"
    assert asked == [expected]


def test_the_meter_is_closed_after_use(mlp: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    meter = Counting()
    monkeypatch.setattr(meters, "find_meter", lambda name, covering: meter)
    # A second of idling and one of runs would tell no more.
    short = functools.partial(measure_energy, min_periods=1, min_window_s=0.001)
    monkeypatch.setattr(meters, "measure_energy", short)
    with LocalTarget(Pretended("")).start(load_model(mlp)) as run:
        reading = run.energy().reading
    assert reading is not None
    assert reading.sensor == "counting"
    assert reading.runs >= 1
    assert meter.closed


def test_a_model_that_does_not_fit_is_refused_where_it_runs(mlp: Path) -> None:
    model = dataclasses.replace(load_model(mlp), needed_bytes=1 << 60)
    with pytest.raises(ModelError, match=r"'mlp\.onnx' needs at least .* for weights and inputs"):
        LocalTarget(Pretended("")).start(model)


def test_a_run_tells_of_the_machine_and_its_runtime(mlp: Path) -> None:
    with LocalTarget(Pretended("")).start(load_model(mlp)) as run:
        facts = run.facts()
    assert facts.libraries["onnxruntime"] == Pretended("").spec.runtime_version
    assert facts.kernel == machine_facts().kernel
    assert run.cpus == ()


def test_an_unknown_meter_is_refused_before_the_model_is_opened(mlp: Path) -> None:
    with pytest.raises(OptionError, match="unknown energy meter 'nose'"):
        LocalTarget(Pretended(""), "nose").start(load_model(mlp))
