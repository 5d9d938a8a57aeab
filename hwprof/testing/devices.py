"""The laws that every device keeps. Plugin authors run them against their own backend.

    from hwprof.testing.devices import check_device
    check_device(MyDevice.create({}), model)

Each law raises AssertionError with a sentence that says what is wrong. Nothing here depends on a
test framework.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np

from hwprof.codec import CodecError, from_json, to_json
from hwprof.device_spec import DeviceSpec
from hwprof.devices.base import Availability, Device, Session
from hwprof.devices.options import Option
from hwprof.devices.profiled_runs import ROUNDS
from hwprof.errors import DeviceError, HwprofError, MeasurementError, OptionError
from hwprof.measurement import Values
from hwprof.models.base import Model
from hwprof.models.inputs import Value, feed_of
from hwprof.models.inputs.stored import value_hash
from hwprof.models.outputs import OutputTensor
from hwprof.plugins import in_words
from hwprof.profile import Profile
from hwprof.telemetry import ONNX_RUNTIME, opt_out

T = TypeVar("T")

SAMPLES = 3
PROFILED = 4
STRANGE = "no-such-option"


def law(holds: bool, sentence: str) -> None:
    """Raise AssertionError(sentence) unless `holds`."""
    if not holds:
        raise AssertionError(sentence)


def refusal(call: Callable[[], object], what: str, *kinds: type[HwprofError]) -> HwprofError | None:
    """The error with which `call` refuses, or None: it raises one of `kinds`, in one line."""
    try:
        call()
    except kinds as error:
        law(
            "\n" not in "".join(map(str, error.args)),
            f"an error is one line, and that of {what} is not: {error}",
        )
        return error
    except Exception as error:  # whatever a plugin raises
        names = " or ".join(kind.__name__ for kind in kinds)
        raise AssertionError(f"{what} raises {names} alone, not {in_words(error)}") from error
    return None


def survives_json(value: T, kind: Any, what: str) -> None:
    """Law of whatever crosses to another process: it arrives as it was."""
    try:
        arrived = from_json(to_json(value), kind)
    except (CodecError, TypeError, ValueError) as error:
        raise AssertionError(f"{what} survives JSON, not so here: {in_words(error)}") from error
    law(arrived == value, f"{what} survives JSON, and what arrives is the same")


def check_availability(backend: type[Device]) -> None:
    """Laws of `availability`: it raises nothing, and a reason is one line."""
    try:
        state = backend.availability()
    except Exception as error:  # whatever a plugin raises
        raise AssertionError(f"availability() raises nothing, not {in_words(error)}") from error
    law(isinstance(state, Availability), "availability() gives an Availability")
    law(state.ok or bool(state.reason), "a device that is not available says why")
    law("\n" not in state.reason + state.fix, "a reason is one line, and so is its fix")


def check_options(backend: type[Device]) -> None:
    """Laws of the options: they are what they are listed as."""
    options = backend.options()
    law(all(isinstance(each, Option) for each in options), "options() gives Options")
    names = [each.name for each in options]
    law(len(set(names)) == len(names), "two options have two names")
    for each in options:
        given = f"{each.name}={each.default}"
        if each.default:
            error = refusal(
                lambda each=each: backend.create({each.name: each.default}),  # type: ignore[misc]
                f"create() with {given}",
                OptionError,
            )
            law(error is None, f"an option takes its own default, and {given} is refused: {error}")
        if each.values and not each.form:
            error = refusal(
                lambda each=each: backend.create({each.name: STRANGE}),  # type: ignore[misc]
                f"create() with {each.name}={STRANGE}",
                OptionError,
            )
            law(error is not None, f"create() refuses a wrong value of {each.name}")


def check_backend(backend: type[Device]) -> None:
    """Laws of the class: it says whether it is available, and knows its options."""
    check_availability(backend)
    error = refusal(
        lambda: backend.create({STRANGE: "1"}),
        "create() with an unknown option",
        OptionError,
        DeviceError,
    )
    law(error is not None, "create() refuses an unknown option with OptionError")
    check_options(backend)


def check_spec(device: Device) -> None:
    """Laws of the spec: it is stable, survives JSON, names a device and all of its options."""
    spec = device.spec
    law(spec == device.spec, "spec is the same each time it is asked for")
    survives_json(spec, DeviceSpec, "spec")
    law(bool(spec.name and spec.runtime), "spec has a name and a runtime")
    law(spec.threads >= 1, "threads is at least 1")
    named = {"threads", "precision", *spec.options}
    missing = [each.name for each in device.options() if each.in_spec and each.name not in named]
    law(not missing, f"spec names every option that is said to be in it, not so {missing}")


def check_memory(session: Session) -> None:
    """Laws of memory: a figure, or the reason why there is none."""
    memory = session.memory()
    known = [memory.peak_rss_bytes, memory.baseline_rss_bytes, memory.accelerator_peak_bytes]
    law(all(value is None or value > 0 for value in known), "no zero passes for memory")
    law(
        memory.peak_rss_bytes is not None or bool(memory.absent.get("peak_rss_bytes")),
        "an absent peak has a reason",
    )


def check_samples(session: Session) -> None:
    """Laws of the figures that an open session gives."""
    law(
        math.isfinite(session.setup_s) and session.setup_s >= 0,
        "setup_s is a number of seconds, and not negative",
    )
    overhead_s = session.overhead_s()
    law(overhead_s is None or overhead_s >= 0, "the overhead is stated, or absent")
    samples = session.time(SAMPLES)
    law(len(samples) == SAMPLES, f"time(n) gives n samples, not {len(samples)} of {SAMPLES}")
    law(bool(np.all(samples.wall_s > 0)), "a run takes time")
    law(samples.loops == 1, "samples of single runs say so")
    law(session.time(1, 2).loops == 2, "samples say how many loops they hold")
    check_memory(session)


def check_closing(session: Session) -> None:
    """Laws of the end of a session: closing it again does nothing, and it runs no more."""
    for _ in range(2):
        try:
            session.close()
        except Exception as error:  # whatever a plugin raises
            raise AssertionError(
                f"a session may be closed twice, and here it raises {in_words(error)}"
            ) from error
    closed = refusal(lambda: session.time(1), "time() after close()", MeasurementError)
    law(closed is not None, "a closed session refuses to time with MeasurementError")


def check_timing(device: Device, model: Model) -> None:
    """Laws of a session's timings, and of its end."""
    session = device.open(model)
    try:
        check_samples(session)
    except BaseException:
        session.close()
        raise
    check_closing(session)


