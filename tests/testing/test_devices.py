"""The shipped laws, held against the shipped devices, and each shown able to fail."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from hwprof.device_spec import DeviceSpec
from hwprof.devices.base import Availability, Device, Session
from hwprof.devices.onnxruntime import OnnxRuntimeCpu
from hwprof.devices.options import Option
from hwprof.devices.plugin import (
    DeclaredDevice,
    DeviceError,
    Kernel,
    KernelOccurrence,
    MeasurementError,
    ModelError,
    OptionError,
    Profile,
    ProfiledRun,
    Program,
    ProgramSession,
    Runtime,
    Samples,
    choice,
    thread_count,
)
from hwprof.devices.profiled_runs import ROUNDS
from hwprof.measurement import Memory
from hwprof.models.base import Model
from hwprof.models.inputs import tensors_of
from hwprof.models.load import load_model
from hwprof.models.outputs import OutputTensor
from hwprof.testing.devices import (
    PROFILED,
    check_backend,
    check_bad_model,
    check_device,
    check_given_values,
    check_outputs,
    check_profile,
    check_spec,
    check_timing,
)
from hwprof.testing.replay import ReplayDevice


@pytest.mark.parametrize("level", ["none", "basic", "extended", "all"])
def test_onnxruntime_keeps_the_laws(level: str, squeezenet: Path) -> None:
    check_device(OnnxRuntimeCpu(level=level), load_model(squeezenet))


def test_a_replay_keeps_the_laws(mlp: Path) -> None:
    device = ReplayDevice(Samples(np.array([1e-3, 2e-3])))
    check_device(device, load_model(mlp))


def test_bad_models_are_refused(mlp: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(mlp.read_bytes()[:100])
    check_bad_model(OnnxRuntimeCpu(), Model(broken, load_model(mlp).subject))


def kernel(name: str, durations: Sequence[float], *nodes: str) -> KernelOccurrence:
    what = Kernel("toy", "Add", {}, (), ())
    return KernelOccurrence(name, what, "hand", np.array(durations), nodes)


def profiled(*kernels: KernelOccurrence, runs: int = PROFILED, **facts: Any) -> ProfiledRun:
    kernels = kernels or (kernel("a", [1e-6] * runs, "x"),)
    return ProfiledRun(Profile(kernels, np.full(runs, 1e-5), **facts))


class Counting(Program):
    """Counts to a hundred, which takes a while, and writes two numbers."""

    def __init__(self, model: Model) -> None:
        self._sum = sum(float(np.sum(value)) for value in tensors_of(model).values())

    def run(self) -> object:
        return sum(range(100))

    def outputs(self) -> Sequence[np.ndarray]:
        return [np.array([self._sum, 2.0], np.float32)]

    def profile(self, runs: int) -> ProfiledRun:
        return profiled(runs=runs)


@dataclass(frozen=True, slots=True)
class Lawful(DeclaredDevice):
    """A device that keeps every law; each broken one below changes one thing about it."""

    NAME: ClassVar[str] = "toy"

    threads: int = thread_count()
    size: str = choice("small", ("small", "large"), "of the toy")

    @classmethod
    def availability(cls) -> Availability:
        return Availability(True)

    def runtime(self) -> Runtime:
        return Runtime("toy", "1", "", "hand")

    def open_model(self, model: Model) -> Session:
        return ProgramSession(model, self.threads, lambda: Counting(model))


def test_a_lawful_device_passes(mlp: Path) -> None:
    check_device(Lawful(), load_model(mlp))


def raising(error: Exception) -> Callable[..., Any]:
    def call(*_: object, **__: object) -> Any:
        raise error

    return call


# --- the class ---------------------------------------------------------------------------------


def made(**changes: Any) -> type[Device]:
    """Lawful with class methods replaced."""
    return type("Broken", (Lawful,), {k: classmethod(v) for k, v in changes.items()})


def lenient(cls: type[Device], options: Mapping[str, str]) -> Device:
    return Lawful()


def lists(*options: object) -> Callable[[type[Device]], tuple[object, ...]]:
    return lambda cls: options


def deaf(cls: type[Device], options: Mapping[str, str]) -> Device:
    """Refuses unknown options, and looks at no value."""
    if set(options) - {"threads", "size"}:
        raise OptionError("unknown; leave it out")
    return Lawful()


SIZE = Lawful.options()[1]

BACKENDS: list[tuple[str, dict[str, Any]]] = [
    ("availability() gives an Availability", {"availability": lambda cls: True}),
    (
        "availability() raises nothing, not OSError: no driver",
        {"availability": raising(OSError("no driver"))},
    ),
    ("a device that is not available says why", {"availability": lambda cls: Availability(False)}),
    ("a reason is one line", {"availability": lambda cls: Availability(False, "no\nway")}),
    ("create() refuses an unknown option with OptionError", {"create": lenient}),
    (
        "create() with an unknown option raises OptionError or DeviceError alone, not KeyError",
        {"create": raising(KeyError("no-such-option"))},
    ),
    (
        "an error is one line, and that of create() with an unknown option is not",
        {"create": raising(OptionError("no\nsuch option"))},
    ),
    ("options() gives Options", {"options": lists("size")}),
    ("two options have two names", {"options": lists(SIZE, SIZE)}),
    (
        "an option takes its own default, and size=huge is refused",
        {"options": lists(replace(SIZE, default="huge"))},
    ),
    ("create() refuses a wrong value of size", {"create": deaf}),
]


@pytest.mark.parametrize(("sentence", "changes"), BACKENDS, ids=[row[0][:40] for row in BACKENDS])
def test_laws_of_the_class_can_be_broken(sentence: str, changes: dict[str, Any]) -> None:
    with pytest.raises(AssertionError) as error:
        check_backend(made(**changes))
    assert sentence in str(error.value)


# --- the spec ----------------------------------------------------------------------------------


class Described(ReplayDevice):
    """A device whose spec is whatever comes next."""

    def __init__(self, *specs: DeviceSpec) -> None:
        super().__init__(Samples(np.array([1e-3])))
        self._specs = list(specs)

    @property
    def spec(self) -> DeviceSpec:
        return self._specs.pop(0) if len(self._specs) > 1 else self._specs[0]


class Forgetful(Described):
    @classmethod
    def options(cls) -> tuple[Option, ...]:
        return (SIZE, replace(SIZE, name="place", in_spec=False))


GOOD = Lawful().spec
LISTED = replace(GOOD, hardware=replace(GOOD.hardware, isa=["avx"]))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("sentence", "device"),
    [
        ("spec is the same each time", Described(GOOD, replace(GOOD, runtime_version="2"))),
        ("spec survives JSON, not so here", Described(replace(GOOD, options={"size": 1}))),  # type: ignore[dict-item]
        (
            "what arrives is the same",
            Described(LISTED),
        ),
        ("spec survives JSON", Described(replace(GOOD, options={"size": {1, 2}}))),  # type: ignore[dict-item]
        ("spec has a name and a runtime", Described(replace(GOOD, runtime=""))),
        ("threads is at least 1", Described(replace(GOOD, threads=0))),
        ("not so ['size']", Forgetful(replace(GOOD, options={}))),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_laws_of_the_spec_can_be_broken(sentence: str, device: Device) -> None:
    with pytest.raises(AssertionError) as error:
        check_spec(device)
    assert sentence in str(error.value)


# --- a session ---------------------------------------------------------------------------------


class Session_(ProgramSession):
    """A session over Counting with one thing changed."""

    changes: ClassVar[dict[str, Any]] = {}

    def __init__(self, model: Model) -> None:
        super().__init__(model, 1, lambda: Counting(model))


def opening(**changes: Any) -> Device:
    """A device whose sessions have these attributes instead of the lawful ones."""
    kind = type("Broken", (Session_,), changes)

    class Opens(Lawful):
        def open_model(self, model: Model) -> Session:
            return kind(model)

    return Opens()


def timed(self: Session, samples: int, loops: int = 1) -> Samples:
    return Samples(np.full(samples, 1e-3), loops=loops)


def close_once(self: Any) -> None:
    if self._program is None:
        raise RuntimeError("closed\nalready")
    ProgramSession.close(self)


TIMING: list[tuple[str, dict[str, Any]]] = [
    ("setup_s is a number of seconds", {"setup_s": property(lambda self: -1.0)}),
    ("setup_s is a number of seconds", {"setup_s": property(lambda self: float("nan"))}),
    ("the overhead is stated, or absent", {"overhead_s": lambda self: -1e-9}),
    (
        "time(n) gives n samples, not 4 of 3",
        {"time": lambda self, n, loops=1: timed(self, n + 1, loops)},
    ),
    ("a run takes time", {"time": lambda self, n, loops=1: Samples(np.zeros(n), loops=loops)}),
    ("samples of single runs say so", {"time": lambda self, n, loops=1: timed(self, n, 2)}),
    ("samples say how many loops they hold", {"time": lambda self, n, loops=1: timed(self, n)}),
    ("no zero passes for memory", {"memory": lambda self: Memory(peak_rss_bytes=0)}),
    ("an absent peak has a reason", {"memory": lambda self: Memory()}),
    (
        "a session may be closed twice, and here it raises RuntimeError: closed already",
        {"close": close_once},
    ),
    ("a closed session refuses to time with MeasurementError", {"time": timed}),
    (
        "time() after close() raises MeasurementError alone, not AttributeError",
        {"_opened": lambda self: self._program},
    ),
    (
        "an error is one line, and that of time() after close() is not",
        {"_opened": lambda self: self._program or raising(MeasurementError("closed\nalready"))()},
    ),
]


@pytest.mark.parametrize(("sentence", "changes"), TIMING, ids=[row[0][:40] for row in TIMING])
def test_laws_of_timing_can_be_broken(sentence: str, changes: dict[str, Any], mlp: Path) -> None:
    with pytest.raises(AssertionError) as error:
        check_timing(opening(**changes), load_model(mlp))
    assert sentence in str(error.value)


def in_turn(*answers: Any) -> Callable[..., Any]:
    left = list(answers)
    return lambda *_: left.pop(0)


def tensors(*values: object) -> tuple[OutputTensor, ...]:
    return tuple(OutputTensor.of(np.array(value, np.float32)) for value in values)


OUTPUTS: list[tuple[str, Callable[..., Any]]] = [
    ("outputs() raises DeviceError alone, not ValueError: odd", raising(ValueError("odd"))),
    (
        "an error is one line, and that of outputs() is not",
        raising(DeviceError("no outputs\nat all")),
    ),
    ("a model has outputs", in_turn((), ())),
    ("what outputs() gives survives JSON", in_turn((np.zeros(1),), (np.zeros(1),))),
    ("outputs() gives as many outputs each time", in_turn(tensors(1), tensors(1, 2))),
    ("outputs keep type and shape", in_turn(tensors([1, 2]), tensors([[1, 2]]))),
    ("the same inputs give the same outputs", in_turn(tensors([1, 2]), tensors([1, 3]))),
]


@pytest.mark.parametrize(("sentence", "outputs"), OUTPUTS, ids=[row[0][:40] for row in OUTPUTS])
def test_laws_of_outputs_can_be_broken(
    sentence: str, outputs: Callable[..., Any], mlp: Path
) -> None:
    with pytest.raises(AssertionError) as error:
        check_outputs(opening(outputs=outputs), load_model(mlp))
    assert sentence in str(error.value)


def test_the_law_of_given_values_can_be_broken(mlp: Path) -> None:
    deaf = opening(outputs=lambda self: tensors([1, 2]))
    with pytest.raises(AssertionError, match="runs on the values that are given"):
        check_given_values(deaf, load_model(mlp))


def test_a_device_without_outputs_or_profile_says_so(mlp: Path) -> None:
    silent = raising(DeviceError("there is none; use --no-per-op"))
    check_outputs(opening(outputs=silent), load_model(mlp))
    check_profile(opening(profile=silent), load_model(mlp))


PROFILES: list[tuple[str, Callable[..., Any]]] = [
    (
        "profile(4) raises DeviceError alone, not ValueError: kernel a has 3 durations for 4 runs",
        lambda self, runs: profiled(kernel("a", [1e-6] * 3)),
    ),
    ("an error is one line, and that of profile(4) is not", raising(DeviceError("no\nprofile"))),
    (
        "a device does not estimate its profiler's cost",
        lambda self, runs: profiled(node_cost_s=1e-6),
    ),
    (
        "profile(n) keeps 1 to 12 runs, not 13, for n = 4",
        lambda self, runs: profiled(runs=ROUNDS * runs + 1),
    ),
    (
        "a profile names kernels",
        lambda self, runs: ProfiledRun(Profile((), np.full(runs, 1e-5))),
    ),
    (
        "a kernel takes seconds, and 'late' takes none that could be",
        lambda self, runs: profiled(kernel("late", [1e-6, -1e-6, 1e-6, 1e-6])),
    ),
    (
        "a kernel takes seconds, and 'lost' takes none that could be",
        lambda self, runs: profiled(kernel("lost", [float("nan")] * runs)),
    ),
    (
        "a source node belongs to one kernel at most",
        lambda self, runs: profiled(kernel("a", [0.0] * runs, "x"), kernel("b", [0.0] * runs, "x")),
    ),
    ("no node is both covered and not", lambda self, runs: profiled(uncovered=("x",))),
]


@pytest.mark.parametrize(("sentence", "profile"), PROFILES, ids=[row[0][:40] for row in PROFILES])
def test_laws_of_a_profile_can_be_broken(
    sentence: str, profile: Callable[..., Any], mlp: Path
) -> None:
    with pytest.raises(AssertionError) as error:
        check_profile(opening(profile=profile), load_model(mlp))
    assert sentence in str(error.value)


def test_a_program_with_too_few_durations_is_named(mlp: Path) -> None:
    class Short(Counting):
        def profile(self, runs: int) -> ProfiledRun:
            return profiled(kernel("a", [1e-6] * 3))

    class Opens(Lawful):
        def open_model(self, model: Model) -> Session:
            return ProgramSession(model, 1, lambda: Short(model))

    with pytest.raises(AssertionError, match="kernel a has 3 durations for 4 runs"):
        check_profile(Opens(), load_model(mlp))


@pytest.mark.parametrize(
    ("sentence", "open_model"),
    [
        ("a model that cannot run raises an HwprofError", Lawful.open_model),
        ("an error is one line", raising(ModelError("cannot be\nopened"))),
    ],
)
def test_laws_of_a_bad_model_can_be_broken(
    sentence: str, open_model: Callable[..., Any], mlp: Path
) -> None:
    device = type("Broken", (Lawful,), {"open_model": open_model})()
    with pytest.raises(AssertionError) as error:
        check_bad_model(device, load_model(mlp))
    assert sentence in str(error.value)
