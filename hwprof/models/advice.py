"""What to do about an error, in the last words of its message: as far as a runtime's words tell.

Runtimes say what went wrong in their own words, and rarely what to change. The kinds below are told
by patterns; the wordings are those of ONNX Runtime, OpenVINO, PyTorch, LiteRT and TVM.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from hwprof.graph import TensorSpec

# A number inside an input is one that the model cannot work with.
_VALUE = re.compile(
    r"out of (data )?bounds|out of range|index[^.]{0,40}(out|must be)|invalid index|"
    r"idx=|negative (value|index)|must be (within|in) the (inclusive )?range|"
    r"value[^.]{0,30}(must be|out of)|Assertion.*index|cannot be negative",
    re.I,
)
_NO_KERNEL = re.compile(
    r"not implemented (for|on)|Could not find an implementation|NOT_IMPLEMENTED|no kernel|"
    r"unsupported (data ?type|element type|precision)|is not supported for type|"
    r"Type 'tensor\((bfloat16|float8\w*|u?int4)\)'",
    re.I,
)
_SHAPE = re.compile(
    r"must have shape|shape|dimension|broadcast|size of tensor|mat1 and mat2|"
    r"sizes? (must|do not|mismatch)|rank|elements|axis|reshape",
    re.I,
)
_LOCALE = re.compile(r"construct locale with name:\s*([\w.@-]+)")
_FOREIGN = re.compile(r"\b([A-Za-z][\w.]*\.[\w.]+|[a-z]\w*):(\w+)\(-?\d+\) is not a registered")
_NO_OPERATOR = re.compile(r"has no operator|no operator|No Op registered|not a registered|no equal")
_OPSET = re.compile(r"opset|operator set", re.I)


def to_run(reason: str, inputs: Sequence[TensorSpec] = ()) -> str:
    """What to do about a model that opens and does not run, for `reason`; on `inputs`."""
    if _VALUE.search(reason):
        return (
            "a value of its inputs is not one that it can work with; "
            f"give others with --input {_name(inputs)}=..."
        )
    if _NO_KERNEL.search(reason):
        return "measure it on a device that has that kernel, or export the model in float32"
    if "No corresponding Numpy type" in reason:
        return "export the model with outputs of another type, or choose another device"
    if _SHAPE.search(reason):
        listed = ", ".join(f"{each.name} {each.describe()}" for each in inputs)
        return (
            f"its shapes do not fit together{f' ({listed})' if listed else ''}; "
            "give others with --shape, or export it with every dimension open that belongs to them"
        )
    return (
        "check what its inputs hold (--input) and their shapes (--shape), "
        "or measure it on another device"
    )


def to_open(reason: str, kept: str) -> str:
    """What to do about a model that does not open, for `reason`; `kept` where nothing fits better.

    `reason` is a message in full: what was lost in shortening cannot be told.
    """
    locale = _LOCALE.search(reason)
    if locale is not None:
        name = locale[1].partition(":")[0]
        return f"install the locale {name} on this system, such as with 'locale-gen {name}'"
    foreign = foreign_operator(reason)
    if foreign is not None:
        return (
            f"give onnxruntime-cpu the library that has {foreign[1]} with --custom-ops FILE.so, "
            "or export the model with operators of ONNX"
        )
    if _NO_OPERATOR.search(reason) and not _OPSET.search(reason):
        return "export the model without it, or measure it on a device that has it"
    if _NO_KERNEL.search(reason):
        return "measure it on a device that has that kernel, or export the model in float32"
    return kept


def foreign_operator(reason: str) -> tuple[str, str] | None:
    """Domain and name of an operator that a message calls unregistered; None for ONNX's own."""
    found = _FOREIGN.search(reason)
    return None if found is None else (found[1], found[2])


def _name(inputs: Sequence[TensorSpec]) -> str:
    whole = [each.name for each in inputs if each.dtype.startswith(("int", "uint"))]
    return (whole or [each.name for each in inputs] or ["NAME"])[0]
