"""LiteRT's own profiler, through the C interface of the library that the wheel carries.

The Python package has no way to it, but `libLiteRt.so` exports it: `LiteRtCompiledModelGetProfiler`
and its kin of litert/c/litert_compiled_model.h and litert_profiler.h. The profiler is switched on
by the runtime option `enable_profiling`. Structures differ between versions, so only those are
opened whose structures are known.
"""

from __future__ import annotations

import ctypes as c
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Self

import numpy as np

from hwprof.devices.litert.runtime import version
from hwprof.errors import DeviceError

# Versions whose structures are those below.
KNOWN = ("2.3.",)
CPU = 1
OPERATOR, DELEGATED = 2, 8
"""Kinds of event: an operator of the file, a kernel within a delegate."""
_OTHERS = frozenset({1, 4, 16, 32, 64, 128, 256})
_WRITE = 1
_MAX_RANK = 8


class _Layout(c.Structure):
    _fields_: ClassVar = [
        ("rank", c.c_uint32, 7),
        ("has_strides", c.c_uint32, 1),
        ("dims", c.c_int32 * _MAX_RANK),
        ("strides", c.c_uint32 * _MAX_RANK),
    ]


class _TensorType(c.Structure):
    _fields_: ClassVar = [("element", c.c_int32), ("layout", _Layout)]


class _Event(c.Structure):
    _fields_: ClassVar = [
        ("tag", c.c_void_p),
        ("kind", c.c_int32),
        ("start_us", c.c_uint64),
        ("elapsed_us", c.c_uint64),
        ("memory", c.c_uint64 * 6),
        ("index", c.c_uint64),
        ("more", c.c_uint64),
        ("origin", c.c_int32),
    ]


@dataclass(frozen=True, slots=True)
class Event:
    """One kernel of one run: an operator by its `index`, or a delegate's kernel by its `name`."""

    kind: int
    name: str
    index: int
    elapsed_s: float
    """A whole number of microseconds: the profiler's resolution."""


