"""Runtimes that run inside this process: they write a `Program`, and everything else is here.

The session times a program's runs with the loop that all CPU runtimes share, so that two runtimes
differ by themselves alone.
"""

from __future__ import annotations

import gc
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

import numpy as np

from hwprof.devices.base import ProfiledRun, Session
from hwprof.devices.timing import time_runs
from hwprof.errors import HwprofError, MeasurementError, ModelError, one_line
from hwprof.machine.host import peak_rss_bytes, reset_peak_rss, rss_bytes
from hwprof.machine.host.process import peak_reset_obstacle
from hwprof.measurement import Memory
from hwprof.models.base import Model
from hwprof.models.outputs import OutputTensor
from hwprof.samples import Samples

# Empty runs to time the timing with: their minimum is stable to some nanoseconds.
OVERHEAD_SAMPLES = 32


class Program(ABC):
    """A model compiled and fed: ready to run as often as asked, always on the same inputs."""

    @abstractmethod
    def run(self) -> object:
        """Run once; the work is done when this returns. Raises whatever the runtime raises."""

    @abstractmethod
    def outputs(self) -> Sequence[np.ndarray]:
        """Run once and return the outputs in the order the model declares them."""

    @abstractmethod
    def profile(self, runs: int) -> ProfiledRun:
        """As `Session.profile`. The program is not run again afterwards."""

    def explain(self, error: Exception) -> HwprofError:
        """An error of `run` in one sentence of ours."""
        return MeasurementError(
            f"the model opens but does not run: {one_line(error)}; "
            "check the --shape given for its inputs"
        )

    def close(self) -> None:  # noqa: B027 - most programs hold nothing that needs it
        """Free what does not free itself when the program is dropped."""


class ProgramSession(Session):
    """A session over a program that `load` compiles; loading it is the session's set-up."""

    def __init__(self, model: Model, threads: int, load: Callable[[], Program]) -> None:
        """Raises what `load` raises, ModelError for errors that are not hwprof's own."""
        self._model = model
        self._threads = threads
        was_reset, baseline = reset_peak_rss(), rss_bytes()
        # A peak that could not be reset may date from before the model: no baseline fits it.
        self._baseline = baseline.bytes if was_reset else None
        self._memory_reason = baseline.reason if was_reset else peak_reset_obstacle()
        start = time.perf_counter()
        self._program: Program | None = self._loaded(load)
        self._setup_s = time.perf_counter() - start

    def _loaded(self, load: Callable[[], Program]) -> Program:
        try:
            return load()
        except HwprofError:
            raise
        except Exception as error:  # runtimes raise dozens of types with no common base
            raise ModelError(
                f"the runtime cannot open '{self._model.path.name}': {one_line(error)}; "
                "export the model with other operators, or choose another device"
            ) from error

    @property
    def setup_s(self) -> float:
        return self._setup_s

    def _opened(self) -> Program:
        if self._program is None:
            raise MeasurementError("the session is closed; open the model again to time it")
        return self._program

    def time(self, samples: int, loops: int = 1) -> Samples:
        program = self._opened()
        try:
            return time_runs(program.run, samples, loops, self._threads)
        except HwprofError:
            raise
        except Exception as error:  # as above
            raise program.explain(error) from error

    def outputs(self) -> tuple[OutputTensor, ...]:
        program = self._opened()
        try:
            found = program.outputs()
        except HwprofError:
            raise
        except Exception as error:  # as above
            raise program.explain(error) from error
        return tuple(OutputTensor.of(value) for value in found)

    def overhead_s(self) -> float | None:
        return timing_overhead_s(self._threads)

    def memory(self) -> Memory:
        peak = peak_rss_bytes()
        absent = {}
        if self._memory_reason:
            absent["baseline_rss_bytes"] = self._memory_reason
        if peak.bytes is None:
            absent["peak_rss_bytes"] = peak.reason
        return Memory(baseline_rss_bytes=self._baseline, peak_rss_bytes=peak.bytes, absent=absent)

    def profile(self, runs: int) -> ProfiledRun:
        program = self._opened()
        try:
            return program.profile(runs)
        except HwprofError:
            raise
        except Exception as error:  # as above
            raise program.explain(error) from error

    def close(self) -> None:
        if self._program is not None:
            self._program.close()
        self._program = None
        gc.collect()


def timing_overhead_s(threads: int) -> float:
    """Seconds per run that the timing loop itself takes, with one run per sample."""
    single = time_runs(_nothing, OVERHEAD_SAMPLES, 1, threads)
    return float(single.wall_s.min())


def _nothing() -> None:
    """A run that does nothing."""
