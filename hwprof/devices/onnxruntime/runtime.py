"""Importing ONNX Runtime, and putting its errors into words."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import ModuleType

from hwprof.errors import DeviceError


def import_runtime() -> ModuleType:
    """ONNX Runtime, silenced below errors. Raises DeviceError with the reason it is not usable."""
    try:
        import onnxruntime
    except ImportError as error:  # a missing shared library arrives as ImportError too
        raise DeviceError(
            f"onnxruntime does not import ({error}); install it with 'pip install onnxruntime'"
        ) from error
    onnxruntime.set_default_logger_severity(4)
    module: ModuleType = onnxruntime
    return module


# "[ONNXRuntimeError] : 1 : FAIL : Load model from FILE failed:/source/file.h:46 void f(int) text"
NOISE = re.compile(
    r"^(\[ONNXRuntimeError\] : \d+ : \w+ : )?(Load model from .*? failed:)?"
    r"(/\S+:\d+ .*?\)\s)?"
)
# "Non-zero status code returned while running Add node. Name:'sum' Status Message: text", nested
# for nodes inside a branch or loop: the innermost one is the one that failed.
FAILED_NODE = re.compile(r"while running (\w+) node\. Name:'([^']*)' Status Message: ")
UNKNOWN_OP = re.compile(r"No Op registered for (\S+) with domain_version of (\d+)")
NEWER_OPSET = re.compile(
    r"Opset (\d+) is under development.*domain (\S+) is till opset (\d+)", re.S
)


def short_reason(error: Exception) -> str:
    """One of ONNX Runtime's messages in one line, without codes and source positions."""
    text = str(error).strip() or type(error).__name__
    newer = NEWER_OPSET.search(text)
    if newer is not None:
        return "it uses opset {} of {}, and this version knows opsets up to {}".format(
            *newer.groups()
        )
    unknown = UNKNOWN_OP.search(text)
    if unknown is not None:
        return "it has no operator '{}' in opset {}".format(*unknown.groups())
    where, rest = "", ""
    for failed in FAILED_NODE.finditer(text):
        where = f"node '{failed[2]}' ({failed[1]}): "
        rest = text[failed.end() :]
    if where:
        text = rest.strip() or "it gave no reason"
    return (where + NOISE.sub("", text.splitlines()[0]))[:400].rstrip(" .")


def out_of_memory(error: Exception) -> bool:
    """Whether one of ONNX Runtime's errors is a failed allocation."""
    text = str(error)
    return isinstance(error, MemoryError) or "bad_alloc" in text or "Failed to allocate" in text


def memory_advice(model: str) -> str:
    """What to say when memory ran out on `model`."""
    return (
        f"memory ran out on '{model}'; use a smaller --batch or --shape, close other programs, "
        "or use a machine with more memory"
    )


def provider_library(package: Path, provider: str) -> Path:
    """Where the wheel `onnxruntime-gpu` keeps a provider."""
    kind = {"CUDAExecutionProvider": "cuda", "TensorrtExecutionProvider": "tensorrt"}[provider]
    name = f"onnxruntime_providers_{kind}"
    return package / "capi" / (f"{name}.dll" if sys.platform == "win32" else f"lib{name}.so")
