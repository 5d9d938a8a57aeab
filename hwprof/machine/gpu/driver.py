"""The few calls of the CUDA driver API that hwprof makes itself, through ctypes.

They number the GPUs as CUDA does (CUDA_VISIBLE_DEVICES included), and give memory, streams and
events to a runtime that has none of its own in Python (TensorRT). The library comes with the
driver, so nothing has to be installed. Everything happens in a GPU's primary context, which is the
one that the CUDA runtime, and so every runtime in this process, uses.

Source: CUDA Driver API reference.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Mapping
from contextlib import suppress
from ctypes import byref, c_char_p, c_float, c_int, c_size_t, c_ubyte, c_uint, c_uint64, c_void_p
from functools import cache
from itertools import pairwise
from typing import Any

from hwprof.errors import DeviceError

LIBRARY = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"

# CUdevice_attribute
L2_CACHE_SIZE = 38
CAPABILITY_MAJOR, CAPABILITY_MINOR = 75, 76
# CUstream_flags: does not wait for the default stream.
NON_BLOCKING = 1
OUT_OF_MEMORY = 2

_P, _I, _U = c_void_p, c_int, c_uint
SIGNATURES: Mapping[str, tuple[Any, ...]] = {
    "cuInit": (_U,),
    "cuDriverGetVersion": (_P,),
    "cuDeviceGet": (_P, _I),
    "cuDeviceGetUuid_v2": (_P, _I),
    "cuDeviceGetAttribute": (_P, _I, _I),
    "cuDevicePrimaryCtxRetain": (_P, _I),
    "cuDevicePrimaryCtxRelease_v2": (_I,),
    "cuCtxSetCurrent": (_P,),
    "cuMemAlloc_v2": (_P, c_size_t),
    "cuMemFree_v2": (c_uint64,),
    "cuMemcpyHtoD_v2": (c_uint64, _P, c_size_t),
    "cuMemcpyDtoH_v2": (_P, c_uint64, c_size_t),
    "cuMemsetD8Async": (c_uint64, c_ubyte, c_size_t, _P),
    "cuStreamCreate": (_P, _U),
    "cuStreamSynchronize": (_P,),
    "cuStreamDestroy_v2": (_P,),
    "cuEventCreate": (_P, _U),
    "cuEventRecord": (_P, _P),
    "cuEventSynchronize": (_P,),
    "cuEventElapsedTime": (_P, _P, _P),
    "cuEventDestroy_v2": (_P,),
    "cuGetErrorName": (_I, _P),
}


class CudaError(Exception):
    """A call of the driver failed. `code` is its CUresult."""

    def __init__(self, code: int, name: str, call: str) -> None:
        super().__init__(f"{call} failed with {name} ({code})")
        self.code = code


class Cuda:
    """The driver's library, initialised."""

    def __init__(self, library: Any) -> None:
        """`library` is a ctypes.CDLL. Raises DeviceError when it does not initialise."""
        self._library = library
        for name, arguments in SIGNATURES.items():
            function = getattr(library, name)
            function.argtypes = arguments
            function.restype = c_int
        try:
            self.call("cuInit", 0)
        except CudaError as error:
            raise DeviceError(
                f"the CUDA driver does not start ({error}); restart the machine, or update the "
                "driver"
            ) from error

    def call(self, name: str, *arguments: Any) -> None:
        """Make one call. Raises CudaError unless it succeeds."""
        code = int(getattr(self._library, name)(*arguments))
        if code:
            text = c_char_p()
            self._library.cuGetErrorName(code, byref(text))
            raise CudaError(code, (text.value or b"an unknown error").decode(), name)

    def device(self, index: int) -> CudaDevice:
        """The GPU that CUDA numbers `index`. Raises DeviceError."""
        handle = c_int()
        try:
            self.call("cuDeviceGet", byref(handle), index)
        except CudaError as error:
            raise DeviceError(
                f"CUDA sees no GPU {index}; choose another with device=N, and check "
                "CUDA_VISIBLE_DEVICES"
            ) from error
        return CudaDevice(self, handle.value)

    def version(self) -> str:
        """Newest CUDA version that the driver supports, such as `12.8`."""
        number = c_int()
        self.call("cuDriverGetVersion", byref(number))
        return f"{number.value // 1000}.{number.value % 1000 // 10}"


