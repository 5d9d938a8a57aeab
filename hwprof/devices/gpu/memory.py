"""Memory that ran out on a GPU, in one sentence whichever runtime says so."""

from __future__ import annotations

import re

from hwprof.errors import MeasurementError

# torch: "Tried to allocate 20.00 MiB. GPU 0 has a total capacity of 15.78 GiB of which 10.69 MiB
# is free." ONNX Runtime: "Failed to allocate memory for requested buffer of size 51380224".
# TensorRT: "Requested amount of GPU memory (8589934592 bytes) could not be allocated."
_ASKED = (
    re.compile(r"Tried to allocate ([\d.]+ \w+)"),
    re.compile(r"requested buffer of size (\d+)"),
    re.compile(r"Requested amount of GPU memory \((\d+) bytes\)"),
    re.compile(r"Requested size was (\d+) bytes"),
)
_FREE = re.compile(r"of which ([\d.]+ \w+) is free")
_SIGNS = (
    "out of memory",
    "OUT_OF_MEMORY",
    "OutOfMemory",
    "Failed to allocate memory",
    "could not be allocated",
    "CUBLAS_STATUS_ALLOC_FAILED",
)


def ran_out(text: str) -> bool:
    """Whether an error's text tells of memory that ran out on the GPU."""
    return any(sign in text for sign in _SIGNS)


def out_of_memory(model: str, text: str) -> MeasurementError:
    """What to say about it: the model, the bytes asked for and free where known, what to do."""
    asked = next((found[1] for found in (p.search(text) for p in _ASKED) if found), None)
    if asked is not None and asked.isdecimal():
        asked = f"{int(asked) / 2**20:.2f} MiB"
    free = _FREE.search(text)
    detail = ""
    if asked is not None:
        detail = f" ({asked} asked for, {free[1]} free)" if free else f" ({asked} asked for)"
    return MeasurementError(
        f"the GPU's memory ran out on '{model}'{detail}; use a smaller --batch or --shape, end "
        "other programs on the GPU, or use a GPU with more memory"
    )
