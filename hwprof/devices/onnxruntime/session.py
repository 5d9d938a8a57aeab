"""A model opened in ONNX Runtime: running it, and profiling it in a second session."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from hwprof.devices.base import ProfiledRun
from hwprof.devices.onnxruntime.custom import register
from hwprof.devices.onnxruntime.runtime import memory_advice, out_of_memory, short_reason
from hwprof.devices.profiled_runs import time_profiled
from hwprof.devices.program import Program
from hwprof.devices.scratch import scratch_folder
from hwprof.devices.timing import time_runs
from hwprof.errors import DeviceError, HwprofError, MeasurementError
from hwprof.models.advice import to_run
from hwprof.models.base import Model
from hwprof.models.inputs import feed_of
from hwprof.samples import Samples

# Runs before the profiled ones count: the first allocates the arena, the second settles it.
PROFILE_WARMUP = 2
OPTIMISED = "optimised.onnx"
# The runtime records a million events at most. A fifth of that is 60 MB of JSON, seconds to read.
MOST_EVENTS = 200_000
# No event takes less: recording alone takes longer.
EVENT_S = 1e-6


def session_options(
    runtime: ModuleType, level: str, threads: int, spin: bool, library: Path | None = None
) -> Any:
    """SessionOptions for one of our settings. Raises DeviceError for a library not to be loaded."""
    options = runtime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.graph_optimization_level = getattr(runtime.GraphOptimizationLevel, level)
    options.add_session_config_entry("session.intra_op.allow_spinning", "1" if spin else "0")
    options.log_severity_level = 4
    register(runtime, options, library)
    return options


class OnnxRuntimeProgram(Program):
    """One model in one ONNX Runtime session, fed the same values at every run."""

    mapping = "by tensor names, from the outputs backwards"

    def __init__(
        self,
        runtime: ModuleType,
        model: Model,
        settings: tuple[str, int, bool],
        provider: str,
        opened: Any,
        library: Path | None = None,
    ) -> None:
        self._runtime = runtime
        self._model = model
        self._settings = settings
        self._provider = provider
        self._opened = opened
        self._library = library
        self._feed = feed_of(model)

    @property
    def accepted(self) -> frozenset[str]:
        """Execution providers whose nodes belong to this device."""
        return frozenset({self._provider})

    def session_options(self) -> Any:
        """New SessionOptions of this program's settings."""
        return session_options(self._runtime, *self._settings, self._library)

    def reopen(self, options: Any) -> None:
        """Open the model once more, with these options. Raises whatever ONNX Runtime raises."""
        self._opened = self._runtime.InferenceSession(
            str(self._model.path), options, providers=[self._provider]
        )

    def run(self) -> object:
        return self._opened.run(None, self._feed)

    def outputs(self) -> Sequence[np.ndarray]:
        outputs: list[np.ndarray] = self._opened.run(None, self._feed)
        return outputs

    def explain(self, error: Exception) -> HwprofError:
        name = self._model.path.name
        if out_of_memory(error):
            return MeasurementError(memory_advice(name))
        return MeasurementError(
            f"'{name}' opens but does not run: {short_reason(error)}; "
            f"{to_run(str(error), self._model.subject.inputs)}"
        )

    def profile(self, runs: int) -> ProfiledRun:
        # Imported here: it brings onnx, which timing does not need.
        from hwprof.devices.onnxruntime.kernels import build_profile

        # The timed session goes first: two copies of the weights may not fit.
        self.close()
        threads = self._settings[1]
        with scratch_folder() as folder:
            timed, trace = self._recorded(Path(folder), runs, threads)
            profile, extras = build_profile(
                self._model.path,
                Path(folder, OPTIMISED),
                trace,
                samples=timed,
                warmup=PROFILE_WARMUP,
            )
        strangers = sorted(set(extras.providers) - self.accepted)
        if strangers:
            raise DeviceError(
                f"{strangers[0]} ran some nodes of '{self._model.path.name}' instead of "
                f"{self._provider}; the figures would not be this device's"
            )
        return ProfiledRun(
            profile,
            extras.arena_peak_bytes,
            extras.weights_bytes,
            extras.planned_activation_bytes,
            mapping=self.mapping,
        )

    def _recorded(self, folder: Path, runs: int, threads: int) -> tuple[Samples, Path]:
        """All runs of a profiled session, the warm-up first, and its trace.

        There are fewer runs than asked for where they would record more events than can be read.
        """
        from hwprof.devices.onnxruntime.kernels import recorded_nodes
        from hwprof.devices.onnxruntime.trace import count_events

        self._reopen_profiled(folder)
        warm = time_runs(self.run, PROFILE_WARMUP, 1, threads)
        events, repeats = recorded_nodes(Path(folder, OPTIMISED))
        most = max(1, MOST_EVENTS // max(1, events))
        if repeats and runs * float(warm.wall_s.min()) > MOST_EVENTS * EVENT_S:
            # How often a loop repeats only a trace tells, and that ends the session.
            events = count_events(Path(self._opened.end_profiling())) // PROFILE_WARMUP
            most = max(1, MOST_EVENTS // max(1, events))
            self.close()
            self._reopen_profiled(folder)
            warm = time_runs(self.run, PROFILE_WARMUP, 1, threads)
        timed = time_profiled(self.run, runs, threads, most)
        trace = Path(self._opened.end_profiling())
        self.close()
        return Samples.concatenate([warm, timed]), trace

    def _reopen_profiled(self, folder: Path) -> None:
        options = self.session_options()
        options.enable_profiling = True
        options.profile_file_prefix = str(folder / "trace")
        options.optimized_model_filepath = str(folder / OPTIMISED)
        # Weights go to a side file, which is never read back.
        for key, value in (
            ("session.optimized_model_external_initializers_file_name", "weights.bin"),
            ("session.optimized_model_external_initializers_min_size_in_bytes", "1024"),
        ):
            options.add_session_config_entry(key, value)
        try:
            self.reopen(options)
        except Exception as error:  # as in open: no common base; a full disk arrives here
            raise DeviceError(
                f"onnxruntime could not profile '{self._model.path.name}': "
                f"{short_reason(error)}; "
                "free some space in the temporary folder, or use --no-per-op"
            ) from error

    def close(self) -> None:
        self._opened = None
        gc.collect()
