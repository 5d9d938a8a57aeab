"""Other runtimes: agreement is judged by precision, and comparing does not count as memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from cases.verdicts import Case, Setting, Verdict, attempt, said
from hwprof.devices.registry import available
from hwprof.errors import DeviceError, HwprofError, ModelError
from hwprof.measurement import Measurement
from tests.models_of_reports import element_types, plain, shapes

OTHERS = ("openvino-cpu", "torch-cpu", "tvm-cpu")
# What one and the same model's peak differs by from process to process.
SAME_MIB = 24
DISAGREES = "computes something else"
# Types that plain ONNX Runtime itself refuses, or that nobody can make values of.
REFUSED = {"bf16": "MatMul", "bf16_inside": "MatMul", "int4_input": "int4", "uint4_output": "int4"}


def here(names: Sequence[str]) -> list[str]:
    return [d.name for d in available() if d.available and d.name in names]


def same_type(setting: Setting) -> Iterator[Verdict]:
    """Every element type on every device: measured, or refused for what the device lacks."""
    for name, model in element_types.by_type().items():
        path = setting.saved(name, model)
        found = attempt(path, plan=setting.plan())
        way = f"{name} on onnxruntime-cpu"
        if isinstance(found, Measurement):
            yield Verdict("element_types", way, "right", "measured")
        else:
            word = REFUSED.get(name)
            fits = isinstance(found, HwprofError) and word is not None
            fits = fits and str(word).lower() in str(found).lower() and "--shape" not in str(found)
            yield Verdict("element_types", way, "right" if fits else "wrong", said(found))
        if name in REFUSED:
            continue
        yield from agreeing("element_types", name, path, setting)


def agreeing(case: str, name: str, path: Path, setting: Setting) -> Iterator[Verdict]:
    """On no device may a right answer be called another one."""
    for device in here(OTHERS):
        found = attempt(path, device, setting.plan())
        way = f"{name} on {device}"
        if isinstance(found, Measurement):
            outputs = found.provenance.outputs
            text = "not compared" if outputs is None else outputs.text
            yield Verdict(case, way, "right", text)
        else:
            lacks = isinstance(found, (ModelError, DeviceError)) and DISAGREES not in str(found)
            yield Verdict(case, way, "right" if lacks else "wrong", said(found))


def quantised(setting: Setting) -> Iterator[Verdict]:
    """A published network, quantised: a step of int8 here and there is no other network."""
    path = element_types.quantised_squeezenet(setting.folder)
    yield from agreeing("quantised_network", "squeezenet", path, setting)


def memory(
    case: str, side: int, classes: int, devices: Sequence[str], setting: Setting
) -> Iterator[Verdict]:
    """Peak memory is the model's, with its outputs compared and without."""
    path = setting.saved(case, plain.segmentation_head(side, classes))
    for device in here(devices):
        peaks: list[float] = []
        for check in (True, False):
            found: Any = attempt(path, device, setting.plan(), check_outputs=check)
            if isinstance(found, Exception):
                yield Verdict(case, device, "wrong", said(found))
                break
            peaks.append((found.memory.peak_bytes or float("nan")) / 2**20)
        else:
            text = "{:.0f} MiB with outputs compared, {:.0f} without".format(*peaks)
            near = abs(peaks[0] - peaks[1]) <= max(SAME_MIB, 0.1 * peaks[1])
            yield Verdict(case, device, "right" if near else "wrong", text)


def open_batch(setting: Setting) -> Iterator[Verdict]:
    """A batch that output shapes leave open as well."""
    path = setting.saved("open_batch", shapes.open_batch())
    for device in ("onnxruntime-cpu", *here(("mnn-cpu",))):
        found = attempt(path, device, setting.plan(), batch=2)
        right = isinstance(found, Measurement)
        text = "measured" if isinstance(found, Measurement) else said(found)
        yield Verdict("open_batch", device, "right" if right else "wrong", text)


CASES = (
    Case("element_types", "tolerance goes by what is computed in", same_type),
    Case("quantised_network", "one step of int8 is no other answer", quantised),
    Case(
        "memory_of_a_check",
        "comparing outputs is not the model's memory",
        partial(memory, "memory_of_a_check", 512, 21, ("litert-cpu",)),
    ),
    Case(
        "memory_of_a_large_output",
        "comparing outputs is not the model's memory",
        partial(memory, "memory_of_a_large_output", 768, 96, ("onnxruntime-cpu", "openvino-cpu")),
    ),
    Case("open_batch", "an output's open shape is decided with the input's", open_batch),
)
