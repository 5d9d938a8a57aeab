"""Importing ONNX Runtime, and putting its errors into words."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import ModuleType

from hwprof.errors import DeviceError, ModelError
from hwprof.models.advice import foreign_operator
from hwprof.telemetry import ONNX_RUNTIME, opt_out


def import_runtime() -> ModuleType:
    """ONNX Runtime, silenced below errors. Raises DeviceError with the reason it is not usable."""
    opt_out(ONNX_RUNTIME)
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

LOCALE = re.compile(r"construct locale with name:\s*([\w.@-]+)")
NO_KERNEL = re.compile(
    r"Could not find an implementation for (?P<op>\w+)\(\d+\) node with name '(?P<node>[^']*)'"
    r"|Type 'tensor\((?P<type>\w+)\)' of input parameter .* of operator \((?P<operator>\w+)\) "
    r"in node \((?P<name>[^)]*)\) is invalid"
)
NO_NUMPY_TYPE = re.compile(r"No corresponding Numpy type for Tensor Type\.\s*(\w+)")

TYPES = "its types"


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
    foreign = foreign_operator(text)
    if foreign is not None:
        return "it does not know operator '{1}' of domain '{0}'".format(*foreign)
    locale = LOCALE.search(text)
    if locale is not None:
        return f"its text operators need the locale {locale[1]}, which this system lacks"
    missing = NO_KERNEL.search(text)
    if missing is not None:
        operator, node = missing["op"] or missing["operator"], missing["node"] or missing["name"]
        return f"it has no kernel for node '{node}' ({operator}) in {missing['type'] or TYPES}"
    handed = NO_NUMPY_TYPE.search(text)
    if handed is not None:
        return f"it hands out no outputs of type {handed[1]} to Python"
    where, rest = "", ""
    for failed in FAILED_NODE.finditer(text):
        where = f"node '{failed[2]}' ({failed[1]}): "
        rest = text[failed.end() :]
    if where:
        text = rest.strip() or "it gave no reason"
    return (where + NOISE.sub("", text.splitlines()[0]))[:400].rstrip(" .")


def named_types(reason: str, text: str, path: Path) -> str:
    """`reason` with the type that a kernel is missing for, which the model tells; of `text`."""
    missing = NO_KERNEL.search(text)
    if missing is None or missing["node"] is None:
        return reason
    # Imported here: they bring onnx, which is needed for this alone.
    from hwprof.models.onnx.elements import onnx_dtype
    from hwprof.models.onnx.file import read_structure
    from hwprof.models.onnx.infer import element_types

    try:
        proto = read_structure(path)
    except ModelError:
        return reason
    types = element_types(proto)
    kinds = [
        onnx_dtype(types[name])
        for node in proto.graph.node
        if node.name == missing["node"]
        for name in node.input
        if types.get(name)
    ]
    # The first one that few kernels are for, or else the first.
    telling = [kind for kind in kinds if kind not in ("float32", "int64")] or kinds
    return reason.replace(TYPES, telling[0]) if telling else reason


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
