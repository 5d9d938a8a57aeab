"""A device that answers from recorded samples and moves a fake clock: no test has to wait."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from hwprof.device_spec import DeviceSpec, Hardware
from hwprof.devices.base import Availability, Device, ProfiledRun, Session
from hwprof.errors import DeviceError, MeasurementError
from hwprof.machine.host import HostState, MachineFacts, Pin
from hwprof.measurement import Energy, Memory
from hwprof.models.base import Model
from hwprof.models.outputs import OutputTensor
from hwprof.samples import Samples
from hwprof.targets.base import ANYWHERE, Run, Target
from hwprof.targets.local import LocalRun

REPLAY_FACTS = MachineFacts("replay", "replay", "replay", "replay")
"""What a machine says that exists nowhere."""


def replay_spec(threads: int = 1) -> DeviceSpec:
    """The spec of a device that exists nowhere and says so."""
    hardware = Hardware("replay", "recorded samples", (), threads, 1 << 30)
    return DeviceSpec("replay", hardware, "replay", "1", "", "replay", "native", threads, {})


class ReplaySession(Session):
    """Plays a recording in a circle. The first sample is the first run."""

    def __init__(
        self,
        recording: Samples,
        advance: Callable[[float], object],
        setup_s: float,
        profiled: ProfiledRun | None,
        memory: Memory,
    ) -> None:
        self._recording = recording
        self._advance = advance
        self._setup_s = setup_s
        self._profiled = profiled
        self._memory = memory
        self._at = 0
        self._open = True
        advance(setup_s)

    @property
    def setup_s(self) -> float:
        return self._setup_s

    def time(self, samples: int, loops: int = 1) -> Samples:
        if not self._open:
            raise MeasurementError("the session is closed; open the model again to time it")
        source = self._recording
        index = np.arange(self._at, self._at + samples) % len(source)
        self._at += samples
        self._advance(float(source.wall_s[index].sum()) * loops)
        return Samples(
            source.wall_s[index],
            None if source.cpu_s is None else source.cpu_s[index],
            None if source.switches is None else source.switches[index],
            loops,
            None if source.busy_s is None else source.busy_s[index],
            None if source.waited_s is None else source.waited_s[index],
        )

    def outputs(self) -> tuple[OutputTensor, ...]:
        raise DeviceError("a recording holds no outputs; use --no-check-outputs")

    def overhead_s(self) -> float | None:
        return None

    def memory(self) -> Memory:
        return self._memory

    def profile(self, runs: int) -> ProfiledRun:
        if self._profiled is None:
            raise DeviceError("this recording holds no profile; use --no-per-op")
        return self._profiled

    def close(self) -> None:
        self._open = False


class ReplayDevice(Device):
    """A device made of one recording."""

    def __init__(
        self,
        recording: Samples,
        advance: Callable[[float], object] = lambda seconds: None,
        *,
        spec: DeviceSpec | None = None,
        setup_s: float = 0.0,
        profiled: ProfiledRun | None = None,
        memory: Memory | None = None,
    ) -> None:
        if not len(recording):
            raise DeviceError("a recording needs at least one sample")
        self._recording = recording
        self._advance = advance
        self._spec = spec or replay_spec()
        self._setup_s = setup_s
        self._profiled = profiled
        self._memory = memory or Memory(absent={"peak_rss_bytes": "a recording uses none"})

    @classmethod
    def availability(cls) -> Availability:
        return Availability(False, "it needs a recording; build it with ReplayDevice(samples)")

    @classmethod
    def create(cls, options: Mapping[str, str]) -> ReplayDevice:
        raise DeviceError(f"device 'replay' is unavailable, because {cls.availability().reason}")

    @property
    def spec(self) -> DeviceSpec:
        return self._spec

    def open(self, model: Model) -> ReplaySession:
        return ReplaySession(
            self._recording, self._advance, self._setup_s, self._profiled, self._memory
        )


class ReplayTarget(Target):
    """A target that plays one recording per start, in turn."""

    def __init__(
        self, devices: list[ReplayDevice], state: HostState, energy: Energy | None = None
    ) -> None:
        self._devices = devices
        self._state = state
        self._energy = energy or Energy(reason="a recording has no sensor")
        self.started: list[tuple[Model, Pin]] = []

    @property
    def spec(self) -> DeviceSpec:
        return self._devices[0].spec

    def start(self, model: Model, pin: Pin = ANYWHERE) -> Run:
        device = self._devices[len(self.started) % len(self._devices)]
        self.started.append((model, pin))
        return LocalRun(
            device.open(model),
            energy=lambda: self._energy,
            state=lambda: self._state,
            facts=lambda: REPLAY_FACTS,
            # Numbered from 0: a recording has no processors of its own.
            cpus=pin.cpus or tuple(range(pin.quiet)),
        )
