"""A session on a GPU: the CPU runtimes' one, with the GPU's time, memory and condition."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import replace

from hwprof.devices.program import Program, ProgramSession
from hwprof.errors import HwprofError
from hwprof.machine.accelerator import Accelerator
from hwprof.machine.host import MemoryReading
from hwprof.measurement import Memory
from hwprof.models.base import Model
from hwprof.samples import Samples


class GpuProgram(Program):
    """A model compiled for a GPU and fed. It times itself, because only it knows its stream."""

    @abstractmethod
    def time(self, samples: int, loops: int) -> Samples:
        """As `Session.time`. Raises whatever the runtime raises."""

    @abstractmethod
    def overhead_s(self) -> float | None:
        """As `Session.overhead_s`."""

    @abstractmethod
    def peak(self) -> MemoryReading:
        """Most memory of the GPU that the model had in use since it was opened."""


class GpuSession(ProgramSession):
    """A session over a program that `load` compiles."""

    def __init__(
        self, model: Model, load: Callable[[], GpuProgram], accelerator: Accelerator
    ) -> None:
        """Raises what `load` raises: ModelError, DeviceError or MeasurementError."""
        self._accelerator = accelerator
        self._gpu_program: GpuProgram | None = None

        def keep() -> Program:
            self._gpu_program = load()
            return self._gpu_program

        super().__init__(model, 1, keep)

    def _running(self) -> GpuProgram:
        self._opened()  # refuses a closed session
        assert self._gpu_program is not None
        return self._gpu_program

    def time(self, samples: int, loops: int = 1) -> Samples:
        program = self._running()
        try:
            return program.time(samples, loops)
        except HwprofError:
            raise
        except Exception as error:  # as in ProgramSession
            raise program.explain(error) from error

    def overhead_s(self) -> float | None:
        return self._running().overhead_s()

    def memory(self) -> Memory:
        memory = super().memory()
        peak = self._running().peak()
        if peak.bytes is None:
            return replace(memory, absent={**memory.absent, "accelerator_peak_bytes": peak.reason})
        return replace(memory, accelerator_peak_bytes=peak.bytes)

    def accelerator(self) -> Accelerator:
        return self._accelerator

    def close(self) -> None:
        super().close()
        self._gpu_program = None
