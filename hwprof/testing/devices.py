"""The laws that every device keeps. Plugin authors run them against their own backend.

    from hwprof.testing.devices import check_device
    check_device(MyDevice.create({}), model)

Each law raises AssertionError with a sentence. Nothing here depends on a test framework.
"""

from __future__ import annotations

import numpy as np

from hwprof.codec import from_json, to_json
from hwprof.device_spec import DeviceSpec
from hwprof.devices.base import Availability, Device
from hwprof.errors import DeviceError, HwprofError, MeasurementError, OptionError
from hwprof.models.base import Model
from hwprof.models.outputs import OutputTensor

SAMPLES = 3
PROFILED = 4


def law(holds: bool, sentence: str) -> None:
    """Raise AssertionError(sentence) unless `holds`."""
    if not holds:
        raise AssertionError(sentence)


def check_backend(backend: type[Device]) -> None:
    """Laws of the class: it says whether it is available, and refuses unknown options."""
    law(isinstance(backend.availability(), Availability), "availability() gives an Availability")
    try:
        backend.create({"no-such-option": "1"})
    except (OptionError, DeviceError) as error:
        law("\n" not in str(error), "an error is one line")
    else:
        raise AssertionError("create() refuses an unknown option with OptionError")


def check_spec(device: Device) -> None:
    """Laws of the spec: it is stable, survives JSON, and names a device."""
    spec = device.spec
    law(spec == device.spec, "spec is the same each time it is asked for")
    law(from_json(to_json(spec), DeviceSpec) == spec, "spec survives JSON")
    law(bool(spec.slug) and spec.slug == spec.slug.lower(), "slug is lower case and not empty")
    law(spec.threads >= 1, "threads is at least 1")


def check_timing(device: Device, model: Model) -> None:
    """Laws of a session's timings."""
    with device.open(model) as session:
        law(session.setup_s >= 0, "setup_s is not negative")
        overhead_s = session.overhead_s()
        law(overhead_s is None or overhead_s >= 0, "the overhead is stated, or absent")
        samples = session.time(SAMPLES)
        law(len(samples) == SAMPLES, "time(n) gives n samples")
        law(bool(np.all(samples.wall_s > 0)), "a run takes time")
        law(session.time(1, 2).loops == 2, "samples say how many loops they hold")
        memory = session.memory()
        known = [memory.peak_rss_bytes, memory.baseline_rss_bytes]
        law(all(value is None or value > 0 for value in known), "no zero passes for memory")
        law(
            memory.peak_rss_bytes is not None or "peak_rss_bytes" in memory.absent,
            "an absent peak has a reason",
        )
        session.close()
        session.close()
        try:
            session.time(1)
        except MeasurementError:
            return
        raise AssertionError("a closed session refuses to time with MeasurementError")


def check_outputs(device: Device, model: Model) -> None:
    """Laws of outputs: the same inputs give the same answer, and it can be handed over."""
    with device.open(model) as session:
        try:
            first, second = session.outputs(), session.outputs()
        except DeviceError as error:
            law("\n" not in str(error), "a device without outputs says so in one line")
            return
    law(bool(first), "a model has outputs")
    law(from_json(to_json(first), tuple[OutputTensor, ...]) == first, "outputs survive JSON")
    for one, two in zip(first, second, strict=True):
        law((one.dtype, one.shape) == (two.dtype, two.shape), "outputs keep type and shape")
        law(
            bool(np.allclose(one.array(), two.array(), rtol=1e-3, atol=1e-6, equal_nan=True)),
            "the same inputs give the same outputs",
        )


def check_profile(device: Device, model: Model) -> None:
    """Laws of a profile: raw, complete, and honest about what it covers."""
    with device.open(model) as session:
        session.time(1)
        try:
            profile = session.profile(PROFILED).profile
        except DeviceError as error:
            law("\n" not in str(error), "a device without profile says so in one line")
            return
    law(profile.node_cost_s is None, "a device does not estimate its profiler's cost")
    law(len(profile.run_wall_s) == PROFILED, "profile(n) keeps n runs")
    law(bool(profile.occurrences), "a profile names kernels")
    covered = [node for o in profile.occurrences for node in o.source_nodes]
    law(len(covered) == len(set(covered)), "a source node belongs to one kernel at most")
    law(not set(covered) & set(profile.uncovered), "no node is both covered and not")


def check_bad_model(device: Device, broken: Model) -> None:
    """A model that cannot run is refused in one sentence of ours."""
    try:
        with device.open(broken) as session:
            session.time(1)
    except HwprofError as error:
        law("\n" not in str(error), "an error is one line")
        return
    raise AssertionError("a model that cannot run raises an HwprofError")


def check_device(device: Device, model: Model) -> None:
    """Every law that needs only a device and a model that it runs."""
    check_backend(type(device))
    check_spec(device)
    check_timing(device, model)
    check_outputs(device, model)
    check_profile(device, model)
