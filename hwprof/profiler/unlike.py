"""Which two results say nothing by their ratio, and why.

A comparison varies one thing: the model on one device, or the device under one model. Whatever
else differs is in the ratio as well, and nobody can tell it apart from what was asked.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from hwprof.device_spec import DeviceSpec
from hwprof.measurement import USUAL_VALUES, Measurement, Subject, WarningCode
from hwprof.samples import Basis

BASES = {
    Basis.WALL_CLEAN: "the wall time of uninterrupted runs",
    Basis.CPU_TIME: "the CPU time of its thread",
    Basis.WALL_ALL: "the wall time of all runs",
}


def unlike(a: Measurement, b: Measurement, *, threads_meant: bool = False) -> tuple[str, ...]:
    """Why the ratio of two latencies says nothing, a clause for each reason; empty where it does.

    Origin, basis, conditions, batch and the number of threads must agree; of one model the shapes
    and values of its inputs; of two models everything that a device is. `threads_meant` says that
    the number of threads is what is compared.
    Raises ValueError for a measurement without samples.
    """
    return tuple(_reasons(a, b, threads_meant))


def threads_swept(measurements: Sequence[Measurement]) -> bool:
    """Whether one device is there with several numbers of threads: then these are compared."""
    counts: dict[str, set[int]] = {}
    for measurement in measurements:
        device = measurement.device
        counts.setdefault(replace(device, threads=1).fingerprint, set()).add(device.threads)
    return any(len(found) > 1 for found in counts.values())


def busy(measurement: Measurement) -> bool:
    """Whether others had so much of the processors that the latency may be too high."""
    return measurement.latency.disturbed or measurement.warned(WarningCode.CONTENDED)


def _reasons(a: Measurement, b: Measurement, threads_meant: bool) -> Iterator[str]:
    if a.source != b.source:
        yield f"origin: a is {a.source}, b is {b.source}"
    bases = _basis(a), _basis(b)
    if bases[0] is not bases[1]:
        first, second = (BASES[basis] for basis in bases)
        yield f"basis: a is {first}, b is {second}; measure both again on a quiet machine"
    if busy(a) != busy(b):
        first, second = (
            "beside others that used the processors" if busy(side) else "on a quiet machine"
            for side in (a, b)
        )
        yield f"conditions: a was measured {first}, b {second}; measure both again in turn"
    yield from _inputs(a.subject, b.subject)
    one, two = a.device, b.device
    on_processors = not (one.hardware.accelerator or two.hardware.accelerator)
    if one.threads != two.threads and on_processors and not threads_meant:
        yield f"threads: a has {one.threads}, b has {two.threads}"
    if one.hardware.emulated != two.hardware.emulated:
        which = "a" if one.hardware.emulated else "b"
        yield f"hardware: {which} was measured on emulated hardware, the other was not"
    differing = differences(one, two)
    if a.subject.sha256 != b.subject.sha256 and differing:
        yield (
            f"device: the models differ, and the devices as well, in {', '.join(differing)}; "
            "compare two models on one device, or two devices on one model"
        )


def _basis(measurement: Measurement) -> Basis:
    """The basis; a GPU's runs, which nothing can interrupt, have no mark and need none."""
    latency = measurement.latency
    unmarked = latency.basis is Basis.WALL_ALL and latency.clean_share is None
    if unmarked and measurement.device.hardware.accelerator:
        return Basis.WALL_CLEAN
    return latency.basis


def _inputs(a: Subject, b: Subject) -> Iterator[str]:
    if a.batch is not None and b.batch is not None and a.batch != b.batch:
        yield f"batch: a has {a.batch}, b has {b.batch}"
    if a.sha256 != b.sha256:
        return
    first, second = shapes_text(a), shapes_text(b)
    if first != second:
        yield f"inputs: of the same model a has {first}, b has {second}"
    elif a.key != b.key:
        yield f"values: the inputs of a hold {_values_text(a)}, those of b {_values_text(b)}"


def shapes_text(subject: Subject) -> str:
    """Names, types and shapes of the inputs: `x float32[1,3], ids int64[1,8]`."""
    return ", ".join(f"{t.name} {t.describe()}" for t in subject.inputs) or "no inputs"


def _values_text(subject: Subject) -> str:
    known = {values.name: values for values in subject.values}
    parts = []
    for spec in subject.inputs:
        values = known.get(spec.name)
        text = USUAL_VALUES if values is None else values.text
        # Two files of one name may hold different things.
        mark = f" ({values.sha256[:8]})" if values is not None and values.sha256 else ""
        parts.append(f"{spec.name} {text}{mark}")
    return ", ".join(parts) or "nothing"


def differences(a: DeviceSpec, b: DeviceSpec) -> list[str]:
    """What two devices differ in besides their threads, in words."""
    one, two = a.hardware, b.hardware
    facts = {
        "system": (one.system, two.system),
        "processor": (one.cpu, two.cpu),
        "instruction sets": (one.isa, two.isa),
        "cores": (one.cores, two.cores),
        "memory": (one.memory_bytes, two.memory_bytes),
        "accelerator": (one.accelerator, two.accelerator),
        "runtime": (a.runtime, b.runtime),
        "provider": (a.provider, b.provider),
        "runtime_version": (a.runtime_version, b.runtime_version),
        "runtime_build": (a.runtime_build, b.runtime_build),
        "precision": (a.precision, b.precision),
    }
    differing = [name for name, (first, second) in facts.items() if first != second]
    options = sorted(set(a.options) | set(b.options))
    return differing + [key for key in options if a.options.get(key) != b.options.get(key)]
