"""Runtimes that run inside this process: they write a `Program`, and everything else is here.

One session serves them all. What differs is handed to it: how the program is timed, what counts as
its memory, which accelerator it runs on, and what is to be cleaned up with it.
"""

from __future__ import annotations

import gc
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import TypeVar

import numpy as np

from hwprof.devices.base import ProfiledRun, Session
from hwprof.devices.memory import ProcessMemory
from hwprof.devices.timing import HostTimer, Timer
from hwprof.errors import HwprofError, MeasurementError, ModelError, one_line
from hwprof.machine.accelerator import Accelerator
from hwprof.machine.host import MemoryReading
from hwprof.measurement import Memory
from hwprof.models.advice import to_open, to_run
from hwprof.models.base import Model
from hwprof.models.outputs import OutputTensor, refuse_large
from hwprof.samples import Samples

T = TypeVar("T")


class Program(ABC):
    """A model compiled and fed: ready to run as often as asked, always on the same inputs."""

    @abstractmethod
    def run(self) -> object:
        """Run once; the work is done when this returns. Raises whatever the runtime raises."""

    @abstractmethod
    def outputs(self) -> Sequence[object]:
        """Run once and return the outputs in the order the model declares them.

        Tensors are arrays; `OutputTensor.of` says what else there may be.
        """

    @abstractmethod
    def profile(self, runs: int) -> ProfiledRun:
        """As `Session.profile`. The program is not run again afterwards."""

    def timer(self, threads: int) -> Timer:
        """How runs are timed: by the loop that all CPU runtimes share, so that two runtimes differ
        by themselves alone. A GPU's stream has a clock of its own."""
        return HostTimer(self.run, threads)

    def accelerator_peak(self) -> MemoryReading | None:
        """Most memory of its accelerator that the program had in use; None if it has none."""
        return None

    def explain(self, error: Exception) -> HwprofError:
        """An error of `run` in one sentence of ours."""
        return MeasurementError(
            f"the model opens but does not run: {one_line(error)}; {to_run(str(error))}"
        )

    def close(self) -> None:  # noqa: B027 - most programs hold nothing that needs it
        """Free what does not free itself when the program is dropped."""


class ProgramSession(Session):
    """A session over a program that `load` compiles; loading it is the session's set-up."""

    def __init__(
        self,
        model: Model,
        threads: int,
        load: Callable[[], Program],
        *,
        memory: ProcessMemory | None = None,
        accelerator: Accelerator | None = None,
        owned: ExitStack | None = None,
    ) -> None:
        """Raises what `load` raises, ModelError for errors that are not hwprof's own.

        `memory` is started before `load`, which may start it again; it is given where `load` does.
        `owned` holds what the program needs while it lives, such as a folder: it is closed after
        the program, and when loading fails.
        """
        self._model = model
        self._threads = threads
        self._memory = memory or ProcessMemory()
        self._accelerator = accelerator
        self._owned = owned or ExitStack()
        self._memory.start()
        start = time.perf_counter()
        try:
            self._program: Program | None = self._loaded(load)
        except BaseException:
            self._owned.close()
            raise
        self._setup_s = time.perf_counter() - start

    def _loaded(self, load: Callable[[], Program]) -> Program:
        try:
            return load()
        except HwprofError:
            raise
        except Exception as error:  # runtimes raise dozens of types with no common base
            advice = to_open(
                str(error), "export the model with other operators, or choose another device"
            )
            raise ModelError(
                f"the runtime cannot open '{self._model.path.name}': {one_line(error)}; {advice}"
            ) from error

    @property
    def setup_s(self) -> float:
        return self._setup_s

    def _opened(self) -> Program:
        if self._program is None:
            raise MeasurementError("the session is closed; open the model again to time it")
        return self._program

    def _explained(self, work: Callable[[Program], T]) -> T:
        program = self._opened()
        try:
            return work(program)
        except HwprofError:
            raise
        except Exception as error:  # as above
            raise program.explain(error) from error

    def time(self, samples: int, loops: int = 1) -> Samples:
        return self._explained(lambda program: program.timer(self._threads).time(samples, loops))

    def outputs(self) -> tuple[OutputTensor, ...]:
        found = self._explained(lambda program: program.outputs())
        refuse_large(sum(v.nbytes for v in found if isinstance(v, np.ndarray)))
        return tuple(OutputTensor.of(value) for value in found)

    def overhead_s(self) -> float | None:
        return self._opened().timer(self._threads).overhead_s()

    def memory(self) -> Memory:
        memory = self._memory.read()
        peak = None if self._program is None else self._program.accelerator_peak()
        if peak is None:
            return memory
        if peak.bytes is None:
            return replace(memory, absent={**memory.absent, "accelerator_peak_bytes": peak.reason})
        return replace(memory, accelerator_peak_bytes=peak.bytes)

    def profile(self, runs: int) -> ProfiledRun:
        return self._explained(lambda program: program.profile(runs))

    def accelerator(self) -> Accelerator | None:
        return self._accelerator

    def close(self) -> None:
        if self._program is not None:
            self._program.close()
        self._program = None
        gc.collect()
        self._owned.close()