class CudaDevice:
    """A GPU as CUDA sees it, without a context yet."""

    def __init__(self, cuda: Cuda, handle: int) -> None:
        self._cuda = cuda
        self._handle = handle

    def uuids(self) -> tuple[str, str]:
        """What NVML may call it: as a whole GPU, and as a MIG slice."""
        raw = (c_ubyte * 16)()
        self._cuda.call("cuDeviceGetUuid_v2", raw, self._handle)
        digits = bytes(raw).hex()
        cuts = (0, 8, 12, 16, 20, 32)
        uuid = "-".join(digits[a:b] for a, b in pairwise(cuts))
        return f"GPU-{uuid}", f"MIG-{uuid}"

    def capability(self) -> tuple[int, int]:
        """Compute capability, such as (9, 0)."""
        return self._attribute(CAPABILITY_MAJOR), self._attribute(CAPABILITY_MINOR)

    def l2_bytes(self) -> int:
        """Size of the level-2 cache; 0 where the driver does not tell."""
        return self._attribute(L2_CACHE_SIZE)

    def _attribute(self, attribute: int) -> int:
        value = c_int()
        self._cuda.call("cuDeviceGetAttribute", byref(value), attribute, self._handle)
        return value.value

    def open(self) -> CudaContext:
        """The primary context, made current in this thread. Raises CudaError."""
        return CudaContext(self._cuda, self._handle)


class CudaContext:
    """Memory, one stream and its events on a GPU. Raises CudaError."""

    def __init__(self, cuda: Cuda, handle: int) -> None:
        self._cuda = cuda
        self._handle = handle
        self._memory: list[int] = []
        self._events: list[c_void_p] = []
        self._stream = c_void_p()
        self._open = True
        context = c_void_p()
        cuda.call("cuDevicePrimaryCtxRetain", byref(context), handle)
        cuda.call("cuCtxSetCurrent", context)
        cuda.call("cuStreamCreate", byref(self._stream), NON_BLOCKING)

    @property
    def stream(self) -> int:
        """Address of the stream, for runtimes that are given one."""
        return int(self._stream.value or 0)

    def allocate(self, nbytes: int) -> int:
        """Address of `nbytes` of device memory, kept until the context is closed."""
        address = c_uint64()
        # No tensor is empty to the allocator.
        self._cuda.call("cuMemAlloc_v2", byref(address), max(nbytes, 1))
        self._memory.append(address.value)
        return address.value

    def upload(self, address: int, data: Any) -> None:
        """Copy a contiguous NumPy array to the device."""
        self._cuda.call("cuMemcpyHtoD_v2", address, data.ctypes.data, data.nbytes)

    def download(self, data: Any, address: int) -> None:
        """Copy from the device into a contiguous NumPy array."""
        self._cuda.call("cuMemcpyDtoH_v2", data.ctypes.data, address, data.nbytes)

    def fill(self, address: int, nbytes: int) -> None:
        """Write zeros, in the stream's order."""
        self._cuda.call("cuMemsetD8Async", address, 0, nbytes, self._stream)

    def event(self) -> c_void_p:
        """A new event that keeps time, kept until the context is closed."""
        event = c_void_p()
        self._cuda.call("cuEventCreate", byref(event), 0)
        self._events.append(event)
        return event

    def record(self, event: c_void_p) -> None:
        """Have the stream note the time when it gets there."""
        self._cuda.call("cuEventRecord", event, self._stream)

    def wait(self, event: c_void_p) -> None:
        """Wait until the stream has got to `event`."""
        self._cuda.call("cuEventSynchronize", event)

    def elapsed_s(self, start: c_void_p, end: c_void_p) -> float:
        """Seconds between two events that have passed; resolution about 0.5 us."""
        milliseconds = c_float()
        self._cuda.call("cuEventElapsedTime", byref(milliseconds), start, end)
        return milliseconds.value * 1e-3

    def synchronise(self) -> None:
        """Wait until the stream is done."""
        self._cuda.call("cuStreamSynchronize", self._stream)

    def close(self) -> None:
        """Free everything. Calling it again does nothing."""
        if not self._open:
            return
        self._open = False
        # After a failed kernel the context refuses every call; the process ends soon anyway.
        with suppress(CudaError):
            for event in self._events:
                self._cuda.call("cuEventDestroy_v2", event)
            for address in self._memory:
                self._cuda.call("cuMemFree_v2", address)
            self._cuda.call("cuStreamDestroy_v2", self._stream)
        with suppress(CudaError):
            self._cuda.call("cuDevicePrimaryCtxRelease_v2", self._handle)


@cache
def open_cuda() -> Cuda:
    """The CUDA driver of this machine. Raises DeviceError with the reason there is none."""
    try:
        library = ctypes.CDLL(LIBRARY)
    except OSError as error:
        raise DeviceError(
            f"the CUDA driver's library {LIBRARY} does not load ({error}); install the NVIDIA "
            "driver"
        ) from error
    return Cuda(library)