class NativeModel:
    """A model compiled with the profiler on. A context manager; closing it frees everything."""

    def __init__(
        self, path: Path, inputs: dict[str, np.ndarray], threads: int, xnnpack: bool, resized: bool
    ) -> None:
        """`inputs` by the names of the file's tensors. Raises DeviceError with the reason."""
        if not version().startswith(KNOWN):
            raise DeviceError(
                f"the profiler of ai-edge-litert {version()} is not known to hwprof; install "
                f"version {KNOWN[-1]}x, or use --no-per-op"
            )
        self._library = _library()
        self._opened: list[tuple[str, c.c_void_p]] = []
        self._payloads: list[object] = []
        try:
            self._open(path, threads, xnnpack)
            self._buffers = [
                self._input_buffers(inputs, resized),
                self._output_buffers(resized),
            ]
        except BaseException:
            self.close()
            raise

    def run(self) -> None:
        """Run once. Raises DeviceError."""
        (few, read), (many, written) = ((len(b), b) for b in self._buffers)
        self._call("RunCompiledModel", self._model, c.c_size_t(0), c.c_size_t(few), read,
                   c.c_size_t(many), written)  # fmt: skip

    def start(self) -> None:
        """Profile what runs from here on."""
        self._call("ResetProfiler", self._profiler)
        self._call("StartProfiler", self._profiler)

    def stop(self) -> list[Event]:
        """The kernels that ran since `start`, in their order. Raises DeviceError."""
        self._call("StopProfiler", self._profiler)
        count = c.c_int()
        self._call("GetNumProfilerEvents", self._profiler, c.byref(count))
        events = (_Event * count.value)()
        self._call("GetProfilerEvents", self._profiler, count, events)
        found = []
        for event in events:
            if event.kind not in (OPERATOR, DELEGATED) and event.kind not in _OTHERS:
                raise DeviceError(
                    f"the profiler of ai-edge-litert {version()} reports in an unknown form; "
                    "use --no-per-op"
                )
            if event.kind in (OPERATOR, DELEGATED):
                name = (c.cast(event.tag, c.c_char_p).value or b"").decode("utf-8", "replace")
                found.append(Event(event.kind, name, event.index, event.elapsed_us * 1e-6))
        return found

    def close(self) -> None:
        """Free everything. Calling it again does nothing."""
        while self._opened:
            kind, handle = self._opened.pop()
            getattr(self._library, f"LiteRtDestroy{kind}")(handle)

    def _open(self, path: Path, threads: int, xnnpack: bool) -> None:
        environment = self._made("Environment", "CreateEnvironment", c.c_int(0), None)
        name = str(path).encode()
        loaded = self._made("Model", "CreateModelFromFile", environment, c.c_char_p(name))
        options = self._made("Options", "CreateOptions")
        self._call("SetOptionsHardwareAccelerators", options, c.c_int(CPU))
        self._option(options, b"runtime_options_string", b"enable_profiling = true\n")
        kernels = b"xnnpack" if xnnpack else b"builtin"
        setting = b'kernel_mode = "%s"\nnum_threads = %d\n' % (kernels, threads)
        self._option(options, b"xnnpack", setting)
        self._environment = environment
        self._model = self._made(
            "CompiledModel", "CreateCompiledModel", environment, loaded, options
        )
        self._profiler = c.c_void_p()
        self._call("CompiledModelGetProfiler", self._model, c.byref(self._profiler))
        if self._profiler.value is None:
            raise DeviceError("LiteRT gives no profiler; use --no-per-op")
        self._signature = c.c_void_p()
        self._call("GetModelSignature", loaded, c.c_size_t(0), c.byref(self._signature))

    def _option(self, options: c.c_void_p, name: bytes, text: bytes) -> None:
        """Hand over a piece of TOML, which is ours to keep until the model is freed."""
        payload = c.create_string_buffer(text)
        nothing = _FREE(lambda _: None)
        self._payloads += [payload, nothing]
        made = c.c_void_p()
        address = c.cast(payload, c.c_void_p)
        self._call("CreateOpaqueOptions", c.c_char_p(name), address, nothing, c.byref(made))
        self._call("AddOpaqueOptions", options, made)

    def _input_buffers(self, inputs: dict[str, np.ndarray], resized: bool) -> Any:
        tensors = self._tensors("Input")
        arrays = [inputs[name] for name, _ in tensors]
        for number, array in enumerate(arrays):
            if resized:
                dims = (c.c_int * array.ndim)(*array.shape)
                self._call("CompiledModelResizeInputTensorNonStrict", self._model, c.c_size_t(0),
                           c.c_size_t(number), dims, c.c_size_t(array.ndim))  # fmt: skip
        handles = (c.c_void_p * len(tensors))()
        for number, ((_, kind), array) in enumerate(zip(tensors, arrays, strict=True)):
            kind.layout.dims[: array.ndim] = array.shape
            handle = self._buffer("Input", number, kind)
            address = c.c_void_p()
            self._call("LockTensorBuffer", handle, c.byref(address), c.c_int(_WRITE))
            c.memmove(address, array.ctypes.data, array.nbytes)
            self._call("UnlockTensorBuffer", handle)
            handles[number] = handle.value
        return handles

    def _output_buffers(self, resized: bool) -> Any:
        tensors = self._tensors("Output")
        layouts = (_Layout * len(tensors))()
        self._call("GetCompiledModelOutputTensorLayouts", self._model, c.c_size_t(0),
                   c.c_size_t(len(tensors)), layouts, c.c_bool(resized))  # fmt: skip
        handles = (c.c_void_p * len(tensors))()
        for number, (_, kind) in enumerate(tensors):
            kind.layout = layouts[number]
            handles[number] = self._buffer("Output", number, kind).value
        return handles

    def _tensors(self, side: str) -> list[tuple[str, _TensorType]]:
        """Name and type of each tensor at one side of the model."""
        count = c.c_size_t()
        self._call(f"GetNumSignature{side}s", self._signature, c.byref(count))
        found = []
        for number in range(count.value):
            tensor, name, kind = c.c_void_p(), c.c_char_p(), _TensorType()
            self._call(f"GetSignature{side}TensorByIndex", self._signature, c.c_size_t(number),
                       c.byref(tensor))  # fmt: skip
            self._call("GetTensorName", tensor, c.byref(name))
            self._call("GetRankedTensorType", tensor, c.byref(kind))
            found.append(((name.value or b"").decode(), kind))
        return found

    def _buffer(self, side: str, number: int, kind: _TensorType) -> c.c_void_p:
        needs = c.c_void_p()
        self._call(f"GetCompiledModel{side}BufferRequirements", self._model, c.c_size_t(0),
                   c.c_size_t(number), c.byref(needs))  # fmt: skip
        return self._made("TensorBuffer", "CreateManagedTensorBufferFromRequirements",
                          self._environment, c.byref(kind), needs)  # fmt: skip

    def _made(self, kind: str, function: str, *arguments: object) -> c.c_void_p:
        handle = c.c_void_p()
        self._call(function, *arguments, c.byref(handle))
        self._opened.append((kind, handle))
        return handle

    def _call(self, function: str, *arguments: object) -> None:
        try:
            status = getattr(self._library, f"LiteRt{function}")(*arguments)
        except AttributeError as error:
            raise DeviceError(
                f"this build of ai-edge-litert lacks LiteRt{function}, which profiling needs; "
                "use --no-per-op"
            ) from error
        if status:
            raise DeviceError(
                f"LiteRT could not profile (LiteRt{function} gave status {status}); use --no-per-op"
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


_FREE = c.CFUNCTYPE(None, c.c_void_p)


def _library() -> c.CDLL:
    import ai_edge_litert

    folder = Path(str(ai_edge_litert.__file__)).parent
    for name in ("libLiteRt.so", "libLiteRt.dylib", "libLiteRt.dll"):
        if (folder / name).is_file():
            return c.CDLL(str(folder / name))
    raise DeviceError(
        "this build of ai-edge-litert lacks libLiteRt, which profiling needs; use --no-per-op"
    )
