"""Importing TensorRT, and keeping what it logs."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from hwprof.errors import DeviceError

OLDEST = (10, 0)


def import_runtime() -> ModuleType:
    """TensorRT 10 or later. Raises DeviceError with the reason it is not usable."""
    try:
        import tensorrt
    except Exception as error:  # its loader raises what it likes when a library is missing
        raise DeviceError(
            f"tensorrt does not import ({error}); install the TensorRT of NVIDIA for this "
            "machine's CUDA, with its Python package"
        ) from error
    module: ModuleType = tensorrt
    if version(module) < OLDEST:
        raise DeviceError(
            f"TensorRT {module.__version__} is older than 10.0, whose interface hwprof uses; "
            "install a newer one"
        )
    return module


def version(trt: ModuleType) -> tuple[int, int]:
    """Major and minor version."""
    major, minor = trt.__version__.split(".")[:2]
    return int(major), int(minor)


def make_logger(trt: Any) -> Any:
    """A logger that prints nothing and keeps errors in `errors`: TensorRT raises none itself."""

    class Logger(trt.ILogger):  # type: ignore[misc]
        def __init__(self) -> None:
            # pybind11 needs the base to be initialised by name.
            trt.ILogger.__init__(self)
            self.errors: list[str] = []

        def log(self, severity: Any, message: str) -> None:
            if severity in (trt.ILogger.INTERNAL_ERROR, trt.ILogger.ERROR):
                self.errors.append(" ".join(message.split()))

    return Logger()


def last_error(logger: Any) -> str:
    """The last error that was logged, shortened."""
    return logger.errors[-1][:300].rstrip(" .") if logger.errors else "it gave no reason"


def make_profiler(trt: Any) -> Any:
    """A profiler that keeps each layer's milliseconds, in the order reported, in `layers`."""

    class Profiler(trt.IProfiler):  # type: ignore[misc]
        def __init__(self) -> None:
            trt.IProfiler.__init__(self)
            self.layers: list[tuple[str, float]] = []

        def report_layer_time(self, layer_name: str, ms: float) -> None:
            self.layers.append((layer_name, ms))

    return Profiler()