def check_outputs(device: Device, model: Model) -> None:
    """Laws of outputs: the same inputs give the same answer, and it can be handed over."""
    found: list[tuple[OutputTensor, ...]] = []
    with device.open(model) as session:
        for _ in range(2):
            refused = refusal(lambda: found.append(session.outputs()), "outputs()", DeviceError)
            if refused is not None:
                return
    first, second = found
    law(bool(first), "a model has outputs")
    survives_json(first, tuple[OutputTensor, ...], "what outputs() gives")
    law(len(first) == len(second), "outputs() gives as many outputs each time")
    for one, two in zip(first, second, strict=True):
        law((one.dtype, one.shape) == (two.dtype, two.shape), "outputs keep type and shape")
        law(
            bool(np.allclose(one.array(), two.array(), rtol=1e-3, atol=1e-6, equal_nan=True)),
            "the same inputs give the same outputs",
        )


def check_given_values(device: Device, model: Model) -> None:
    """Law of given values: they are what runs, in place of those that are made up.

    Checked on ONNX models whose outputs hang on their inputs of floats, as ONNX Runtime finds.
    """
    if model.format != "onnx":
        return
    variants = [_with_given(model, scale) for scale in (1, 2)]
    if not variants[0].given or _same_outputs(*(_by_onnxruntime(each) for each in variants)):
        return
    found: list[Sequence[np.ndarray]] = []
    for variant in variants:
        with device.open(variant) as session:
            try:
                found.append([output.array() for output in session.outputs()])
            except DeviceError:
                return
    law(
        not _same_outputs(*found),
        "a session runs on the values that are given (hwprof.models.inputs.feed_of)",
    )


def _with_given(model: Model, scale: int) -> Model:
    """The model with values of its inputs of floats given: its own, times `scale`, less that."""
    given: dict[str, Value] = {
        name: value * scale - (scale - 1)
        for name, value in feed_of(model).items()
        if isinstance(value, np.ndarray) and value.dtype.kind == "f" and value.size
    }
    values = tuple(
        Values(name, "an array", "given", value_hash(value)) for name, value in given.items()
    )
    return replace(model, subject=replace(model.subject, values=values), given=given)


def _by_onnxruntime(model: Model) -> Sequence[np.ndarray]:
    opt_out(ONNX_RUNTIME)
    import onnxruntime

    session = onnxruntime.InferenceSession(str(model.path), providers=["CPUExecutionProvider"])
    outputs: Sequence[np.ndarray] = session.run(None, feed_of(model))
    return outputs


def _same_outputs(one: Sequence[np.ndarray], other: Sequence[np.ndarray]) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def check_profile(device: Device, model: Model) -> None:
    """Laws of a profile: raw, complete, and honest about what it covers."""
    found: list[Profile] = []
    with device.open(model) as session:
        session.time(1)
        refused = refusal(
            lambda: found.append(session.profile(PROFILED).profile),
            f"profile({PROFILED})",
            DeviceError,
        )
        if refused is not None:
            return
    (profile,) = found
    law(profile.node_cost_s is None, "a device does not estimate its profiler's cost")
    runs = len(profile.run_wall_s)
    most = ROUNDS * PROFILED
    law(1 <= runs <= most, f"profile(n) keeps 1 to {most} runs, not {runs}, for n = {PROFILED}")
    law(bool(profile.occurrences), "a profile names kernels")
    for each in profile.occurrences:
        durations = each.durations_s
        law(
            bool(np.all(np.isfinite(durations) & (durations >= 0))),
            f"a kernel takes seconds, and '{each.name}' takes none that could be",
        )
    covered = [node for o in profile.occurrences for node in o.source_nodes]
    law(len(covered) == len(set(covered)), "a source node belongs to one kernel at most")
    law(not set(covered) & set(profile.uncovered), "no node is both covered and not")


def check_bad_model(device: Device, broken: Model) -> None:
    """A model that cannot run is refused in one sentence of ours."""

    def attempt() -> None:
        with device.open(broken) as session:
            session.time(1)

    error = refusal(attempt, "opening a model that cannot run", HwprofError)
    law(error is not None, "a model that cannot run raises an HwprofError")


def check_device(device: Device, model: Model) -> None:
    """Every law that needs only a device and a model that it runs."""
    check_backend(type(device))
    check_spec(device)
    check_timing(device, model)
    check_outputs(device, model)
    check_given_values(device, model)
    check_profile(device, model)
